//! What the previous run left unfinished: turns that were cut when it went down, and messages that still wait.
//!
//! A cut turn is never run again by itself, because nobody knows how far Claude had come. Its user is told, with a
//! button that runs it again.

use std::path::PathBuf;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tracing::info;

use crate::audit::{AuditLine, AuditRecord};
use crate::chat::router::RouterEvent;
use crate::chat::show;
use crate::ids::SlotId;
use crate::mail::{Mail, PastTurn, Post as Mailed, PostBody, Recipient, Settlement, Slot, Store, TurnStart};
use crate::session::registry::Registry;
use crate::words::Words;

/// What the previous run left unfinished.
pub(super) struct RecoveredState {
    /// The turns that ran when it went down.
    cut: Vec<CutTurn>,
    /// Messages that no turn has begun with.
    waiting: Vec<Mail>,
    words: Words,
}

/// A turn that ran when the previous daemon went down.
struct CutTurn {
    turn: TurnStart,
    /// The directory of its session's project, if the session is still known.
    project: Option<PathBuf>,
    /// Whether its session was closed in the meantime.
    closed: bool,
}

impl RecoveredState {
    pub(super) fn new(cut: Vec<TurnStart>, waiting: Vec<Mail>, registry: &Registry, words: Words) -> Self {
        let cut = cut.into_iter().map(|turn| {
            let session = registry.running(&turn.conv_id);
            let closed = session.is_none_or(|session| session.closed_at.is_some());
            CutTurn { project: session.map(|session| session.cwd.clone()), closed, turn }
        });
        Self { cut: cut.collect(), waiting, words }
    }

    /// Tells the users of cut turns, then gives the router the messages that wait. A disk that accepts no writes delays
    /// this; what is not reached is left to the next start.
    pub(super) async fn take_up(self, store: Store, router: mpsc::Sender<RouterEvent>) {
        for cut in self.cut {
            store.settle_with_retry(cut.settlement(self.words)).await;
        }
        if !self.waiting.is_empty() {
            info!(messages = self.waiting.len(), "messages waited for this start");
        }
        for mail in self.waiting {
            if router.send(RouterEvent::Mail(mail)).await.is_err() {
                return;
            }
        }
    }
}

impl CutTurn {
    /// Ends the turn on disk: with a message to its user and a line for the audit log.
    fn settlement(self, words: Words) -> Settlement {
        let Self { turn: cut, project, closed } = self;
        info!(conv_id = %cut.conv_id, user = %cut.user, "a turn was cut when the daemon went down");
        let at = Timestamp::now();
        let line = AuditLine {
            at,
            conv_id: cut.conv_id,
            user: cut.user,
            turn: Some(cut.turn_id),
            duration_ms: u64::try_from(at.duration_since(cut.at).as_millis()).unwrap_or(0),
            prompt: cut.prompt.clone(),
            response: String::new(),
            outcome: "cut".to_owned(),
            cost_usd: None,
            tools: Vec::new(),
            approvals: Vec::new(),
        };
        let document = if closed {
            show::interrupted::session_closed(&cut.prompt, words)
        } else {
            show::interrupted::offer(&line.conv_id, cut.turn_id, &cut.prompt, words, cut.group)
        };
        // If the turn has a card, the document replaces it.
        let slot = Some(Slot { id: SlotId::of_turn(cut.turn_id), fallback: None });
        let to = Recipient::Chat(cut.chat_id);
        let post = Mailed { to, reply_to: cut.reply_to, body: PostBody::Document { document, slot } };
        Settlement {
            mails: cut.mail.into_iter().collect(),
            turn: Some((cut.turn_id, PastTurn::CUT_BY_CRASH.to_owned())),
            posts: vec![post],
            audit: project.map(|project| AuditRecord { project, line }),
            ..Settlement::at(at)
        }
    }
}
