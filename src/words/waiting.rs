//! Sentences about a person's queue, and about messages that arrived late.

use std::time::Duration;

use super::{Words, rounded, say, short};
use crate::language::Language;

/// The sentences of the queue's card.
impl Words {
    /// Heading of the queue's card.
    #[must_use]
    pub(crate) fn queue_head(self, waiting: usize) -> String {
        say!(self, "Waiting: {waiting}", "排队：{waiting}")
    }

    /// How many more messages there are than those that are shown.
    #[must_use]
    pub(crate) fn queue_more(self, more: usize) -> String {
        say!(self, "and {more} more", "还有 {more} 条")
    }

    /// How to do by typing what the buttons of the queue do.
    #[must_use]
    pub(crate) fn queue_typed(self) -> String {
        say!(
            self,
            "Or type /cancel <n> to remove a message, or /now <n> to stop what is running and run it.",
            "也可输入 /cancel <编号> 取消，或 /now <编号> 停止当前任务并立即执行它。"
        )
    }

    /// The queue has become empty.
    #[must_use]
    pub(crate) fn queue_empty(self) -> String {
        say!(self, "The queue is empty.", "没有排队的消息了。")
    }

    /// On the card of a queue whose phonework ended.
    #[must_use]
    pub(crate) fn queue_gone(self) -> String {
        say!(
            self,
            "phonework was interrupted. Waiting messages still run; you are asked first about those that have become old.",
            "phonework 中断过。排队的消息会继续执行；如果时间太久，会先询问你。"
        )
    }

    /// To `/cancel` and `/now` if the queue is empty.
    #[must_use]
    pub(crate) fn nothing_waits(self) -> String {
        say!(self, "You have no messages waiting.", "你没有排队的消息。")
    }

    /// To a number that no waiting message has.
    #[must_use]
    pub(crate) fn no_such_waiting(self, number: usize) -> String {
        say!(
            self,
            "There is no waiting message {number}. /cancel lists them.",
            "没有编号为 {number} 的排队消息。输入 /cancel 查看。"
        )
    }

    /// A message was removed from the queue.
    #[must_use]
    pub(crate) fn cancelled(self, beginning: &str) -> String {
        say!(self, "Cancelled: “{beginning}”", "已取消：“{beginning}”")
    }

    /// A message runs next, and the running turn is stopped for it.
    #[must_use]
    pub(crate) fn runs_now(self, beginning: &str) -> String {
        say!(self, "Running now: “{beginning}”", "立即执行：“{beginning}”")
    }
}

/// Messages that arrived late.
impl Words {
    /// Heading of the question about late messages.
    #[must_use]
    pub(crate) fn late_head(self, many: usize) -> String {
        match many {
            1 => say!(self, "A message of yours arrived late", "你的一条消息迟到了"),
            _ => say!(self, "{many} of your messages arrived late", "你有 {many} 条消息迟到了"),
        }
    }

    /// How late they arrived, and the question what to do.
    #[must_use]
    pub(crate) fn late_by(self, many: usize, oldest: Duration) -> String {
        let age = short(rounded(oldest));
        match many {
            1 => say!(
                self,
                "It arrived {age} after you sent it, because I was offline. Run it now?",
                "我当时不在线，这条消息在发送 {age} 后才收到。现在执行吗？"
            ),
            _ => say!(
                self,
                "The oldest arrived {age} after you sent it, because I was offline. Run them now?",
                "我当时不在线，最早的一条在发送 {age} 后才收到。现在执行吗？"
            ),
        }
    }

    /// How to decide about late messages by typing.
    #[must_use]
    pub(crate) fn late_typed(self) -> String {
        say!(
            self,
            "Or type /run to run them, or /discard to discard them.",
            "也可输入 /run 执行，或 /discard 丢弃。"
        )
    }

    /// Late messages are run.
    #[must_use]
    pub(crate) fn late_run(self, many: usize) -> String {
        say!(self, "Run: {many}.", "已执行 {many} 条。")
    }

    /// On a question about late messages that a newer one replaces.
    #[must_use]
    pub(crate) fn late_asked_anew(self) -> String {
        say!(self, "Asked again below.", "已在下方重新询问。")
    }

    /// On a question about late messages whose phonework ended.
    #[must_use]
    pub(crate) fn late_gone(self) -> String {
        say!(self, "phonework was interrupted; it will ask again.", "phonework 中断过，会重新询问。")
    }
}
