//! What the bot's messages are, as a person at the phone tells them apart.

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
    List,
    NothingRuns,
    NothingToRetry,
    /// What says nothing of an ending: that a message waits, or that a conversation was lost.
    Remark,
    /// What nobody can explain.
    Unknown,
}

pub(super) fn is_list(text: &str) -> bool {
    text.contains("1. ") && ["running", "ready", "asleep"].iter().any(|state| text.ends_with(state))
}

pub(super) fn kind(text: &str) -> Kind {
    let quoted = || text.split_once('“').and_then(|(_, rest)| rest.split_once('”')).map(|(quoted, _)| quoted);
    match text {
        "⏹ Stopped." => Kind::Stopped,
        "Nothing is running." => Kind::NothingRuns,
        "There is no earlier message to run again." => Kind::NothingToRetry,
        _ if is_list(text) => Kind::List,
        _ if text.starts_with("⚠️ phonework") => Kind::Cut(quoted().unwrap_or_default().to_owned()),
        _ if text.starts_with("⚠️ Claude no longer has") => Kind::Remark,
        _ if text.starts_with("Your message waits; ") => Kind::Remark,
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
            || super::plan::NAMES.iter().any(|name| line.contains(&format!("{name}-")))
    };
    text.lines().filter(named).map(str::to_owned).collect()
}
