//! Makes settlements for `mail`: short notices and reactions about a session, and the audit record of a turn. Pure.
//!
//! The cards of turns are made in `session::show`.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::machine::Notice;
use super::turn::{Approval, FinishedTurn, ReplyTarget, ToolUse};
use crate::audit::{AuditApproval, AuditLine, AuditRecord, AuditTool};
use crate::ids::{ConvId, MessageId, OpenId};
use crate::mail::{Post, PostBody, Recipient, Settlement};
use crate::words::Words;

/// The owner of a session, and where to reach them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionOwner {
    /// The open_id of the owner.
    pub(crate) user: OpenId,
    /// Where posts go that answer no message.
    pub(crate) home: ReplyTarget,
}

/// The sentence for a notice.
#[must_use]
pub(crate) fn sentence(notice: &Notice, words: Words) -> String {
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

/// Sends one sentence of the bot's, which also answers these inbox entries.
#[must_use]
pub(crate) fn notice(mails: Vec<i64>, reply: &ReplyTarget, text: String) -> Settlement {
    let posts = vec![text_post(text, reply)];
    Settlement { mails, posts, ..Settlement::at(Timestamp::now()) }
}

/// Feishu's emoji for a command that was carried out.
const DONE_EMOJI: &str = "OK";
/// Feishu's emoji for a message that waits.
const WAITING_EMOJI: &str = "OneSecond";
/// Feishu's emoji for a message that was not accepted.
const REJECTED_EMOJI: &str = "CrossMark";

/// Confirms a command by a reaction, which also answers it: its effect can be seen elsewhere.
#[must_use]
pub(crate) fn heard(mail: i64, message_id: &MessageId, user: &OpenId) -> Settlement {
    let posts = vec![reaction(message_id, user, DONE_EMOJI, None)];
    Settlement { mails: vec![mail], posts, ..Settlement::at(Timestamp::now()) }
}

/// Marks a message as not accepted by a reaction, which also answers it.
#[must_use]
pub(crate) fn not_taken(mail: i64, message_id: &MessageId, user: &OpenId) -> Settlement {
    let posts = vec![reaction(message_id, user, REJECTED_EMOJI, None)];
    Settlement { mails: vec![mail], posts, ..Settlement::at(Timestamp::now()) }
}

/// Marks a message as waiting by a reaction, or by these words if Feishu refuses the emoji.
#[must_use]
pub(crate) fn waits(message_id: &MessageId, user: &OpenId, words: String) -> Settlement {
    let posts = vec![reaction(message_id, user, WAITING_EMOJI, Some(words))];
    Settlement { posts, ..Settlement::at(Timestamp::now()) }
}

/// A reaction goes by the person's lane, not the chat's, so that no answer waits for it.
fn reaction(on: &MessageId, user: &OpenId, emoji: &str, otherwise: Option<String>) -> Post {
    let body = PostBody::Reaction { on: on.clone(), emoji: emoji.to_owned(), otherwise };
    Post { to: Recipient::User(user.clone()), reply_to: None, body }
}

/// The audit record of a turn that ended at `at`.
#[must_use]
pub(crate) fn record(
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
