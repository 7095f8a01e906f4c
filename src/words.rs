//! Every sentence that the bot itself says in a chat, in each language. What Claude says is never touched.

use std::time::Duration;

use crate::language::Language;

/// The sentences in one language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words(pub Language);

/// `say!(self, "English", "中文")`, with what `format!` takes.
macro_rules! say {
    ($self:ident, $en:literal, $zh:literal) => {
        match $self.0 {
            Language::En => format!($en),
            Language::Zh => format!($zh),
        }
    };
}

pub(crate) use say;

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

    /// To a message whose session was closed while it waited.
    #[must_use]
    pub fn session_gone(self) -> String {
        say!(
            self,
            "The session of this message was closed before its turn; it was not run.",
            "这条消息所属的会话已关闭，消息没有执行。"
        )
    }

    /// That a session is open.
    #[must_use]
    pub fn opened(self, number: usize, project: &str, cwd: &str) -> String {
        say!(
            self,
            "Session {number} ({project}) is open and active here: {cwd}",
            "会话 {number}（{project}）已打开，并成为这里的活动会话：{cwd}"
        )
    }

    /// That another session is active.
    #[must_use]
    pub fn switched(self, number: usize, project: &str) -> String {
        say!(
            self,
            "Session {number} ({project}) is active here now.",
            "会话 {number}（{project}）现在是这里的活动会话。"
        )
    }

    /// That a session is closed, and so many messages with it.
    #[must_use]
    pub fn closed(self, project: &str, withdrawn: usize) -> String {
        match withdrawn {
            0 => say!(self, "The session in {project} is closed.", "{project} 的会话已关闭。"),
            _ => say!(
                self,
                "The session in {project} is closed; {withdrawn} waiting messages were not run.",
                "{project} 的会话已关闭；{withdrawn} 条排队的消息没有执行。"
            ),
        }
    }

    /// To a number that `/list` does not show.
    #[must_use]
    pub fn no_such_number(self, number: usize) -> String {
        say!(self, "There is no session {number}; see /list.", "没有编号为 {number} 的会话，见 /list。")
    }

    /// The list of no sessions.
    #[must_use]
    pub fn no_sessions(self) -> String {
        say!(self, "You have no sessions. Open one with /new <dir>.", "你还没有会话。用 /new <目录> 新建。")
    }

    /// To `/stop` when there is nothing to stop.
    #[must_use]
    pub fn nothing_runs(self) -> String {
        say!(self, "Nothing is running.", "没有正在运行的任务。")
    }

    /// To `/approve` and `/deny` when there is nothing to decide.
    #[must_use]
    pub fn nothing_asked(self) -> String {
        say!(self, "Claude asks for nothing right now.", "Claude 目前没有请求许可。")
    }

    /// To `/retry` in a session without a turn.
    #[must_use]
    pub fn nothing_to_retry(self) -> String {
        say!(self, "There is no earlier message to run again.", "没有可以重新执行的消息。")
    }

    /// To a directory that does not lie under `WORKING_DIR`.
    #[must_use]
    pub fn outside(self, working_dir: &str) -> String {
        say!(
            self,
            "Projects lie under {working_dir}; this directory does not.",
            "项目必须位于 {working_dir} 之下。"
        )
    }

    /// To a directory that is not there, with the offer to make it.
    #[must_use]
    pub fn missing_directory(self, path: &str, asked: &str) -> String {
        say!(
            self,
            "{path} is not there. To make it: /new --create {asked}",
            "{path} 不存在。要新建它：/new --create {asked}"
        )
    }

    /// To a directory that cannot be a project.
    #[must_use]
    pub fn unusable_directory(self, path: &str, why: &str) -> String {
        say!(self, "{path} cannot be used: {why}.", "{path} 不能使用：{why}。")
    }

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

    /// That the daemon had to leave in the middle of a turn.
    #[must_use]
    pub fn cut_by_stop(self, prompt: Option<&str>) -> String {
        let prompt = beginning(prompt.unwrap_or_default());
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

    /// To a slash command that nobody knows.
    #[must_use]
    pub fn unknown_command(self, name: &str) -> String {
        let help = self.help();
        say!(
            self,
            "Neither I nor Claude knows /{name}.\n\n{help}",
            "我和 Claude 都不认识 /{name}。\n\n{help}"
        )
    }

    /// The head of a permission request.
    #[must_use]
    pub fn wants_to_use(self, tool: &str) -> String {
        say!(self, "🔐 Claude wants to use {tool}:", "🔐 Claude 想使用 {tool}：")
    }

    /// The foot of a permission request, of which so many are open.
    #[must_use]
    pub fn how_to_decide(self, open: usize) -> String {
        match open {
            0 | 1 => {
                say!(self, "/approve lets it, /deny [why] does not.", "/approve 允许，/deny [原因] 拒绝。")
            }
            _ => say!(
                self,
                "/approve lets it, /deny [why] does not. {open} requests are open; the oldest is decided first.",
                "/approve 允许，/deny [原因] 拒绝。现有 {open} 个请求，先决定最早的。"
            ),
        }
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

    /// The commands.
    #[must_use]
    pub fn help(self) -> String {
        let text = match self.0 {
            Language::En => {
                "What you write goes to Claude in your active session, word for word. Besides:\n\
                 /new <dir>: open a session; options: --create --timeout 600 --idle 2h --mode M --model M\n\
                 /list: your sessions · /status: the active one\n\
                 /switch <n>: make one active here\n\
                 /close [n]: close one\n\
                 /stop: end what runs\n\
                 /retry: run the last message again\n\
                 /approve, /deny [why]: when Claude asks\n\
                 /run, /discard: messages that came too late\n\
                 Claude's own commands (/compact, /cost, …) go to Claude."
            }
            Language::Zh => {
                "你写的内容会原样发给活动会话中的 Claude。此外：\n\
                 /new <目录>：新建会话；选项：--create --timeout 600 --idle 2h --mode M --model M\n\
                 /list：你的会话 · /status：当前会话\n\
                 /switch <编号>：切换\n\
                 /close [编号]：关闭\n\
                 /stop：停止当前任务\n\
                 /retry：重新执行上一条\n\
                 /approve、/deny [原因]：回答 Claude 的请求\n\
                 /run、/discard：处理迟到的消息\n\
                 Claude 自己的命令（/compact、/cost 等）会转给 Claude。"
            }
        };
        text.to_owned()
    }
}

/// A time in a person's words: `90s`, `10m`, `2h`.
#[must_use]
pub fn short(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 3600 && seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        seconds if seconds >= 60 && seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

/// A long time without what nobody asks for: whole minutes, or whole hours.
fn rounded(time: Duration) -> Duration {
    let unit = match time.as_secs() {
        0..600 => 1,
        600..36_000 => 60,
        _ => 3600,
    };
    Duration::from_secs(time.as_secs() / unit * unit)
}

/// The beginning of a text, so that its writer knows which one is meant.
fn beginning(text: &str) -> String {
    const LENGTH: usize = 60;
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > LENGTH {
        line = line.chars().take(LENGTH - 1).collect();
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let of = |seconds| short(Duration::from_secs(seconds));
        assert_eq!(
            (of(5), of(90), of(600), of(7200)),
            ("5s".into(), "90s".into(), "10m".into(), "2h".into())
        );
    }

    #[test]
    fn a_long_prompt_is_named_by_its_beginning() {
        let notice = Words(Language::En).cut_by_crash(&"word\n".repeat(100));
        insta::assert_snapshot!(notice, @"⚠️ phonework was interrupted while this ran: “word word word word word word word word word word word word…”. What it did so far stands; /retry runs it again.");
    }
}
