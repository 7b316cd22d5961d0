//! What is done to a module after cargo: Binaryen's optimiser, and names to a file of their own.
//!
//! The result lies beside cargo's own output and is made anew only when that changes or another
//! `wasm-opt` is found, so that a warm build costs nothing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use anyhow::Context as _;
use gatewright_harness::symbols;

use crate::write::{self, Readers};

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Optimised {
    /// By this version of Binaryen.
    By(String),
    /// There is no `wasm-opt`.
    Missing,
    /// It failed, and cargo's own module was taken.
    Failed(String),
}

/// What rustc may emit for the target, which `wasm-opt` must not take for a mistake.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// A module as it is packed.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    /// Where it lies.
    pub(crate) wasm: PathBuf,
    /// What was done to it.
    pub(crate) optimised: Optimised,
}

/// Finishes modules, as many at once as the machine has cores: the optimiser takes seconds for each.
pub(crate) fn finish_all(built: &[PathBuf]) -> Vec<anyhow::Result<Finished>> {
    let next = AtomicUsize::new(0);
    let done: Vec<OnceLock<_>> = built.iter().map(|_| OnceLock::new()).collect();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers.min(built.len()) {
            scope.spawn(|| {
                while let index = next.fetch_add(1, Ordering::Relaxed)
                    && let (Some(module), Some(done)) = (built.get(index), done.get(index))
                {
                    // Each index is taken once.
                    let _ = done.set(finish(module));
                }
            });
        }
    });
    done.into_iter().filter_map(OnceLock::into_inner).collect()
}

/// Finishes a module that cargo built, if that was not done already.
fn finish(built: &Path) -> anyhow::Result<Finished> {
    let folder = built.parent().unwrap_or(Path::new(".")).join("finished");
    let name = built.file_name().context("a module has a name")?;
    let wasm = folder.join(name);
    let stamp_file = wasm.with_extension("stamp");
    let tool = find_tool();
    let stamp = stamp(built, tool.as_deref())?;
    if let Ok(known) = std::fs::read_to_string(&stamp_file)
        && let Some(done) = known.strip_prefix(&stamp)
        && wasm.exists()
    {
        return Ok(Finished {
            wasm,
            optimised: read_outcome(done),
        });
    }
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    // A build that is cut short here begins anew.
    let _ = std::fs::remove_file(&stamp_file);
    let scratch = scratch(&wasm);
    let optimised = match &tool {
        None => Optimised::Missing,
        Some(tool) => match optimise(tool, built, &scratch) {
            Ok(version) => Optimised::By(version),
            Err(error) => Optimised::Failed(format!("{error:#}")),
        },
    };
    let source = match &optimised {
        Optimised::By(_) => &scratch,
        Optimised::Missing | Optimised::Failed(_) => built,
    };
    let module =
        std::fs::read(source).with_context(|| format!("cannot read `{}`", source.display()));
    let _ = std::fs::remove_file(&scratch);
    let module = module?;
    let side = symbols::side_file(&wasm);
    match symbols::split(&module) {
        Some((small, names)) => {
            write(&wasm, &small)?;
            write(&side, &names)?;
        }
        None => {
            write(&wasm, &module)?;
            let _ = std::fs::remove_file(side);
        }
    }
    write(
        &stamp_file,
        format!("{stamp}{}", write_outcome(&optimised)).as_bytes(),
    )?;
    Ok(Finished { wasm, optimised })
}

/// Writes a file as a whole: another run of the program may be reading it.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write::whole(path, bytes, Readers::Usual)
}

/// A name beside a file that no other run of the program takes.
fn scratch(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    name.into()
}

/// `wasm-opt` on the path.
fn find_tool() -> Option<PathBuf> {
    let name = format!("wasm-opt{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(&name))
        .find(|path| path.is_file())
}

/// What the result hangs on: when both were made, and how long they are.
fn stamp(built: &Path, tool: Option<&Path>) -> anyhow::Result<String> {
    let about = |path: &Path| -> anyhow::Result<String> {
        let about =
            std::fs::metadata(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let made = about.modified().ok();
        let made = made.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        Ok(format!(
            "{} {} {}",
            path.display(),
            made.unwrap_or_default().as_nanos(),
            about.len()
        ))
    };
    let tool = tool.map(about).transpose()?.unwrap_or_default();
    Ok(format!("2\n{}\n{tool}\n", about(built)?))
}

fn write_outcome(optimised: &Optimised) -> String {
    match optimised {
        Optimised::By(version) => format!("by {version}"),
        Optimised::Missing => "missing".to_owned(),
        Optimised::Failed(why) => format!("failed {why}"),
    }
}

fn read_outcome(text: &str) -> Optimised {
    match text.split_once(' ') {
        Some(("by", version)) => Optimised::By(version.to_owned()),
        Some(("failed", why)) => Optimised::Failed(why.to_owned()),
        _ => Optimised::Missing,
    }
}

/// Runs the optimiser, names kept, and answers its version.
fn optimise(tool: &Path, input: &Path, output: &Path) -> anyhow::Result<String> {
    let version = run(Command::new(tool).arg("--version"))?;
    let mut command = Command::new(tool);
    command.args(FEATURES).args(["-O3", "--debuginfo"]);
    command.arg(input).arg("--output").arg(output);
    run(&mut command)?;
    // `wasm-opt version 132 (version_132)`
    let version = version.split_whitespace().nth(2).unwrap_or("unknown");
    Ok(version.to_owned())
}

fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .context("cannot run `wasm-opt`")?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(
        output.status.success(),
        "`wasm-opt` failed: {}",
        said.lines().next().unwrap_or("it says nothing")
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_survives_its_stamp() {
        for outcome in [
            Optimised::By("132".to_owned()),
            Optimised::Missing,
            Optimised::Failed("`wasm-opt` failed: unknown option".to_owned()),
        ] {
            assert_eq!(read_outcome(&write_outcome(&outcome)), outcome);
        }
    }

    #[test]
    fn a_module_is_finished_once_and_again_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let built = folder.path().join("p.wasm");
        let module = |body: &str| {
            wat::parse_str(format!("(module (func $named (export \"f\") {body}))")).unwrap()
        };
        std::fs::write(&built, module("")).unwrap();
        let finished = finish(&built).unwrap();
        let first = std::fs::read(&finished.wasm).unwrap();
        assert!(symbols::split(&first).is_none(), "names are still in it");
        assert!(symbols::side_file(&finished.wasm).exists());
        let named = symbols::read(&finished.wasm).unwrap();
        assert!(named.windows(5).any(|part| part == b"named"));

        // What lies there already is taken as it is.
        std::fs::write(&finished.wasm, b"kept").unwrap();
        finish(&built).unwrap();
        assert_eq!(std::fs::read(&finished.wasm).unwrap(), b"kept");

        std::fs::write(&built, module("nop nop")).unwrap();
        finish(&built).unwrap();
        assert_ne!(std::fs::read(&finished.wasm).unwrap(), b"kept");
    }
}
