//! Sentences about messages: those that are not accepted, those that wait, and those that are too long to send.

use super::{Words, say};
use crate::language::Language;

/// Messages from people.
impl Words {
    /// To somebody who is not allowed to use the bot. The last line is the command for the operator.
    #[must_use]
    pub fn stranger(self, open_id: &str) -> String {
        say!(
            self,
            "You don't have access yet. Send this line to the operator:\nphonework allow {open_id}",
            "你还没有使用权限。请把下面这行发给管理员：\nphonework allow {open_id}"
        )
    }

    /// To a message of a kind that cannot be read.
    #[must_use]
    pub(crate) fn unsupported(self, kind: &str) -> String {
        say!(
            self,
            "I can only read text messages so far, not this kind ({kind}). Please send it as text.",
            "目前我只能阅读文字消息，还不支持这种消息（{kind}）。请用文字发送。"
        )
    }

    /// To a message without any text.
    #[must_use]
    pub fn empty(self) -> String {
        say!(self, "This message has no text.", "这条消息里没有文字。")
    }

    /// To a message that has no session to go to.
    #[must_use]
    pub(crate) fn no_session(self) -> String {
        say!(
            self,
            "You have no active session here. Open one with /new <dir>, or choose one from /list with /switch <n>.",
            "你在这里没有活动会话。用 /new <目录> 新建，或在 /list 中查看后用 /switch <编号> 选择。"
        )
    }

    /// The message waits; used if no emoji can be put on it.
    #[must_use]
    pub fn waits(self, before: usize) -> String {
        say!(self, "Your message is in the queue; {before} before it.", "消息已排队，前面还有 {before} 条。")
    }

    /// To a message that exceeds the maximum number of waiting messages.
    #[must_use]
    pub(crate) fn queue_full(self, limit: usize) -> String {
        say!(
            self,
            "Not accepted: you already have {limit} messages waiting. Send it again later, or type /stop.",
            "未接收：你已有 {limit} 条消息在排队。请稍后重发，或输入 /stop。"
        )
    }

    /// To a message that cannot be stored.
    #[must_use]
    pub(crate) fn not_on_record(self) -> String {
        say!(
            self,
            "⚠️ I could not store your message: the disk of the host is full or broken. Please tell the operator. Feishu delivers the message again by itself (after 15 s, 5 min, 1 h and 6 h), so there is no need to send it again.",
            "⚠️ 我无法保存你的消息：主机磁盘已满或有故障，请告诉管理员。飞书会自动重新投递（15 秒、5 分钟、1 小时、6 小时后），不必重发。"
        )
    }

    /// To a message whose session was closed while it waited.
    #[must_use]
    pub(crate) fn session_gone(self) -> String {
        say!(
            self,
            "Not run: the session was closed while this message was waiting.",
            "未执行：这条消息排队时，会话已关闭。"
        )
    }

    /// To `/run` and `/discard` if no message has arrived late.
    #[must_use]
    pub(crate) fn nothing_kept(self) -> String {
        say!(self, "None of your messages arrived late.", "你没有迟到的消息。")
    }

    /// Late messages were discarded.
    #[must_use]
    pub(crate) fn discarded(self, many: usize) -> String {
        say!(self, "Discarded: {many}.", "已丢弃 {many} 条。")
    }
}

/// Messages that do not fit, or that Feishu refuses.
impl Words {
    /// Below the beginning of a text that is sent as a file.
    #[must_use]
    pub(crate) fn whole_in_the_file(self) -> String {
        say!(self, "… The full text is in the file below.", "……全文见下方文件。")
    }

    /// Above a text of which only the end is shown.
    #[must_use]
    pub(crate) fn more_above(self) -> String {
        say!(self, "… There is more above this.", "……上方还有更多内容。")
    }

    /// On a card whose text was sent as messages of their own.
    #[must_use]
    pub(crate) fn text_below(self) -> String {
        say!(self, "See the messages below.", "内容见下方消息。")
    }

    /// Between the beginning and the end of a text that is too long for a chat. `full_text_path` is the file on the host
    /// that holds the full text.
    #[must_use]
    pub(crate) fn left_out(self, parts: usize, left_out: usize, full_text_path: Option<&str>) -> String {
        match full_text_path {
            Some(path) => say!(
                self,
                "✂️ This text would be {parts} messages; {left_out} of them are left out here. The full text is in {path} on the host.",
                "✂️ 这段内容需要 {parts} 条消息，这里省略了 {left_out} 条。全文在主机上的 {path} 中。"
            ),
            None => say!(
                self,
                "✂️ This text would be {parts} messages; {left_out} of them are left out here.",
                "✂️ 这段内容需要 {parts} 条消息，这里省略了 {left_out} 条。"
            ),
        }
    }

    /// In place of a text that Feishu's content check refused.
    #[must_use]
    pub(crate) fn not_taken(self) -> String {
        say!(
            self,
            "Feishu refused this message: its content check did not pass. Claude's answer is in the audit log, in the folder .phonework of the project.",
            "飞书拒绝了这条消息：内容审核未通过。Claude 的回答保存在项目 .phonework 文件夹的审计日志里。"
        )
    }

    /// In place of a text that is too long for Feishu.
    #[must_use]
    pub(crate) fn not_taken_too_long(self) -> String {
        say!(
            self,
            "Feishu refused this message: it is too long. Claude's answer is in the audit log, in the folder .phonework of the project.",
            "飞书拒绝了这条消息：内容太长。Claude 的回答保存在项目 .phonework 文件夹的审计日志里。"
        )
    }

    /// In place of a message that Feishu refuses in every form.
    #[must_use]
    pub(crate) fn not_taken_as_it_is(self) -> String {
        say!(
            self,
            "Feishu refused this message. Claude's answer is in the audit log, in the folder .phonework of the project.",
            "飞书拒绝了这条消息。Claude 的回答保存在项目 .phonework 文件夹的审计日志里。"
        )
    }
}
