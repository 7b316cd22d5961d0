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
