//! The program in a folder of its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a run of the program gave.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Asserts an exit code and a part of what was printed, and gives the first line of it.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, part: &str) -> String {
        let all = format!("{}\n{}", self.out, self.err);
        assert_eq!(self.code, Some(code), "{all}");
        assert!(all.contains(part), "`{part}` is not in: {all}");
        self.out.lines().next().unwrap_or_default().to_owned()
    }
}

/// A folder that is working folder and home, so that nobody's logins are used.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.at(name), content).expect("writes");
    }

    pub(crate) fn run(&self, line: &str) -> Run {
        self.run_in(self.0.path(), line)
    }

    /// Runs `gatewright` with the words of a line.
    pub(crate) fn run_in(&self, folder: &Path, line: &str) -> Run {
        self.run_command(folder, line, |command| command)
    }

    /// Runs it in this workspace, where plugins are built beside those that build scripts built
    /// already: cargo decides what is stale, and does not build the others a second time. Binaryen
    /// takes seconds for each of them, so it is out of sight here; plugins from `gatewright new`
    /// are tested with it.
    pub(crate) fn run_in_checkout(&self, line: &str) -> Run {
        let program = Path::new(env!("CARGO_BIN_EXE_gatewright"));
        let target = program.ancestors().nth(2).expect("cargo's layout");
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        self.run_command(here, line, |command| {
            command
                .env("CARGO_TARGET_DIR", target.join("plugins"))
                .env("PATH", path_without("wasm-opt"))
        })
    }

    fn run_command(
        &self,
        folder: &Path,
        line: &str,
        change: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatewright"));
        let output = change(&mut command)
            .args(line.split_whitespace())
            .current_dir(folder)
            .env("DOCKER_CONFIG", self.0.path())
            .env("XDG_CONFIG_HOME", self.at("none"))
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("REGISTRY_AUTH_FILE")
            .env_remove("COSIGN_PASSWORD")
            .stdin(Stdio::null())
            .output()
            .expect("runs");
        Run {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

/// The folders of the path in which there is no such program.
fn path_without(program: &str) -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).filter(|folder| !folder.join(program).exists());
    std::env::join_paths(folders).expect("a path")
}

/// Prints a figure, which `scripts/figures` reads.
#[expect(clippy::print_stdout, reason = "it is read with --nocapture")]
pub(crate) fn figure(id: &str, value: &str) {
    println!("figure {id} {value}");
}

/// The smallest module that is a plugin, marked so that tests can have several.
pub(crate) fn plugin(mark: u32) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(module (memory (export "memory") 1)
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) i32.const {mark}))"#
    ))
    .expect("valid text")
}
