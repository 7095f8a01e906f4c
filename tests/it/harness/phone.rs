//! What the bot's messages are, as a person at the phone tells them apart.

use phonework::emulator::ShownMessage;

/// A message of the bot's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Claude's words, or a part of them.
    Answer,
    /// A turn was cut; with the beginning of its prompt.
    Cut(String),
    Stopped,
    Failed,
    Opened,
    Switched,
    /// A session was closed, and this number of waiting messages with it.
    Closed(usize),
    NoNumber,
    /// To a message that had no session to go to, or whose session was closed.
    NoSession,
    /// Claude asks for a permission.
    Asks,
    NothingAsked,
    /// This number of late messages was dropped.
    Discarded(usize),
    NothingKept,
    List,
    NothingRuns,
    NothingToRetry,
    /// What says nothing of an ending: that a message waits, or that a conversation was lost.
    Remark,
    /// What nobody can explain.
    Unknown,
}

/// What a message of the bot's says: of a turn's card Claude's words and what the bot remarks on their end are two. What
/// goes on still is not said yet, and a card about what waits says nothing of an ending.
pub(super) fn said(shown: &ShownMessage) -> Vec<String> {
    let text = shown.answer();
    if shown.is_unfinished() || !shown.is_card() {
        return if shown.is_card() { Vec::new() } else { vec![text] };
    }
    let head = shown.text.lines().next().unwrap_or_default();
    if is_request(head) {
        return vec!["🔐 ".to_owned()];
    }
    if is_list(shown) || text.is_empty() || head.starts_with("Waiting: ") || head.ends_with(" came late") {
        return if is_list(shown) { vec![LIST.to_owned()] } else { Vec::new() };
    }
    match text.rsplit_once('\n') {
        Some((words, remark)) if ["⏹", "⚠️"].iter().any(|sign| remark.starts_with(sign)) => {
            vec![words.to_owned(), remark.to_owned()]
        }
        _ => vec![text],
    }
}

/// Whether a card is about a permission, asked for or decided about.
fn is_request(head: &str) -> bool {
    let heads = ["May Claude use ", "Allowed · ", "Denied · ", "Expired · ", "No longer needed · "];
    heads.iter().any(|each| head.trim_start_matches(|c: char| !c.is_alphanumeric()).starts_with(each))
}

/// In place of a list.
const LIST: &str = "Your sessions";

pub(super) fn is_list(shown: &ShownMessage) -> bool {
    shown.text == "You have no sessions. Open one with /new <dir>." || shown.text.starts_with(LIST)
}

pub(super) fn kind(text: &str) -> Kind {
    let number = |before: &str| {
        let rest = text.split_once(before).map_or("", |(_, rest)| rest);
        rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or_default()
    };
    let quoted = || text.split_once('“').and_then(|(_, rest)| rest.split_once('”')).map(|(quoted, _)| quoted);
    match text {
        LIST | "You have no sessions. Open one with /new <dir>." => Kind::List,
        "⏹ Stopped." => Kind::Stopped,
        "Nothing is running." => Kind::NothingRuns,
        "There is no earlier message to run again." => Kind::NothingToRetry,
        "Claude is not asking for anything right now." => Kind::NothingAsked,
        "None of your messages arrived late." => Kind::NothingKept,
        _ if text.starts_with("Nothing was decided: Claude made this request after") => Kind::NothingAsked,
        _ if text.starts_with("You have no active session here.") => Kind::NoSession,
        _ if text.starts_with("Not run: the session was closed") => Kind::NoSession,
        _ if text.starts_with("There is no session ") => Kind::NoNumber,
        _ if text.ends_with(") is now active here.") => Kind::Switched,
        _ if text.starts_with("The session in ") => Kind::Closed(number(" that were not run: ")),
        _ if text.starts_with("Discarded: ") => Kind::Discarded(number("Discarded: ")),
        _ if text.starts_with("🔐 ") => Kind::Asks,
        _ if text.starts_with("⌛ ") || text.contains(" after you sent it, because I was offline. ") => {
            Kind::Remark
        }
        _ if text.starts_with("Run: ") || text == "Asked again below." => Kind::Remark,
        _ if text == "phonework was interrupted; it will ask again." => Kind::Remark,
        // With the sign, or without when its sender has decided already.
        _ if text.trim_start_matches("⚠️ ").starts_with("phonework was interrupted while ") => {
            Kind::Cut(quoted().unwrap_or_default().to_owned())
        }
        _ if text.starts_with("⚠️ phonework") => Kind::Cut(quoted().unwrap_or_default().to_owned()),
        _ if text.starts_with("⚠️ Claude has lost") => Kind::Remark,
        // Feishu brings it again.
        _ if text.starts_with("⚠️ I could not store your message") => Kind::Remark,
        _ if text.starts_with("Your message is in the queue; ") => Kind::Remark,
        _ if text.starts_with("⚠️") => Kind::Failed,
        _ if text.contains("is open and active here") => Kind::Opened,
        _ if !lines(text).is_empty() || text.starts_with("(practice agent, not Claude) That to") => {
            Kind::Answer
        }
        _ => Kind::Unknown,
    }
}

/// The lines of an answer that name what they answer.
pub(super) fn lines(text: &str) -> Vec<String> {
    let named = |line: &&str| {
        line.contains("That took ")
            || line.contains("I did not run it")
            || super::plan::NAMES.iter().any(|name| line.contains(&format!("{name}-")))
    };
    text.lines().filter(named).map(str::to_owned).collect()
}
