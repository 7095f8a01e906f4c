//! The log: to the journal under systemd, with fields of its own, and to stderr elsewhere.
//!
//! A field `conv_id` is `PHONEWORK_CONV_ID` in the journal. Besides it, `user` (an open_id) and `message_id` say what an
//! event is about. What an operator alerts on has a `MESSAGE_ID`: see [`events`].
//!
//! Logged are phonework's own events, and warnings of the libraries below it. More of the libraries cannot be asked
//! for: on finer levels they write tokens and whole messages.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::error::Failure;
use crate::paths::Environment;

pub mod events;
mod journal;
mod lasting;

use journal::JournalLayer;
pub(crate) use lasting::LastingTrouble;
pub(crate) use lasting::PastTrouble;

/// Begins logging, once for the process. `PHONEWORK_LOG` says how much: a level (`debug`), or levels for parts of
/// phonework (`info,phonework::feishu=debug`); it is `usual` when it does not say.
///
/// # Errors
/// When `PHONEWORK_LOG` makes no sense, or logging has begun before.
pub fn begin(environment: &Environment, usual: &str) -> Result<(), Failure> {
    let wanted = environment.get("PHONEWORK_LOG").map(|value| value.to_string_lossy());
    let filter = filter(wanted.as_deref().unwrap_or(usual))?;
    let again =
        |_| Failure::failed("the log was begun twice; this is a fault of phonework, please report it");

    let stream = environment.get("JOURNAL_STREAM").and_then(|stream| stream.to_str());
    if is_journal(stream, stderr_identity())
        && let Ok(journal) = JournalLayer::open()
    {
        return tracing_subscriber::registry().with(filter).with(journal).try_init().map_err(again);
    }
    let colour = std::io::stderr().is_terminal() && environment.get("NO_COLOR").is_none();
    let stderr = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colour);
    tracing_subscriber::registry().with(filter).with(stderr).try_init().map_err(again)
}

/// What to let through.
fn filter(wanted: &str) -> Result<Targets, Failure> {
    let wrong = || {
        Failure::usage(
            "PHONEWORK_LOG is not understood; give error, warn, info or debug, or a list like info,phonework::feishu=debug",
        )
    };
    let wanted: Targets = wanted.parse().map_err(|_| wrong())?;
    let own = wanted.default_level().unwrap_or(LevelFilter::INFO);
    let libraries = own.min(LevelFilter::WARN);
    let mut filter = Targets::new().with_default(libraries).with_target("phonework", own);
    for (target, level) in wanted {
        if target != "phonework" && !target.starts_with("phonework::") {
            return Err(wrong());
        }
        filter = filter.with_target(target, level);
    }
    Ok(filter)
}

/// Whether stderr, known by device and inode, is the stream to the journal that systemd names.
fn is_journal(stream: Option<&str>, stderr: Option<(u64, u64)>) -> bool {
    let Some((device, inode)) = stream.and_then(|stream| stream.split_once(':')) else { return false };
    device.parse().ok().zip(inode.parse().ok()).is_some_and(|identity| Some(identity) == stderr)
}

fn stderr_identity() -> Option<(u64, u64)> {
    let stat = rustix::fs::fstat(std::io::stderr()).ok()?;
    Some((stat.st_dev, stat.st_ino))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn libraries_only_warn_whatever_is_asked_for() {
        let filter = filter("debug,phonework::feishu=trace").unwrap();
        assert!(filter.would_enable("phonework::chat", &Level::DEBUG));
        assert!(filter.would_enable("phonework::feishu::socket", &Level::TRACE));
        assert!(!filter.would_enable("phonework::chat", &Level::TRACE));
        assert!(filter.would_enable("hyper", &Level::WARN));
        assert!(!filter.would_enable("hyper", &Level::INFO));
    }

    #[test]
    fn the_log_can_be_made_quiet() {
        let filter = filter("error").unwrap();
        assert!(!filter.would_enable("hyper", &Level::WARN));
        assert!(!filter.would_enable("phonework", &Level::WARN));
    }

    #[test]
    fn other_targets_and_nonsense_are_refused() {
        for wanted in ["hyper=debug", "info,h2=trace", "info,phonework=loud", "phoneworks=debug", "loud"] {
            assert!(filter(wanted).is_err(), "{wanted}");
        }
    }

    #[test]
    fn the_journal_is_known_by_device_and_inode() {
        assert!(is_journal(Some("9:1234"), Some((9, 1234))));
        assert!(!is_journal(Some("9:1234"), Some((9, 1235))));
        assert!(!is_journal(Some("nonsense"), Some((9, 1234))));
        assert!(!is_journal(None, Some((9, 1234))));
    }
}
