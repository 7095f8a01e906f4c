//! The command line: what can be asked of the program, and how an answer or a failure reaches the person.
//!
//! Results go to stdout, failures to stderr as `phonework: ` and one sentence. A reader that has closed the pipe has
//! seen enough: that is no error.

pub mod check;
mod demo;
mod serve;
pub mod show;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::claude::warden;
use crate::emulator::practice;
use crate::error::Failure;
use crate::paths::{Chosen, Environment};

const BEGINNING: &str = "\
Begin with `phonework demo`, which needs no set-up; README.md says how to connect a Feishu app.";

const KEYRING_PLACES: &str = "\
Without --keyring and $PHONEWORK_KEYRING the configuration is $CREDENTIALS_DIRECTORY/keyring.yaml under systemd, \
/etc/phonework/keyring.yaml for root, and ~/.config/phonework/keyring.yaml for others.";

const PLACES: &str = "\
Without options and variables the configuration is $CREDENTIALS_DIRECTORY/keyring.yaml and the state in \
$STATE_DIRECTORY under systemd, /etc/phonework/keyring.yaml and /var/lib/phonework for root, and \
~/.config/phonework/keyring.yaml and ~/.local/state/phonework for others.

$PHONEWORK_LOG says how much is logged: error, warn, info (the default) or debug.";

const DEMO: &str = "\
It needs no Feishu: one is emulated. Claude Code answers if `claude` is on PATH, a practice agent if it is not. \
Ctrl-C ends it.";

/// Work with Claude Code from your phone: a Feishu bot and the daemon behind it
#[derive(Debug, Parser)]
#[command(name = "phonework", version, max_term_width = 100, after_help = BEGINNING)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon: listen to Feishu, drive Claude Code
    Serve(ServeArgs),
    /// Read the configuration and say what is wrong with it
    Check(CheckArgs),
    /// Run the whole system on this machine, with a phone in the browser
    Demo(DemoArgs),
    /// Stand between the daemon and a program, and end all that it started when it ends
    #[command(hide = true)]
    Warden(WardenArgs),
    /// Speak Claude Code's protocol without a model, for the demo and for tests
    #[command(hide = true, disable_help_flag = true, disable_version_flag = true)]
    PracticeAgent {
        /// Claude Code's own arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Run the emulated Feishu alone
    #[command(hide = true)]
    Emulator(DemoArgs),
}

/// The options of `check`.
#[derive(Debug, Args)]
#[command(after_help = KEYRING_PLACES)]
pub struct CheckArgs {
    /// Which keyring.
    #[command(flatten)]
    pub keyring: KeyringOption,
}

/// The option that names the configuration.
#[derive(Debug, Args)]
pub struct KeyringOption {
    /// The configuration [default: $PHONEWORK_KEYRING, or see below]
    #[arg(long, value_name = "FILE")]
    pub keyring: Option<PathBuf>,
}

/// The option that names the control socket; all clients have it.
#[derive(Debug, Args)]
pub struct SocketOption {
    /// The control socket [default: $PHONEWORK_SOCKET, or see below]; there is none yet
    #[arg(long, value_name = "PATH", hide = true)]
    pub socket: Option<PathBuf>,
}

/// The options of `serve`.
#[derive(Debug, Args)]
#[command(after_help = PLACES)]
pub struct ServeArgs {
    /// Which keyring.
    #[command(flatten)]
    pub keyring: KeyringOption,
    /// Where sessions and mail are kept [default: $PHONEWORK_STATE_DIR, or see below]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Which socket.
    #[command(flatten)]
    pub socket: SocketOption,
}

impl ServeArgs {
    /// The places that the options name.
    #[must_use]
    pub fn chosen(&self) -> Chosen {
        Chosen {
            keyring: self.keyring.keyring.clone(),
            state_dir: self.state_dir.clone(),
            socket: self.socket.socket.clone(),
        }
    }
}

/// The options of `demo`.
#[derive(Debug, Args)]
#[command(after_help = DEMO)]
pub struct DemoArgs {
    /// The port of the phone's page on this machine [default: any that is free]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = port)]
    pub port: u16,
}

fn port(text: &str) -> Result<u16, &'static str> {
    text.parse().map_err(|_| "give a number from 1 to 65535, or 0 for any port that is free")
}

/// The program and its arguments, for the hidden `warden`.
#[derive(Debug, Args)]
pub struct WardenArgs {
    /// The directory that the program runs in
    #[arg(long = "in", value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// The program and its arguments
    #[arg(required = true, last = true, value_name = "PROGRAM")]
    pub command: Vec<OsString>,
}

/// Does what the command line asks.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: &Environment) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return not_a_command(&error),
    };
    let done = match cli.command {
        Command::Serve(args) => serve::run(&args, environment),
        Command::Check(args) => check::run(args, environment),
        Command::Demo(args) => demo::run(&args, environment),
        Command::Warden(WardenArgs { directory, command }) => {
            return command
                .split_first()
                .map_or(ExitCode::FAILURE, |(program, rest)| warden::run(directory, program, rest));
        }
        Command::PracticeAgent { arguments } => return practice::run(&arguments),
        Command::Emulator(args) => demo::emulator_alone(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failures) => report(&failures),
    }
}

/// Writes lines to stdout.
///
/// # Errors
/// When stdout cannot be written to, a closed pipe apart.
pub fn say(lines: impl IntoIterator<Item = String>) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written =
        lines.into_iter().try_for_each(|line| writeln!(stdout, "{line}")).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(unwritable(&error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn unwritable(error: &io::Error) -> Failure {
    Failure::failed(format!("the output cannot be written: {error}; see where it goes"))
}

/// Writes each failure as a line to stderr; the first decides the exit code.
fn report(failures: &[Failure]) -> ExitCode {
    let mut stderr = io::stderr().lock();
    for failure in failures {
        // Nobody is left to tell when this fails; the exit code remains.
        let _ = writeln!(stderr, "phonework: {failure}");
    }
    failures.first().map_or(ExitCode::FAILURE, |failure| failure.exit.into())
}

/// Help and version are answers; all else that clap stops at is wrong usage, told in one sentence.
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

/// clap's message, which has paragraphs, as one sentence: the first of them, its tip, and where to read on.
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
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_hold_together() {
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
        invalid value '80a' for '--port <N>': give a number from 1 to 65535, or 0 for any port that is free; `phonework --help` shows the usage
        ");
    }
}
