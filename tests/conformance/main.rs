//! Runs the conformance kit against a host, from the command line.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a program")]

use std::process::ExitCode;

use gatewright_host::{Profile, support_page};
use gatewright_tests::conformance::{Host, Ours, Program, all, check, serve};

const HELP: &str = "\
conformance [--profile NAME] [PROGRAM ARGUMENT…]   runs the cases against PROGRAM, or our host
conformance --serve                                is our host as such a PROGRAM
conformance --support                              prints the page of what each profile supports";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("conformance: {error}");
            ExitCode::from(3)
        }
    }
}

fn run() -> Result<ExitCode, String> {
    let mut arguments = std::env::args().skip(1).peekable();
    let mut profiles: Vec<&str> = Profile::ALL.iter().map(|profile| profile.name()).collect();
    match arguments.peek().map(String::as_str) {
        Some("--serve") => {
            let mut input = std::io::stdin().lock();
            serve(&mut Ours::new()?, &mut input, &mut std::io::stdout().lock())?;
            return Ok(ExitCode::SUCCESS);
        }
        Some("--support") => {
            print!("{}", support_page());
            return Ok(ExitCode::SUCCESS);
        }
        Some("--help") => {
            println!("{HELP}");
            return Ok(ExitCode::SUCCESS);
        }
        Some("--profile") => {
            let name = arguments.nth(1).unwrap_or_default();
            profiles.retain(|known| *known == name);
            if profiles.is_empty() {
                eprintln!("conformance: no profile `{name}`\n{HELP}");
                return Ok(ExitCode::from(2));
            }
        }
        _ => {}
    }
    let mut host: Box<dyn Host> = match arguments.next() {
        Some(program) => Box::new(Program {
            program: program.into(),
            arguments: arguments.collect(),
        }),
        None => Box::new(Ours::new()?),
    };
    let cases = all()?;
    let mut failed = 0;
    for profile in &profiles {
        for (name, case) in &cases {
            for failure in check(host.as_mut(), name, case, profile) {
                print!("{failure}");
                failed += 1;
            }
        }
    }
    let runs = cases.len() * profiles.len();
    println!("{runs} cases and profiles, {failed} traces differ");
    Ok(ExitCode::from(u8::from(failed > 0)))
}
