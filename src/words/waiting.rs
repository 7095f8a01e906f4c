//! The queue of a person's messages, and those that came too late, as cards.

use std::time::Duration;

use super::{Words, rounded, say, short};
use crate::language::Language;

impl Words {
    /// The head of the queue.
    #[must_use]
    pub fn queue_head(self, waiting: usize) -> String {
        say!(self, "Waiting: {waiting}", "排队：{waiting}")
    }

    /// How many more wait than are shown.
    #[must_use]
    pub fn queue_more(self, more: usize) -> String {
        say!(self, "and {more} more", "还有 {more} 条")
    }

    /// How to do by typing what the queue's buttons do.
    #[must_use]
    pub fn queue_typed(self) -> String {
        say!(
            self,
            "/cancel <n> takes one out, /now <n> stops what runs and runs it.",
            "/cancel <编号> 取消，/now <编号> 停止当前任务并执行它。"
        )
    }

    /// The last word of the queue.
    #[must_use]
    pub fn queue_empty(self) -> String {
        say!(self, "Nothing waits any more.", "没有排队的消息了。")
    }

    /// The queue of a daemon that is gone.
    #[must_use]
    pub fn queue_gone(self) -> String {
        say!(
            self,
            "phonework was interrupted; what waited is run, or asked about if it is old by then.",
            "phonework 中断过；排队的消息会继续执行，太久的会先询问。"
        )
    }

    /// To `/cancel` and `/now` when nothing waits.
    #[must_use]
    pub fn nothing_waits(self) -> String {
        say!(self, "No message of yours waits.", "你没有排队的消息。")
    }

    /// To a number that no waiting message has.
    #[must_use]
    pub fn no_such_waiting(self, number: usize) -> String {
        say!(
            self,
            "No message {number} waits; /cancel shows those that do.",
            "没有编号为 {number} 的排队消息；/cancel 查看。"
        )
    }

    /// That a message was taken out of the queue.
    #[must_use]
    pub fn cancelled(self, beginning: &str) -> String {
        say!(self, "Not run: “{beginning}”", "已取消：“{beginning}”")
    }

    /// That a message is run next, and what runs is stopped for it.
    #[must_use]
    pub fn runs_now(self, beginning: &str) -> String {
        say!(self, "Runs now: “{beginning}”", "立即执行：“{beginning}”")
    }

    /// The head of the question about messages that came too late.
    #[must_use]
    pub fn late_head(self, many: usize) -> String {
        match many {
            1 => say!(self, "A message of yours came late", "你的一条消息迟到了"),
            _ => say!(self, "{many} messages of yours came late", "你有 {many} 条消息迟到了"),
        }
    }

    /// How late they came.
    #[must_use]
    pub fn late_by(self, many: usize, oldest: Duration) -> String {
        let age = short(rounded(oldest));
        match many {
            1 => say!(
                self,
                "It came {age} after you sent it; I was away. Shall it run now?",
                "它在发送 {age} 之后才收到（我当时不在线）。现在执行吗？"
            ),
            _ => say!(
                self,
                "The oldest came {age} after you sent it; I was away. Shall they run now?",
                "最早的在发送 {age} 之后才收到（我当时不在线）。现在执行吗？"
            ),
        }
    }

    /// How to answer by typing.
    #[must_use]
    pub fn late_typed(self) -> String {
        say!(self, "/run runs them, /discard drops them.", "/run 执行，/discard 丢弃。")
    }

    /// What was decided: they run.
    #[must_use]
    pub fn late_run(self, many: usize) -> String {
        say!(self, "Run: {many}.", "已执行 {many} 条。")
    }

    /// A question that another one takes the place of.
    #[must_use]
    pub fn late_asked_anew(self) -> String {
        say!(self, "Asked anew below.", "已在下面重新询问。")
    }

    /// The question of a daemon that is gone.
    #[must_use]
    pub fn late_gone(self) -> String {
        say!(self, "phonework was interrupted; it asks again.", "phonework 中断过，会重新询问。")
    }
}
