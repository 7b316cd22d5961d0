//! Another program as the host: a [`Run`] in JSON on its standard input, the observations in JSON
//! on its standard output, one process a case.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::model::{Host, Observation, Run};

/// A program that runs one case a process.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

impl Host for Program {
    fn run(&mut self, run: &Run) -> Result<Vec<Vec<Observation>>, String> {
        let fail = |error: &dyn std::fmt::Display| format!("`{}`: {error}", self.program.display());
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| fail(&error))?;
        let asked = serde_json::to_vec(run).map_err(|error| fail(&error))?;
        // Dropped at the end of the statement, which is what ends the program's input.
        let written = child.stdin.take().map(|mut stdin| stdin.write_all(&asked));
        let answer = child.wait_with_output().map_err(|error| fail(&error))?;
        if !answer.status.success() {
            return Err(fail(&answer.status));
        }
        if let Some(Err(error)) = written {
            return Err(fail(&error));
        }
        serde_json::from_slice(&answer.stdout).map_err(|error| fail(&error))
    }
}

/// Is such a program: reads a run, gives it to a host, writes what was observed.
///
/// # Errors
/// A text when the input is no run, the host could not be run, or nobody takes the output.
pub fn serve(
    host: &mut dyn Host,
    input: &mut dyn Read,
    output: &mut dyn Write,
) -> Result<(), String> {
    let run: Run = serde_json::from_reader(input).map_err(|error| error.to_string())?;
    let observed = host.run(&run)?;
    serde_json::to_writer(&mut *output, &observed).map_err(|error| error.to_string())?;
    output.flush().map_err(|error| error.to_string())
}
