//! The `gatewright` program: the one place that assembles the crates, prints and exits.

mod allocator;
mod cargo;
mod commands;
mod engines;
mod exit;
mod finish;
mod foreground;
mod gather;
mod images;
mod manifests;
mod modules;
mod progress;
mod serve;
mod subjects;
mod write;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::{
    bench, build, callout, check, compare, describe, explain, export, inspect, manifest, new, pack,
    pull, push, run_tests, serve as serving, store, test, trace, validate, verify,
};

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

/// Plugins and manifests for Google Cloud's load balancers, on your own machine.
#[derive(Parser)]
#[command(name = "gatewright", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 fine, 1 the check failed, 2 usage, 3 the environment failed."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    New(new::Arguments),
    Build(build::Arguments),
    Check(check::Arguments),
    Test(test::Arguments),
    Serve(serving::Arguments),
    Callout(callout::Arguments),
    Store(store::Arguments),
    RunTests(run_tests::Arguments),
    Compare(compare::Arguments),
    Trace(trace::Arguments),
    Bench(bench::Arguments),
    Validate(validate::Arguments),
    Describe(describe::Describe),
    Get(describe::Get),
    Explain(explain::Arguments),
    Export(export::Arguments),
    Pack(pack::Arguments),
    Inspect(inspect::Arguments),
    Push(push::Arguments),
    Pull(pull::Arguments),
    Verify(verify::Arguments),
    Manifest(manifest::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Command::New(arguments) => new::run(&arguments),
        Command::Build(arguments) => build::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Test(arguments) => test::run_cases(&arguments),
        Command::Serve(arguments) => serving::run(&arguments),
        Command::Callout(arguments) => callout::run(&arguments),
        Command::Store(arguments) => store::run(&arguments),
        Command::RunTests(arguments) => run_tests::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Trace(arguments) => trace::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Describe(arguments) => describe::describe(&arguments),
        Command::Get(arguments) => describe::get(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Pack(arguments) => pack::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Push(arguments) => push::run(&arguments),
        Command::Pull(arguments) => pull::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Manifest(arguments) => manifest::run(&arguments),
    };
    match outcome {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            anstream::eprintln!("{}error{}: {error:#}", commands::RED, commands::RESET);
            ExitCode::from(exit::code(&error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_help_lists_every_exit_code() {
        use clap::CommandFactory as _;
        let help = Arguments::command().render_help().to_string();
        for code in [exit::FINE, exit::FAILED, exit::USAGE, exit::ENVIRONMENT] {
            assert!(
                help.contains(&code.to_string()),
                "{code} is missing in: {help}"
            );
        }
    }
}
