//! About turns: how they end, what Claude asks, what happened to the conversation.

use std::time::Duration;

use super::{Words, beginning, say, short};
use crate::language::Language;

impl Words {
    /// In place of an answer without a word.
    #[must_use]
    pub fn no_text(self) -> String {
        say!(self, "(Claude ended its turn without a text.)", "（Claude 结束了这一轮，没有文字。）")
    }

    /// That a turn failed; the sentence says why.
    #[must_use]
    pub fn failed(self, sentence: &str) -> String {
        say!(self, "⚠️ {sentence}", "⚠️ {sentence}")
    }

    /// That a turn was stopped.
    #[must_use]
    pub fn stopped(self) -> String {
        say!(self, "⏹ Stopped.", "⏹ 已停止。")
    }

    /// That a turn has had its time.
    #[must_use]
    pub fn timed_out(self, limit: Duration) -> String {
        let limit = short(limit);
        say!(
            self,
            "⏹ Stopped after {limit}, the time a turn of this session may take. /retry runs it again; /new <dir> --timeout <time> gives a session more.",
            "⏹ 已达到本会话单轮时限 {limit}，已停止。/retry 重新执行；/new <目录> --timeout <时间> 可设更长时限。"
        )
    }

    /// That the daemon had to leave in the middle of a turn.
    #[must_use]
    pub fn cut_by_stop(self, prompt: &str) -> String {
        let prompt = beginning(prompt);
        say!(
            self,
            "⚠️ phonework had to stop while this ran: “{prompt}”. /retry runs it again.",
            "⚠️ phonework 停止时这条消息还在执行：“{prompt}”。/retry 重新执行。"
        )
    }

    /// That the daemon ended in the middle of a turn without a word.
    #[must_use]
    pub fn cut_by_crash(self, prompt: &str) -> String {
        let prompt = beginning(prompt);
        say!(
            self,
            "⚠️ phonework was interrupted while this ran: “{prompt}”. What it did so far stands; /retry runs it again.",
            "⚠️ 这条消息执行时 phonework 被中断：“{prompt}”。已完成的部分保留；/retry 重新执行。"
        )
    }

    /// The same of a turn whose session was closed meanwhile.
    #[must_use]
    pub fn cut_and_closed(self, prompt: &str) -> String {
        let prompt = beginning(prompt);
        say!(
            self,
            "⚠️ phonework was interrupted while this ran: “{prompt}”. What it did so far stands; its session is closed.",
            "⚠️ 这条消息执行时 phonework 被中断：“{prompt}”。已完成的部分保留；会话已关闭。"
        )
    }

    /// That a turn was cut, to a person who is offered what can be done.
    #[must_use]
    pub fn cut_open(self, prompt: &str) -> String {
        let prompt = beginning(prompt);
        say!(
            self,
            "⚠️ phonework was interrupted while this ran: “{prompt}”. What it did so far stands.",
            "⚠️ 这条消息执行时 phonework 被中断：“{prompt}”。已完成的部分保留。"
        )
    }

    /// What was cut, when its person has decided what becomes of it.
    #[must_use]
    pub fn cut_before(self, prompt: &str) -> String {
        let prompt = beginning(prompt);
        say!(
            self,
            "phonework was interrupted while this ran: “{prompt}”.",
            "这条消息执行时 phonework 被中断：“{prompt}”。"
        )
    }

    /// The head of a turn that was cut.
    #[must_use]
    pub fn interrupted_head(self) -> String {
        say!(self, "Interrupted", "已中断")
    }

    /// How to decide about a turn that was cut by typing.
    #[must_use]
    pub fn cut_typed(self) -> String {
        say!(
            self,
            "/retry runs it again, /continue has Claude go on.",
            "/retry 重新执行，/continue 让 Claude 继续。"
        )
    }

    /// The foot of a permission request, of which so many are open. `further` is what there is to allow beyond this
    /// one; of several requests each has its own.
    #[must_use]
    pub fn how_to_decide(self, further: &[&str], open: usize) -> String {
        match open {
            0 | 1 => {
                let further =
                    if further.is_empty() { String::new() } else { format!(" [{}]", further.join("|")) };
                say!(
                    self,
                    "/approve{further} lets it, /deny [why] does not.",
                    "/approve{further} 允许，/deny [原因] 拒绝。"
                )
            }
            _ => say!(
                self,
                "/approve [always|edits] lets it, /deny [why] does not. {open} requests are open; the oldest is decided first.",
                "/approve [always|edits] 允许，/deny [原因] 拒绝。现有 {open} 个请求，先决定最早的。"
            ),
        }
    }

    /// How a request that cannot be allowed from a chat is decided by typing.
    #[must_use]
    pub fn how_to_deny(self) -> String {
        say!(self, "/deny [why] tells Claude no.", "/deny [原因] 拒绝。")
    }

    /// That a permission request ended as a denial.
    #[must_use]
    pub fn approval_expired(self, tool: &str) -> String {
        say!(
            self,
            "⌛ Nobody decided about {tool} in time; Claude was told no.",
            "⌛ {tool} 的请求超时未决定，已按拒绝处理。"
        )
    }

    /// That Claude has lost the conversation.
    #[must_use]
    pub fn conversation_forgotten(self) -> String {
        say!(
            self,
            "⚠️ Claude no longer has this conversation on disk. A new one begins, without memory of it.",
            "⚠️ Claude 在磁盘上已没有这个对话。现在开始新的对话，之前的内容不再记得。"
        )
    }
}
