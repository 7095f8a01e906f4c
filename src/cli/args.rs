//! The definitions of the command line. Help, man pages and completions are generated from them.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::ids::{ConvId, OpenId};
use crate::paths::PathOptions;

const START_HELP: &str = "\
Start with `phonework demo`, which needs no set-up; phonework(7) explains how to connect a Feishu app and run the daemon.";

const KEYRING_HELP: &str = "\
Without --keyring and $PHONEWORK_KEYRING the configuration is $CREDENTIALS_DIRECTORY/keyring.yaml under systemd, \
/etc/phonework/keyring.yaml for root, and ~/.config/phonework/keyring.yaml for others.";

const PATHS_HELP: &str = "\
Where neither an option nor a variable names them, configuration, state and socket are \
$CREDENTIALS_DIRECTORY/keyring.yaml, $STATE_DIRECTORY and $RUNTIME_DIRECTORY/control.sock under systemd; \
/etc/phonework/keyring.yaml, /var/lib/phonework and /run/phonework/control.sock for root; \
~/.config/phonework/keyring.yaml, ~/.local/state/phonework and $XDG_RUNTIME_DIR/phonework/control.sock for others.

$PHONEWORK_LOG sets the log level: error, warn, info (the default) or debug.";

const SOCKET_HELP: &str = "\
Without --socket and $PHONEWORK_SOCKET the socket is $RUNTIME_DIRECTORY/control.sock under systemd and \
/run/phonework/control.sock for root; for others it is the first that exists of \
$XDG_RUNTIME_DIR/phonework/control.sock, ~/.local/state/phonework/control.sock, /run/phonework-USER/control.sock and \
/run/phonework/control.sock.";

const DEMO_HELP: &str = "\
It needs no Feishu account: Feishu is emulated. Claude Code answers if `claude` is on PATH, a practice agent if not. \
Ctrl-C ends the demo.";

/// Work with Claude Code from your phone: a Feishu bot and the daemon behind it
#[derive(Debug, Parser)]
#[command(name = "phonework", version, max_term_width = 100, after_help = START_HELP)]
pub struct Cli {
    /// The subcommand to run.
    #[command(subcommand)]
    pub command: CliCommand,
}

/// The subcommands; those that are hidden are for the daemon itself and for tests.
#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Run the daemon: listen to Feishu, drive Claude Code
    Serve(ServeArgs),
    /// List the sessions
    Sessions(SessionsArgs),
    /// End sessions, and tell their owners
    Close(CloseArgs),
    /// Show what people and Claude say and do in the sessions
    Tail(TailArgs),
    /// Show the state of every part; exit with 0 only if everything that is needed works
    Health(HealthArgs),
    /// List who may talk to the bot, let someone in or shut them out
    Allow(AllowArgs),
    /// Check the configuration and say what is wrong with it
    Check(CheckArgs),
    /// Run the whole system on this machine, with a phone in the browser
    Demo(DemoArgs),
    /// Run a program below the daemon, and end everything it started when it ends
    #[command(hide = true)]
    Warden(WardenArgs),
    /// Give up what a session must not have, and become a program
    #[command(hide = true)]
    Confine {
        /// The program and its arguments
        #[arg(required = true, last = true, value_name = "PROGRAM")]
        command: Vec<OsString>,
    },
    /// Try what a sandbox must stop, from inside, and print what could be reached
    #[command(hide = true)]
    SandboxCheck {
        /// What to try, as JSON
        targets: String,
    },
    /// Speak Claude Code's protocol without a model, for the demo and for tests
    #[command(hide = true, disable_help_flag = true, disable_version_flag = true)]
    PracticeAgent {
        /// Arguments as Claude Code takes them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Run the emulated Feishu without a daemon
    #[command(hide = true)]
    Emulator(DemoArgs),
}

/// The option that names the configuration.
#[derive(Debug, Args)]
pub struct KeyringOption {
    /// The configuration [default: $PHONEWORK_KEYRING, or see below]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub keyring: Option<PathBuf>,
}

/// The option that names the control socket. `serve` and all clients of the daemon have it.
#[derive(Debug, Args)]
pub struct SocketOption {
    /// The daemon's control socket [default: $PHONEWORK_SOCKET, or see below]
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    pub socket: Option<PathBuf>,
}

impl SocketOption {
    /// The paths that the option names.
    #[must_use]
    pub(super) fn path_options(&self) -> PathOptions {
        PathOptions { socket: self.socket.clone(), ..PathOptions::default() }
    }
}

/// The option that chooses JSON as the output format.
#[derive(Debug, Args)]
pub struct JsonOption {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Options of `serve`: where configuration, state and socket are.
#[derive(Debug, Args)]
#[command(after_help = PATHS_HELP)]
pub struct ServeArgs {
    /// The path that `--keyring` names.
    #[command(flatten)]
    pub keyring: KeyringOption,
    /// The directory for sessions and mail [default: $PHONEWORK_STATE_DIR, or see below]
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub state_dir: Option<PathBuf>,
    /// The path that `--socket` names.
    #[command(flatten)]
    pub socket: SocketOption,
}

impl ServeArgs {
    /// The paths that the options name.
    #[must_use]
    pub(super) fn path_options(&self) -> PathOptions {
        PathOptions {
            keyring: self.keyring.keyring.clone(),
            state_dir: self.state_dir.clone(),
            socket: self.socket.socket.clone(),
        }
    }
}

/// Options of `sessions`, which lists them.
#[derive(Debug, Args)]
#[command(after_help = SOCKET_HELP)]
pub struct SessionsArgs {
    /// Include closed sessions
    #[arg(long)]
    pub all: bool,
    /// Whether `--json` was given.
    #[command(flatten)]
    pub output: JsonOption,
    /// The option `--socket`, which names the daemon to ask.
    #[command(flatten)]
    pub socket: SocketOption,
}

/// Options of `close`, which ends sessions.
#[derive(Debug, Args)]
#[command(
    after_help = SOCKET_HELP,
    override_usage = "phonework close [OPTIONS] <CONV_ID>...\n       phonework close [OPTIONS] --all"
)]
pub struct CloseArgs {
    /// Sessions to end, by the CONV_ID that `phonework sessions` shows
    #[arg(value_name = "CONV_ID", required_unless_present = "all", value_parser = conv_id, add = super::complete::open_sessions())]
    pub conv_ids: Vec<ConvId>,
    /// End every open session
    #[arg(long, conflicts_with = "conv_ids")]
    pub all: bool,
    /// Whether `--json` was given.
    #[command(flatten)]
    pub output: JsonOption,
    /// The option `--socket`, which names the daemon to ask.
    #[command(flatten)]
    pub socket: SocketOption,
}

/// Options of `tail`, which shows past and running turns.
#[derive(Debug, Args)]
#[command(after_help = SOCKET_HELP)]
pub struct TailArgs {
    /// Show only this session
    #[arg(value_name = "CONV_ID", value_parser = conv_id, add = super::complete::sessions())]
    pub conv_id: Option<ConvId>,
    /// Number of past turns to show first
    #[arg(short = 'n', value_name = "N", default_value_t = 10, value_parser = turns)]
    pub turns: u32,
    /// Keep showing what happens, across restarts of the daemon
    #[arg(short, long)]
    pub follow: bool,
    /// Print JSON, one object per line
    #[arg(long)]
    pub json: bool,
    /// The option `--socket`, which names the daemon to ask.
    #[command(flatten)]
    pub socket: SocketOption,
}

/// Options of `health`, which judges every part.
#[derive(Debug, Args)]
#[command(after_help = SOCKET_HELP)]
pub struct HealthArgs {
    /// Run `claude -p ping` first, the way sessions run Claude; costs a little and may take two minutes
    #[arg(long)]
    pub probe: bool,
    /// Whether `--json` was given.
    #[command(flatten)]
    pub output: JsonOption,
    /// Print metrics for the textfile collector of Prometheus' node_exporter
    #[arg(long, conflicts_with = "json")]
    pub prometheus: bool,
    /// The option `--socket`, which names the daemon to ask.
    #[command(flatten)]
    pub socket: SocketOption,
}

/// Options of `allow`; without any it lists people.
#[derive(Debug, Args)]
#[command(after_help = SOCKET_HELP)]
pub struct AllowArgs {
    /// Let this person in, at once and for good; the bot tells their open_id to anyone it does not know
    #[arg(value_name = "OPEN_ID", conflicts_with = "remove")]
    pub open_id: Option<OpenId>,
    /// Shut out a person whom this command let in
    #[arg(long, value_name = "OPEN_ID", add = super::complete::people())]
    pub remove: Option<OpenId>,
    /// Whether `--json` was given.
    #[command(flatten)]
    pub output: JsonOption,
    /// The option `--socket`, which names the daemon to ask.
    #[command(flatten)]
    pub socket: SocketOption,
}

/// Options of `check`, which needs no daemon.
#[derive(Debug, Args)]
#[command(after_help = KEYRING_HELP)]
pub struct CheckArgs {
    /// The path that `--keyring` names.
    #[command(flatten)]
    pub keyring: KeyringOption,
}

/// Options of `demo` and of the emulator alone.
#[derive(Debug, Args)]
#[command(after_help = DEMO_HELP)]
pub struct DemoArgs {
    /// Port of the phone's page on this machine [default: any free port]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = port)]
    pub port: u16,
}

fn port(text: &str) -> Result<u16, &'static str> {
    text.parse().map_err(|_| "give a number from 1 to 65535, or 0 for any free port")
}

fn turns(text: &str) -> Result<u32, &'static str> {
    text.parse().map_err(|_| "give a number of turns")
}

fn conv_id(text: &str) -> Result<ConvId, &'static str> {
    let id = ConvId::from(text);
    let sentence = "give a CONV_ID as `phonework sessions` shows it";
    if id.is_well_formed() { Ok(id) } else { Err(sentence) }
}

/// Options of the hidden `warden`: what it runs, and where.
#[derive(Debug, Args)]
pub struct WardenArgs {
    /// Directory to run the program in
    #[arg(long = "in", value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Maximum number of bytes of memory of all its processes together
    #[arg(long, value_name = "BYTES", default_value_t = u64::MAX)]
    pub memory: u64,
    /// Maximum number of processes
    #[arg(long, value_name = "N", default_value_t = u64::MAX)]
    pub processes: u64,
    /// The program and its arguments
    #[arg(required = true, last = true, value_name = "PROGRAM")]
    pub command: Vec<OsString>,
}
