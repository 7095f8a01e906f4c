//! The command line's definitions, from which help, man pages and completions are made.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::ids::{ConvId, OpenId};
use crate::paths::Chosen;

const BEGINNING: &str = "\
Begin with `phonework demo`, which needs no set-up; phonework(7) says how to connect a Feishu app and run the daemon.";

const KEYRING_PLACES: &str = "\
Without --keyring and $PHONEWORK_KEYRING the configuration is $CREDENTIALS_DIRECTORY/keyring.yaml under systemd, \
/etc/phonework/keyring.yaml for root, and ~/.config/phonework/keyring.yaml for others.";

const PLACES: &str = "\
Without options and variables the configuration is $CREDENTIALS_DIRECTORY/keyring.yaml, the state lies in \
$STATE_DIRECTORY and the socket in $RUNTIME_DIRECTORY under systemd; they are /etc/phonework/keyring.yaml, \
/var/lib/phonework and /run/phonework/control.sock for root; and ~/.config/phonework/keyring.yaml, \
~/.local/state/phonework and $XDG_RUNTIME_DIR/phonework/control.sock for others.

$PHONEWORK_LOG says how much is logged: error, warn, info (the default) or debug.";

const SOCKET_PLACES: &str = "\
Without --socket and $PHONEWORK_SOCKET the daemon is called at $RUNTIME_DIRECTORY/control.sock under systemd and \
/run/phonework/control.sock for root; others call the first that is there of \
$XDG_RUNTIME_DIR/phonework/control.sock, ~/.local/state/phonework/control.sock, /run/phonework-USER/control.sock and \
/run/phonework/control.sock.";

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
    /// List the sessions
    Sessions(SessionsArgs),
    /// End sessions, and tell their owners
    Close(CloseArgs),
    /// Show what is said and done in the sessions
    Tail(TailArgs),
    /// Show the state of every part; exit 0 only when all that is needed works
    Health(HealthArgs),
    /// Say who may talk to the bot, let somebody in or shut him out
    Allow(AllowArgs),
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

/// The option that names the configuration.
#[derive(Debug, Args)]
pub struct KeyringOption {
    /// The configuration [default: $PHONEWORK_KEYRING, or see below]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub keyring: Option<PathBuf>,
}

/// The option that names the control socket; `serve` and all clients have it.
#[derive(Debug, Args)]
pub struct SocketOption {
    /// The daemon's control socket [default: $PHONEWORK_SOCKET, or see below]
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    pub socket: Option<PathBuf>,
}

impl SocketOption {
    /// The places that the options name.
    #[must_use]
    pub fn chosen(&self) -> Chosen {
        Chosen { socket: self.socket.clone(), ..Chosen::default() }
    }
}

/// The options of `serve`.
#[derive(Debug, Args)]
#[command(after_help = PLACES)]
pub struct ServeArgs {
    /// Which keyring.
    #[command(flatten)]
    pub keyring: KeyringOption,
    /// Where sessions and mail are kept [default: $PHONEWORK_STATE_DIR, or see below]
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
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

/// The options of `sessions`.
#[derive(Debug, Args)]
#[command(after_help = SOCKET_PLACES)]
pub struct SessionsArgs {
    /// Show closed sessions too
    #[arg(long)]
    pub all: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Which daemon.
    #[command(flatten)]
    pub socket: SocketOption,
}

/// The options of `close`.
#[derive(Debug, Args)]
#[command(
    after_help = SOCKET_PLACES,
    override_usage = "phonework close [OPTIONS] <CONV_ID>...\n       phonework close [OPTIONS] --all"
)]
pub struct CloseArgs {
    /// The sessions, as `phonework sessions` names them
    #[arg(value_name = "CONV_ID", required_unless_present = "all", value_parser = conv_id, add = super::complete::open_sessions())]
    pub conv_ids: Vec<ConvId>,
    /// End every session
    #[arg(long, conflicts_with = "conv_ids")]
    pub all: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Which daemon.
    #[command(flatten)]
    pub socket: SocketOption,
}

/// The options of `tail`.
#[derive(Debug, Args)]
#[command(after_help = SOCKET_PLACES)]
pub struct TailArgs {
    /// Only this session
    #[arg(value_name = "CONV_ID", value_parser = conv_id, add = super::complete::sessions())]
    pub conv_id: Option<ConvId>,
    /// Begin with so many of the last turns
    #[arg(short = 'n', value_name = "N", default_value_t = 10, value_parser = turns)]
    pub turns: u32,
    /// Go on with what happens from now on; a restart of the daemon is waited for
    #[arg(short, long)]
    pub follow: bool,
    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
    /// Which daemon.
    #[command(flatten)]
    pub socket: SocketOption,
}

/// The options of `health`.
#[derive(Debug, Args)]
#[command(after_help = SOCKET_PLACES)]
pub struct HealthArgs {
    /// Have `claude -p ping` run first, as sessions run it; this costs a little and may take two minutes
    #[arg(long)]
    pub probe: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Print metrics as Prometheus reads them, for node_exporter's textfile collector
    #[arg(long, conflicts_with = "json")]
    pub prometheus: bool,
    /// Which daemon.
    #[command(flatten)]
    pub socket: SocketOption,
}

/// The options of `allow`.
#[derive(Debug, Args)]
#[command(after_help = SOCKET_PLACES)]
pub struct AllowArgs {
    /// Let this person in, at once and for good; who writes to the bot as a stranger is told his open_id
    #[arg(value_name = "OPEN_ID", conflicts_with = "remove")]
    pub open_id: Option<OpenId>,
    /// Shut out a person who was let in with this command
    #[arg(long, value_name = "OPEN_ID", add = super::complete::people())]
    pub remove: Option<OpenId>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Which daemon.
    #[command(flatten)]
    pub socket: SocketOption,
}

/// The options of `check`.
#[derive(Debug, Args)]
#[command(after_help = KEYRING_PLACES)]
pub struct CheckArgs {
    /// Which keyring.
    #[command(flatten)]
    pub keyring: KeyringOption,
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

fn turns(text: &str) -> Result<u32, &'static str> {
    text.parse().map_err(|_| "give a number of turns")
}

fn conv_id(text: &str) -> Result<ConvId, &'static str> {
    let id = ConvId::from(text);
    let sentence = "give a session's name as `phonework sessions` shows it";
    if id.is_well_formed() { Ok(id) } else { Err(sentence) }
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
