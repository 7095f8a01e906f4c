//! About messages: taken over, waiting, too late, not taken.

use std::time::Duration;

use super::{Words, rounded, say, short};
use crate::language::Language;

impl Words {
    /// To somebody who is not allowed.
    #[must_use]
    pub fn stranger(self, open_id: &str) -> String {
        say!(
            self,
            "Sorry, I only work for people whom my operator has let in. Your open_id is {open_id}; give it to him.",
            "抱歉，我只为管理员允许的用户服务。你的 open_id 是 {open_id}，请把它发给管理员。"
        )
    }

    /// To a message of a kind that cannot be read.
    #[must_use]
    pub fn unsupported(self, kind: &str) -> String {
        say!(
            self,
            "I can read text and rich-text messages so far, not this kind ({kind}). Please send it as text.",
            "目前我只能阅读文本和富文本消息，还不支持这种消息（{kind}）。请用文字发送。"
        )
    }

    /// To a message without a word.
    #[must_use]
    pub fn empty(self) -> String {
        say!(self, "There is no text in this message.", "这条消息里没有文字。")
    }

    /// To a message that has no session to go to.
    #[must_use]
    pub fn no_session(self) -> String {
        say!(
            self,
            "You have no active session here. Open one with /new <dir>, or pick one from /list with /switch <n>.",
            "你在这里没有活动会话。用 /new <目录> 新建，或从 /list 中用 /switch <编号> 选择。"
        )
    }

    /// That a message waits, with so many before it; where an emoji cannot say it.
    #[must_use]
    pub fn waits(self, before: usize) -> String {
        say!(self, "Your message waits; {before} before it.", "消息已排队，前面还有 {before} 条。")
    }

    /// To a message for which there is no room.
    #[must_use]
    pub fn queue_full(self, limit: usize) -> String {
        say!(
            self,
            "{limit} of your messages wait already; this one was not taken. Send it again later, or /stop.",
            "你已有 {limit} 条消息在排队，这条没有接收。请稍后重发，或用 /stop。"
        )
    }

    /// To a message that cannot be put on record.
    #[must_use]
    pub fn not_on_record(self) -> String {
        say!(
            self,
            "⚠️ I could not take your message: my disk is full or broken, and my operator has to make room. Feishu brings the message again by itself (after 15 s, 5 min, 1 h and 6 h), so you need not send it again before that.",
            "⚠️ 我没能接收你的消息：磁盘已满或有故障，需要管理员处理。飞书会自动重新投递（15 秒、5 分钟、1 小时、6 小时后），在此之前不必重发。"
        )
    }

    /// To a message whose session was closed while it waited.
    #[must_use]
    pub fn session_gone(self) -> String {
        say!(
            self,
            "The session of this message was closed before its turn; it was not run.",
            "这条消息所属的会话已关闭，消息没有执行。"
        )
    }

    /// To messages that came too late, the oldest of them by so much.
    #[must_use]
    pub fn stale(self, many: usize, oldest: Duration) -> String {
        let age = short(rounded(oldest));
        match many {
            1 => say!(
                self,
                "A message of yours came {age} after you sent it; I was away. /run runs it now, /discard drops it.",
                "你的一条消息在发送 {age} 之后才收到（我当时不在线）。/run 现在执行，/discard 丢弃。"
            ),
            _ => say!(
                self,
                "{many} messages of yours came late, the oldest {age} after you sent it; I was away. /run runs them now, /discard drops them.",
                "你有 {many} 条消息迟到，最早的在发送 {age} 之后才收到（我当时不在线）。/run 现在执行，/discard 丢弃。"
            ),
        }
    }

    /// To `/run` and `/discard` when nothing came too late.
    #[must_use]
    pub fn nothing_kept(self) -> String {
        say!(self, "No message of yours waits for that.", "没有等待处理的迟到消息。")
    }

    /// That messages that came too late are dropped.
    #[must_use]
    pub fn discarded(self, many: usize) -> String {
        say!(self, "Dropped: {many}.", "已丢弃 {many} 条。")
    }

    /// In place of a text that did not pass a check of contents.
    #[must_use]
    pub fn not_taken(self) -> String {
        say!(
            self,
            "Feishu did not take this message: its content did not pass a check. What Claude answered is in the audit log, in the project's folder .phonework.",
            "飞书没有接收这条消息：内容未通过审核。Claude 的回答保存在项目 .phonework 文件夹的审计日志里。"
        )
    }

    /// In place of a text that is too long.
    #[must_use]
    pub fn not_taken_too_long(self) -> String {
        say!(
            self,
            "Feishu did not take this message: it is too long. What Claude answered is in the audit log, in the project's folder .phonework.",
            "飞书没有接收这条消息：内容太长。Claude 的回答保存在项目 .phonework 文件夹的审计日志里。"
        )
    }

    /// In place of a message that Feishu refuses whatever it is sent as.
    #[must_use]
    pub fn not_taken_as_it_is(self) -> String {
        say!(
            self,
            "Feishu did not take this message. What Claude answered is in the audit log, in the project's folder .phonework.",
            "飞书没有接收这条消息。Claude 的回答保存在项目 .phonework 文件夹的审计日志里。"
        )
    }
}
