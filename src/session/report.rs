//! What is said of a session's turns in a sentence, and what the audit log keeps of them. Pure.
//!
//! Their cards are in `session::show`.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::machine::Notice;
use super::turn::{Approval, FinishedTurn, ReplyTarget, ToolUse};
use crate::audit::{AuditApproval, AuditLine, AuditRecord, AuditTool};
use crate::ids::{ConvId, MessageId, OpenId};
use crate::mail::{Post, PostBody, Recipient, Settlement};
use crate::words::Words;

/// Whose session it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOwner {
    /// Its owner.
    pub user: OpenId,
    /// Where things go that answer no message.
    pub home: ReplyTarget,
}

/// A notice in words.
#[must_use]
pub fn sentence(notice: &Notice, words: Words) -> String {
    match notice {
        Notice::Expired(tool) => words.approval_expired(tool),
        Notice::Forgotten => words.conversation_forgotten(),
        Notice::Silent { lasted, left } => words.silent(*lasted, *left),
        Notice::Retrying { status } => words.retrying(*status),
        Notice::Compacted => words.compacted(),
        Notice::CompactionFailed => words.compaction_failed(),
        Notice::LineLost => words.line_lost(),
        Notice::ModeRefused(mode) => words.mode_refused(mode),
        Notice::BackgroundEnded(tasks) => words.background_ended(*tasks),
    }
}

/// One sentence of the bot's, which also answers these inbox entries.
#[must_use]
pub fn notice(mails: Vec<i64>, reply: &ReplyTarget, text: String) -> Settlement {
    let posts = vec![text_post(text, reply)];
    Settlement { mails, posts, ..Settlement::at(Timestamp::now()) }
}

/// Feishu's emoji for a command that was heard.
const HEARD: &str = "OK";
/// Feishu's emoji for a message that waits.
const WAITS: &str = "OneSecond";
/// Feishu's emoji for a message that was not taken.
const NOT_TAKEN: &str = "CrossMark";

/// Shows beside a command that it was heard: its effect speaks for itself.
#[must_use]
pub fn heard(mail: i64, message_id: &MessageId, user: &OpenId) -> Settlement {
    let posts = vec![reaction(message_id, user, HEARD, None)];
    Settlement { mails: vec![mail], posts, ..Settlement::at(Timestamp::now()) }
}

/// Shows beside a message that it was not taken, and with that answers it.
#[must_use]
pub fn not_taken(mail: i64, message_id: &MessageId, user: &OpenId) -> Settlement {
    let posts = vec![reaction(message_id, user, NOT_TAKEN, None)];
    Settlement { mails: vec![mail], posts, ..Settlement::at(Timestamp::now()) }
}

/// Shows beside a message that it waits; says so in words where the emoji is refused.
#[must_use]
pub fn waits(message_id: &MessageId, user: &OpenId, words: String) -> Settlement {
    let posts = vec![reaction(message_id, user, WAITS, Some(words))];
    Settlement { posts, ..Settlement::at(Timestamp::now()) }
}

/// It goes by the person's lane, not the chat's: an answer does not wait for it.
fn reaction(on: &MessageId, user: &OpenId, emoji: &str, otherwise: Option<String>) -> Post {
    let body = PostBody::Reaction { on: on.clone(), emoji: emoji.to_owned(), otherwise };
    Post { to: Recipient::User(user.clone()), reply_to: None, body }
}

/// A turn as the audit log keeps it; `at` is its end.
#[must_use]
pub fn record(
    done: FinishedTurn,
    conv_id: &ConvId,
    user: &OpenId,
    project: &Path,
    at: Timestamp,
) -> AuditRecord {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let began = at.checked_sub(done.took).unwrap_or(at);
    let approval = |approval: &Approval| AuditApproval {
        tool: approval.tool.clone(),
        input: approval.input.clone(),
        decision: approval.decision.word().to_owned(),
        detail: approval.decision.detail(),
        by: approval.decision.by_a_person().then(|| user.clone()),
        at: began.checked_add(approval.after).unwrap_or(at),
    };
    let tool = |tool: &ToolUse| AuditTool {
        name: tool.name.clone(),
        input: tool.input.clone(),
        is_error: tool.is_error,
        at: Some(began.checked_add(tool.after).unwrap_or(at)),
    };
    let line = AuditLine {
        at,
        conv_id: conv_id.clone(),
        user: user.clone(),
        turn: Some(done.id),
        prompt: done.prompt.map(|prompt| prompt.text).unwrap_or_default(),
        response: done.text,
        outcome: done.outcome.word().to_owned(),
        duration_ms: milliseconds(done.took),
        cost_usd: done.cost_usd,
        tools: done.tools.iter().map(tool).collect(),
        approvals: done.approvals.iter().map(approval).collect(),
    };
    AuditRecord { project: project.to_owned(), line }
}

fn text_post(text: String, reply: &ReplyTarget) -> Post {
    Post { to: reply.to.clone(), reply_to: reply.under.clone(), body: PostBody::Text(text) }
}
