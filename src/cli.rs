//! The command line: the subcommands, and how results and failures are printed. Each subcommand has a file here.
//!
//! Results go to stdout. Failures go to stderr as `phonework: ` and one sentence. A closed pipe is not an error.

mod allow;
mod args;
mod check;
mod client;
mod close;
mod complete;
mod demo;
mod health;
mod output;
mod serve;
mod sessions;
pub(crate) mod show;
mod tail;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

pub use self::args::{
    AllowArgs, CheckArgs, Cli, CliCommand, CloseArgs, DemoArgs, HealthArgs, JsonOption, KeyringOption,
    ServeArgs, SessionsArgs, SocketOption, TailArgs, WardenArgs,
};
pub(crate) use self::output::print_lines;
use self::output::unwritable;
use crate::claude::warden;
use crate::emulator::practice;
use crate::error::Failure;
use crate::paths::Environment;
use crate::sandbox::limits::ResourceLimits;
use crate::sandbox::{self, confine};

/// Runs the subcommand that the command line names.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: &Environment) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    match complete::answer(&arguments) {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(failure) => return report(&[failure]),
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return not_a_command(&error),
    };
    let done = match cli.command {
        CliCommand::Serve(args) => serve::run(&args, environment),
        CliCommand::Sessions(args) => sessions::run(&args, environment),
        CliCommand::Close(args) => close::run(&args, environment),
        CliCommand::Tail(args) => tail::run(&args, environment),
        CliCommand::Health(args) => health::run(&args, environment),
        CliCommand::Allow(args) => allow::run(&args, environment),
        CliCommand::Check(args) => check::run(args, environment),
        CliCommand::Demo(args) => demo::run(&args, environment),
        CliCommand::Warden(WardenArgs { directory, memory, processes, command }) => {
            let limits = ResourceLimits { memory, processes };
            return command
                .split_first()
                .map_or(ExitCode::FAILURE, |(program, rest)| warden::run(directory, limits, program, rest));
        }
        CliCommand::Confine { command } => {
            return command
                .split_first()
                .map_or(ExitCode::FAILURE, |(program, rest)| confine::run(program, rest));
        }
        CliCommand::SandboxCheck { targets } => sandbox::check::run(&targets)
            .map_err(|error| Failure::failed(format!("the check cannot be run: {error}")))
            .and_then(|line| print_lines([line]))
            .map_err(|failure| vec![failure]),
        CliCommand::PracticeAgent { arguments } => return practice::run(&arguments),
        CliCommand::Emulator(args) => demo::emulator_alone(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failures) => report(&failures),
    }
}

/// Writes each failure as a line to stderr. The first one decides the exit code.
fn report(failures: &[Failure]) -> ExitCode {
    let mut stderr = io::stderr().lock();
    for failure in failures {
        // If this fails, nobody can be told; the exit code remains.
        let _ = writeln!(stderr, "phonework: {failure}");
    }
    failures.first().map_or(ExitCode::FAILURE, |failure| failure.exit.into())
}

/// Prints help and version. Anything else that clap stops at is wrong usage, reported in one sentence.
fn not_a_command(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return match error.print() {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => report(&[unwritable(&error)]),
            Ok(()) | Err(_) => u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from),
        };
    }
    report(&[Failure::usage(usage_sentence(&error.to_string()))])
}

/// clap's message as one sentence: its first paragraph, its tip, and where to read on.
fn usage_sentence(message: &str) -> String {
    let mut command = "phonework".to_owned();
    let mut paragraphs =
        message.split("\n\n").map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let first = paragraphs.next().unwrap_or_default();
    let mut sentence = first.strip_prefix("error: ").unwrap_or(&first).to_owned();
    for paragraph in paragraphs {
        if let Some(tip) = paragraph.strip_prefix("tip: ") {
            sentence.push_str("; ");
            sentence.push_str(tip);
        }
        if let Some(usage) = paragraph.strip_prefix("Usage: ") {
            let words = usage.split(' ').take_while(|word| !word.starts_with(['<', '[', '-']));
            command = words.collect::<Vec<_>>().join(" ");
        }
    }
    format!("{sentence}; `{command} --help` shows the usage")
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, CommandFactory as _};

    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
        ServeArgs::augment_args(clap::Command::new("serve")).debug_assert();
        DemoArgs::augment_args(clap::Command::new("demo")).debug_assert();
        WardenArgs::augment_args(clap::Command::new("warden")).debug_assert();
    }

    #[test]
    fn wrong_usage_is_one_sentence() {
        let sentences: Vec<String> = [
            &["serv"] as &[&str],
            &["check", "--keyrin"],
            &["check", "x"],
            &["check", "--keyring"],
            &["demo", "--port", "80a"],
        ]
        .iter()
        .map(|arguments| {
            let error = Cli::try_parse_from([&["phonework"], *arguments].concat()).unwrap_err();
            usage_sentence(&error.to_string())
        })
        .collect();
        insta::assert_snapshot!(sentences.join("\n"), @r"
        unrecognized subcommand 'serv'; a similar subcommand exists: 'serve'; `phonework --help` shows the usage
        unexpected argument '--keyrin' found; a similar argument exists: '--keyring'; `phonework check --help` shows the usage
        unexpected argument 'x' found; `phonework check --help` shows the usage
        a value is required for '--keyring <FILE>' but none was supplied; `phonework --help` shows the usage
        invalid value '80a' for '--port <N>': give a number from 1 to 65535, or 0 for any free port; `phonework --help` shows the usage
        ");
    }
}
