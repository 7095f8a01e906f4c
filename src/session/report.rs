//! What a session's turns look like in the chat and in the audit log. Pure.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use jiff::{Timestamp, Zoned};

use super::machine::Notice;
use super::turn::{Approval, Done, Outcome, Reply, ToolUse};
use crate::audit::{AuditApproval, AuditLine, AuditTool, Record};
use crate::claude::wire::PermissionRequest;
use crate::ids::{ConvId, MessageId, OpenId};
use crate::mail::{Body, Post, Recipient, Settlement};
use crate::render::{permission, split};
use crate::words::Words;

/// Whose session it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its owner.
    pub user: OpenId,
    /// Where things go that answer no message.
    pub home: Reply,
}

/// The most messages that one answer becomes: 20 seconds at Feishu's 5 a second, and more than anybody reads on a
/// phone. Of a longer one the beginning and the end are shown.
const MOST_PARTS: usize = 100;

/// The messages that end a turn: Claude's words as they are, then what the bot has to say about it. A turn that nobody
/// asked for has a heading. `log` is where the whole of an answer stands that is too long for a chat; `now` is in the
/// zone in which times are told.
#[must_use]
pub fn answer(done: &Done, reply: &Reply, words: Words, limit: usize, log: &Path, now: &Zoned) -> Vec<Post> {
    let unasked = done.prompt.is_none();
    let remark = match &done.outcome {
        Outcome::Answered if done.text.is_empty() && !unasked => Some(words.no_text()),
        Outcome::Answered => None,
        Outcome::Failed(sentence) | Outcome::Crashed(sentence) => Some(words.failed(sentence)),
        Outcome::Stopped if done.text.is_empty() && unasked => None,
        Outcome::Stopped => Some(words.stopped()),
        Outcome::TimedOut(limit) if unasked => Some(words.timed_out_unasked(*limit)),
        Outcome::TimedOut(limit) => Some(words.timed_out(*limit)),
        Outcome::Cut => Some(match &done.prompt {
            Some(prompt) => words.cut_by_stop(&prompt.text),
            None => words.cut_unasked(),
        }),
        Outcome::UnknownCommand(name) => Some(words.unknown_command(name)),
        Outcome::Limited { until, otherwise, .. } if *until <= now.timestamp() => {
            Some(words.failed(otherwise))
        }
        Outcome::Limited { until, words: claudes, .. } => {
            Some(words.failed(&words.limited(*until, now, claudes.as_deref())))
        }
        Outcome::Compacted => Some(words.compacted_as_asked()),
        Outcome::Cleared => Some(words.cleared_as_asked()),
        Outcome::OpenElsewhere(other) => Some(words.open_elsewhere(other, now)),
    };
    let heading = |text: &str| format!("{}\n{text}", words.unasked());
    let (text, remark) = match (unasked, done.text.is_empty()) {
        (true, false) => (Cow::Owned(heading(&done.text)), remark),
        (true, true) => (Cow::Borrowed(""), remark.map(|remark| heading(&remark))),
        (false, _) => (Cow::Borrowed(done.text.as_str()), remark),
    };
    let mut posts = abridged(&text, reply, words, limit, log);
    posts.extend(remark.map(|text| text_post(text, reply)));
    posts
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

/// The messages that ask for a permission; `open` requests wait now.
#[must_use]
pub fn ask(request: &PermissionRequest, open: usize, reply: &Reply, words: Words, limit: usize) -> Vec<Post> {
    let text = format!(
        "{}\n{}\n{}",
        words.wants_to_use(&request.tool),
        permission::describe(&request.tool, &request.input),
        words.how_to_decide(open)
    );
    texts(&text, reply, limit)
}

/// One sentence of the bot's, which also answers these inbox entries.
#[must_use]
pub fn notice(mails: Vec<i64>, reply: &Reply, text: String) -> Settlement {
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
    let body = Body::Reaction { on: on.clone(), emoji: emoji.to_owned(), otherwise };
    Post { to: Recipient::User(user.clone()), reply_to: None, body }
}

/// A turn as the audit log keeps it; `at` is its end.
#[must_use]
pub fn record(done: Done, conv_id: &ConvId, user: &OpenId, project: &Path, at: Timestamp) -> Record {
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
    Record { project: project.to_owned(), line }
}

/// A text, or its beginning and its end.
fn abridged(text: &str, reply: &Reply, words: Words, limit: usize, log: &Path) -> Vec<Post> {
    let parts = split::parts(text, limit);
    let Some(left_out) = parts.len().checked_sub(MOST_PARTS).filter(|&left_out| left_out > 0) else {
        return parts.iter().map(|part| text_post(part.to_string(), reply)).collect();
    };
    let (beginning, rest) = parts.split_at(MOST_PARTS / 2);
    let end = &rest[left_out..];
    let notice = words.abridged(parts.len(), left_out, &log.display().to_string());
    let texts =
        beginning.iter().map(ToString::to_string).chain([notice]).chain(end.iter().map(ToString::to_string));
    texts.map(|text| text_post(text, reply)).collect()
}

fn text_post(text: String, reply: &Reply) -> Post {
    Post { to: reply.to.clone(), reply_to: reply.under.clone(), body: Body::Text(text) }
}

fn texts(text: &str, reply: &Reply, limit: usize) -> Vec<Post> {
    split::split(text, limit).into_iter().map(|part| text_post(part, reply)).collect()
}
