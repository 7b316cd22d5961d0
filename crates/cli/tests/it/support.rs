//! The program in a folder of its own.

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
        let output = Command::new(env!("CARGO_BIN_EXE_gatewright"))
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
