//! Reads the commands that people type for phonework itself, such as `/new` and `/list`. Pure.

use std::borrow::Cow;
use std::time::Duration;

use crate::claude::wire::{SlashCommand, is_blank, is_sentence_punctuation, slash_command};
use crate::keyring::{PermissionMode, PermissionModeError, duration, is_model_name};
use crate::render::document::LongAnswers;
use crate::session::machine::AllowScope;

/// A command for phonework, with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `/new DIR`: open a session.
    New(NewSession),
    /// `/new` alone: show the projects in which a session can be opened.
    Projects,
    /// Show this page of the sessions, from 1.
    List(usize),
    /// Make the session with this number the active one.
    Switch(usize),
    /// Close the active session, or the one with this number.
    Close(Option<usize>),
    /// Show the active session's permission mode, or change it.
    Mode(Option<PermissionMode>),
    /// Show how long answers are sent, or change it.
    Long(Option<LongAnswers>),
    /// Run the active session's last prompt again.
    Retry,
    /// Let Claude go on.
    Continue,
    /// Remove the waiting message with this number from the queue; without a number the only one.
    Cancel(Option<usize>),
    /// Stop the running turn and run the waiting message with this number; without a number the only one.
    Now(Option<usize>),
    /// Stop the running turn.
    Stop,
    /// Show the state of the active session.
    Status,
    /// Show the help: all commands with a sentence each.
    Help,
    /// Allow what Claude asks for: once, or further.
    Approve(AllowScope),
    /// Deny it; Claude is told why.
    Deny(Option<String>),
    /// Run the messages that came too late to be run without asking.
    Run,
    /// Drop the messages that came too late.
    Discard,
}

/// The arguments of `/new`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewSession {
    /// The project's directory, relative to `WORKING_DIR` or absolute.
    pub directory: String,
    /// Whether it is created if it does not exist.
    pub create: bool,
    /// How long a turn may take.
    pub timeout: Option<Duration>,
    /// How long the process is kept while it is idle.
    pub idle: Option<Duration>,
    /// The permission mode; `None` for the configured one.
    pub mode: Option<PermissionMode>,
    /// The model, as Claude Code names it; `None` for the configured one.
    pub model: Option<String>,
}

/// A message, as far as it concerns phonework.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParsedMessage {
    /// Words for Claude, which include Claude's own slash commands.
    Words,
    /// A command for phonework, well formed.
    Command(Command),
    /// A command for phonework that is not well formed.
    Faulty(CommandFault),
}

/// What is wrong with a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandFault {
    /// `/new` without a directory.
    NoDirectory,
    /// `/switch` without a number.
    NoNumber,
    /// This is not a number.
    NotANumber(String),
    /// This is not a permission mode.
    NotAMode(String),
    /// The mode that skips permission requests is not available.
    Bypass,
    /// This is not a way to send long answers.
    NotALength(String),
    /// There is no such option.
    UnknownOption(String),
    /// The value of this option is missing.
    NoValue(String),
    /// This value does not fit its option.
    BadValue {
        /// The option, with its dashes.
        option: String,
        /// The value it was given.
        value: String,
    },
    /// This does not say how far an approval goes.
    NotAnAllowScope(String),
    /// A quotation mark is not closed.
    OpenQuote,
    /// The command does not take this further argument.
    TooMuch(String),
    /// `/new` has a second directory, which is this one.
    SecondDirectory(String),
}

/// Tells whether a message is a command, and reads it. Case, punctuation behind it and invisible characters do not
/// matter: whoever types `/Stop。` wants to stop.
#[must_use]
pub fn parse(text: &str) -> ParsedMessage {
    let text = half_width(text);
    let Some(SlashCommand { name, arguments }) = slash_command(&text).or_else(|| with_gap(&text)) else {
        return ParsedMessage::Words;
    };
    let rest = arguments;
    let bare = rest.trim_end_matches(is_sentence_punctuation).trim_end();
    let command = match name.to_ascii_lowercase().as_str() {
        "new" if rest.is_empty() => Ok(Command::Projects),
        "new" => new_session(rest).map(Command::New),
        "list" if bare.is_empty() => Ok(Command::List(1)),
        "list" => number(bare).map(Command::List),
        "switch" if bare.is_empty() => Err(CommandFault::NoNumber),
        "switch" => number(bare).map(Command::Switch),
        "close" if bare.is_empty() => Ok(Command::Close(None)),
        "close" => number(bare).map(|number| Command::Close(Some(number))),
        "mode" => optional(bare, mode).map(Command::Mode),
        "long" => optional(bare, long).map(Command::Long),
        "retry" => without_arguments(bare, Command::Retry),
        "continue" => without_arguments(bare, Command::Continue),
        "cancel" => optional(bare, number).map(Command::Cancel),
        "now" => optional(bare, number).map(Command::Now),
        "stop" => without_arguments(bare, Command::Stop),
        "status" => without_arguments(bare, Command::Status),
        "help" => Ok(Command::Help),
        "approve" => allow_scope(bare).map(Command::Approve),
        "run" => without_arguments(bare, Command::Run),
        "discard" => without_arguments(bare, Command::Discard),
        "deny" => Ok(Command::Deny((!bare.is_empty()).then(|| rest.to_owned()))),
        _ => return ParsedMessage::Words,
    };
    command.map_or_else(ParsedMessage::Faulty, ParsedMessage::Command)
}

/// Commands that mean something alone, and so are understood with a space behind the slash as well (`/ stop`).
const ALONE: [&str; 13] = [
    "approve", "cancel", "close", "continue", "deny", "discard", "help", "list", "now", "retry", "run",
    "status", "stop",
];

/// A command whose slash stands apart from its name. With anything else behind it, it is words.
fn with_gap(text: &str) -> Option<SlashCommand<'_>> {
    let name = text.trim_matches(is_blank).strip_prefix('/')?.trim_start_matches(is_blank);
    let name = name.trim_end_matches(is_sentence_punctuation).trim_end_matches(is_blank);
    let alone = ALONE.iter().find(|alone| alone.eq_ignore_ascii_case(name))?;
    Some(SlashCommand { name: alone, arguments: "" })
}

/// The text with its slash and the word behind that in ASCII: a Chinese keyboard has a slash and letters of its own.
fn half_width(text: &str) -> Cow<'_, str> {
    let start = text.trim_start_matches(is_blank);
    let word = &start[..start.find(char::is_whitespace).unwrap_or(start.len())];
    if !word.starts_with(['/', '／']) || word.is_ascii() {
        return Cow::Borrowed(text);
    }
    let narrow = |c: char| match u32::from(c) {
        // The full-width forms stand in the order of ASCII.
        wide @ 0xff01..=0xff5e => char::from_u32(wide - 0xfee0).unwrap_or(c),
        _ => c,
    };
    Cow::Owned(word.chars().map(narrow).chain(start[word.len()..].chars()).collect())
}

fn without_arguments(rest: &str, command: Command) -> Result<Command, CommandFault> {
    if rest.is_empty() { Ok(command) } else { Err(CommandFault::TooMuch(rest.to_owned())) }
}

fn allow_scope(rest: &str) -> Result<AllowScope, CommandFault> {
    match rest.to_ascii_lowercase().as_str() {
        "" => Ok(AllowScope::Once),
        "always" => Ok(AllowScope::Rule),
        "edits" => Ok(AllowScope::Edits),
        _ => Err(CommandFault::NotAnAllowScope(rest.to_owned())),
    }
}

fn optional<T>(
    rest: &str,
    read: impl Fn(&str) -> Result<T, CommandFault>,
) -> Result<Option<T>, CommandFault> {
    if rest.is_empty() { Ok(None) } else { read(rest).map(Some) }
}

/// A permission mode, in whatever case a phone's keyboard writes it.
fn mode(text: &str) -> Result<PermissionMode, CommandFault> {
    let known = PermissionMode::ALL.into_iter().find(|mode| mode.as_str().eq_ignore_ascii_case(text));
    known.map_or_else(|| text.parse(), Ok).map_err(|error| match error {
        PermissionModeError::Bypass => CommandFault::Bypass,
        PermissionModeError::Unknown if text.eq_ignore_ascii_case("bypassPermissions") => {
            CommandFault::Bypass
        }
        PermissionModeError::Unknown => CommandFault::NotAMode(text.to_owned()),
    })
}

fn long(text: &str) -> Result<LongAnswers, CommandFault> {
    match text.to_ascii_lowercase().as_str() {
        "parts" => Ok(LongAnswers::Parts),
        "file" => Ok(LongAnswers::File),
        _ => Err(CommandFault::NotALength(text.to_owned())),
    }
}

fn number(text: &str) -> Result<usize, CommandFault> {
    let digits = text.trim_end_matches('.').trim_start_matches('#');
    digits.parse().map_err(|_| CommandFault::NotANumber(text.to_owned()))
}

fn new_session(rest: &str) -> Result<NewSession, CommandFault> {
    let mut new = NewSession::default();
    let mut words = shell_words(rest)?.into_iter();
    while let Some(word) = words.next() {
        // A phone's keyboard turns two dashes into a long one.
        let dashes = if word.starts_with('—') { word.replacen('—', "--", 1) } else { word };
        let (option, inline) = match dashes.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option.to_owned(), Some(value.to_owned())),
            _ => (dashes, None),
        };
        if option == "--create" {
            new.create = true;
            continue;
        }
        if !option.starts_with("--") {
            if !new.directory.is_empty() {
                return Err(CommandFault::SecondDirectory(option));
            }
            new.directory = option;
            continue;
        }
        if !["--timeout", "--idle", "--mode", "--model"].contains(&option.as_str()) {
            return Err(CommandFault::UnknownOption(option));
        }
        let value = inline.or_else(|| words.next()).ok_or_else(|| CommandFault::NoValue(option.clone()))?;
        let bad = || CommandFault::BadValue { option: option.clone(), value: value.clone() };
        match option.as_str() {
            "--timeout" => new.timeout = Some(duration(&value).map_err(|_| bad())?),
            "--idle" => new.idle = Some(duration(&value).map_err(|_| bad())?),
            "--mode" => new.mode = Some(value.parse().map_err(|_| bad())?),
            _ if is_model_name(&value) => new.model = Some(value),
            _ => return Err(bad()),
        }
    }
    if new.directory.is_empty() { Err(CommandFault::NoDirectory) } else { Ok(new) }
}

/// The words between white space; quotation marks keep white space inside a word.
fn shell_words(text: &str) -> Result<Vec<String>, CommandFault> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if matches!(c, '"' | '\'' | '“' | '‘') => {
                quote = Some(match c {
                    '“' => '”',
                    '‘' => '’',
                    same => same,
                });
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quote.is_some() { Err(CommandFault::OpenQuote) } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(directory: &str) -> NewSession {
        NewSession { directory: directory.to_owned(), ..NewSession::default() }
    }

    #[test]
    fn words_for_claude_are_not_commands() {
        for text in [
            "",
            "hello",
            "/",
            "//",
            "/cost",
            "/newer x",
            "see /list",
            "/路径",
            "/etc/nginx/nginx.conf is wrong",
            "// why",
            "/* stop */",
            "/ hi",
            "/ stop it",
            "/home",
            "/stop/now",
            "/stop.sh",
            "/.",
            "/stop，谢谢",
            "./stop",
            "stop",
            "/new-project",
            "/ new shop",
            "/＊",
            "\u{200b}",
        ] {
            assert_eq!(parse(text), ParsedMessage::Words, "{text}");
        }
    }

    #[test]
    fn commands_are_read() {
        for (text, command) in [
            ("/list", Command::List(1)),
            ("/List", Command::List(1)),
            ("／list", Command::List(1)),
            ("  /list \n", Command::List(1)),
            ("/stop。", Command::Stop),
            ("/stop!", Command::Stop),
            ("/STOP ！！", Command::Stop),
            ("/Stop...", Command::Stop),
            ("/ stop", Command::Stop),
            ("／ stop。", Command::Stop),
            ("/ｓｔｏｐ", Command::Stop),
            ("\u{200b}/stop\u{200b}", Command::Stop),
            ("\u{feff}/\u{200d}stop\u{2060}?", Command::Stop),
            ("/stop\u{fe0f}", Command::Stop),
            ("/list 2。", Command::List(2)),
            ("/close 1!", Command::Close(Some(1))),
            ("/approve always.", Command::Approve(AllowScope::Rule)),
            ("/deny.", Command::Deny(None)),
            ("/deny no, thanks.", Command::Deny(Some("no, thanks.".into()))),
            ("/deny: not now", Command::Deny(Some("not now".into()))),
            ("/list 2", Command::List(2)),
            ("/new", Command::Projects),
            ("/new。", Command::Projects),
            ("/new ..", Command::New(new(".."))),
            ("/mode", Command::Mode(None)),
            ("/mode plan", Command::Mode(Some(PermissionMode::Plan))),
            ("/mode Acceptedits", Command::Mode(Some(PermissionMode::AcceptEdits))),
            ("/mode manual", Command::Mode(Some(PermissionMode::Default))),
            ("/long", Command::Long(None)),
            ("/long File", Command::Long(Some(LongAnswers::File))),
            ("/long parts", Command::Long(Some(LongAnswers::Parts))),
            ("/continue", Command::Continue),
            ("/cancel", Command::Cancel(None)),
            ("/cancel 2", Command::Cancel(Some(2))),
            ("/now #1", Command::Now(Some(1))),
            ("/switch 2", Command::Switch(2)),
            ("/switch #2.", Command::Switch(2)),
            ("/close", Command::Close(None)),
            ("/close 1", Command::Close(Some(1))),
            ("/retry", Command::Retry),
            ("/run", Command::Run),
            ("/discard", Command::Discard),
            ("/stop", Command::Stop),
            ("/status", Command::Status),
            ("/help me", Command::Help),
            ("/approve", Command::Approve(AllowScope::Once)),
            ("/approve Always", Command::Approve(AllowScope::Rule)),
            ("/approve edits", Command::Approve(AllowScope::Edits)),
            ("/deny", Command::Deny(None)),
            ("/deny use  git mv", Command::Deny(Some("use  git mv".into()))),
            ("/new shop", Command::New(new("shop"))),
            ("/new \"my shop\"", Command::New(new("my shop"))),
            ("/new “my shop”", Command::New(new("my shop"))),
            ("/new --create shop", Command::New(NewSession { create: true, ..new("shop") })),
            (
                "/new shop --timeout 600 —idle=2h",
                Command::New(NewSession {
                    timeout: Some(Duration::from_secs(600)),
                    idle: Some(Duration::from_secs(7200)),
                    ..new("shop")
                }),
            ),
            ("/new a --model opus", Command::New(NewSession { model: Some("opus".into()), ..new("a") })),
        ] {
            assert_eq!(parse(text), ParsedMessage::Command(command), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_command_is_named() {
        let bad =
            |option: &str, value: &str| CommandFault::BadValue { option: option.into(), value: value.into() };
        for (text, fault) in [
            ("/new --create", CommandFault::NoDirectory),
            ("/new a b", CommandFault::SecondDirectory("b".into())),
            ("/new a --speed 3", CommandFault::UnknownOption("--speed".into())),
            ("/new a --timeout", CommandFault::NoValue("--timeout".into())),
            ("/new a --timeout soon", bad("--timeout", "soon")),
            ("/new a --mode bypassPermissions", bad("--mode", "bypassPermissions")),
            ("/new a --model --resume", bad("--model", "--resume")),
            ("/new 'a", CommandFault::OpenQuote),
            ("/switch", CommandFault::NoNumber),
            ("/switch one", CommandFault::NotANumber("one".into())),
            ("/approve all", CommandFault::NotAnAllowScope("all".into())),
            ("/list all", CommandFault::NotANumber("all".into())),
            ("/mode bypassPermissions", CommandFault::Bypass),
            ("/mode BypassPermissions", CommandFault::Bypass),
            ("/mode fast", CommandFault::NotAMode("fast".into())),
            ("/long short", CommandFault::NotALength("short".into())),
            ("/cancel all", CommandFault::NotANumber("all".into())),
            ("/continue now", CommandFault::TooMuch("now".into())),
        ] {
            assert_eq!(parse(text), ParsedMessage::Faulty(fault), "{text}");
        }
    }
}
