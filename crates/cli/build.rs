//! Builds the plugins that stand for Google's published images and puts them into the program, so
//! that the documentation's manifests can be served wherever it is installed.

#[path = "build/plugins.rs"]
mod plugins;

use std::path::{Path, PathBuf};

/// Published images, and our plugins that do the same with the same configuration.
const TWINS: [(&str, &str); 2] = [
    ("local-reply", "local-reply"),
    ("enable-recaptcha", "html-rewrite"),
];

fn main() {
    pack_relocations();
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = here
        .ancestors()
        .nth(2)
        .expect("this crate lies in the workspace")
        .to_path_buf();
    let sources = TWINS.map(|(_, plugin)| Path::new("plugins").join(plugin));
    plugins::watch(&root, &sources);
    let built = plugins::build(&root, &TWINS.map(|(_, plugin)| plugin));
    let mut source = String::from("&[");
    for (image, plugin) in TWINS {
        let wasm = built.join(plugin.replace('-', "_")).with_extension("wasm");
        let wasm = wasm.display().to_string();
        source += &format!("({image:?}, {plugin:?}, include_bytes!({wasm:?})),");
    }
    source += "]";
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    std::fs::write(out.join("twins.rs"), source).expect("the build folder can be written to");
}

/// Has the linker write the addresses that are fixed up at each start in their packed form: there are
/// sixty thousand, and a tenth of a start went into reading them. The system's loader knows the form
/// from glibc 2.36 on, and a program is taken to run where it was built.
fn pack_relocations() {
    let is = |name: &str, value| std::env::var(name).is_ok_and(|found| found == value);
    let here = std::env::var("HOST").unwrap_or_default();
    if !(is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && is("TARGET", here.as_str()))
    {
        return;
    }
    let said = std::process::Command::new("getconf")
        .arg("GNU_LIBC_VERSION")
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let version = said.ok().and_then(|said| {
        let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
        let minor = minor.split('.').next()?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    });
    if version.is_some_and(|version| version >= (2, 36)) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
