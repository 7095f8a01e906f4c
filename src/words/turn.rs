//! Sentences about turns: the card of a running turn, how a turn ends, and the details below an answer.

use std::time::Duration;

use super::{Words, beginning, minutes, say, short};
use crate::language::Language;

/// The card of a running turn.
impl Words {
    /// Heading of the card of a running turn.
    #[must_use]
    pub(crate) fn working(self, project: &str) -> String {
        say!(self, "Working · {project}", "进行中 · {project}")
    }

    /// The tool call that is running, and for how long.
    #[must_use]
    pub(crate) fn running_for(self, what: &str, elapsed: Duration) -> String {
        let elapsed = self.dot_minutes(elapsed);
        say!(self, "⚙️ {what}{elapsed}", "⚙️ {what}{elapsed}")
    }

    /// Claude thinks or writes while no tool runs, and for how long.
    #[must_use]
    pub(crate) fn thinking(self, elapsed: Duration) -> String {
        let elapsed = self.dot_minutes(elapsed);
        say!(self, "💭 Claude is working{elapsed}", "💭 Claude 正在处理{elapsed}")
    }

    /// A request waits for the reader's decision, and for how long.
    #[must_use]
    pub(crate) fn waits_for_you(self, tool: &str, elapsed: Duration) -> String {
        let elapsed = self.dot_minutes(elapsed);
        say!(
            self,
            "🔐 Waiting for you: {tool}{elapsed} (see its card)",
            "🔐 等待你处理：{tool}{elapsed}（见请求卡片）"
        )
    }

    /// A time in whole minutes after a dot; nothing for less than a minute.
    fn dot_minutes(self, elapsed: Duration) -> String {
        match elapsed.as_secs() / 60 {
            0 => String::new(),
            _ => format!(" · {}", minutes(self, elapsed)),
        }
    }

    /// The running turn is being stopped.
    #[must_use]
    pub(crate) fn stopping(self) -> String {
        say!(self, "⏹ Stopping…", "⏹ 正在停止……")
    }

    /// How many finished tool calls came before those that are shown.
    #[must_use]
    pub(crate) fn more_before(self, more: usize) -> String {
        say!(self, "+{more} earlier", "之前还有 {more} 个")
    }

    /// How many more there are than those that are shown.
    #[must_use]
    pub(crate) fn more_left_out(self, more: usize) -> String {
        say!(self, "+{more} more", "还有 {more} 个")
    }

    /// Button: stop the running turn.
    #[must_use]
    pub(crate) fn stop_button(self) -> String {
        say!(self, "Stop", "停止")
    }

    /// How to stop the running turn by typing.
    #[must_use]
    pub(crate) fn stop_typed(self) -> String {
        say!(self, "Or type /stop.", "也可输入 /stop。")
    }
}

/// How a turn ended.
impl Words {
    /// Heading of the card of a turn that failed.
    #[must_use]
    pub(crate) fn failed_head(self, project: &str) -> String {
        say!(self, "Failed · {project}", "失败 · {project}")
    }

    /// Heading of the card of a turn that was stopped or timed out.
    #[must_use]
    pub(crate) fn stopped_head(self, project: &str) -> String {
        say!(self, "Stopped · {project}", "已停止 · {project}")
    }

    /// Heading of the card of a turn whose answer is a new message below it.
    #[must_use]
    pub(crate) fn over_head(self, project: &str) -> String {
        say!(self, "Done · {project}", "已结束 · {project}")
    }

    /// Where the answer of that turn is, and the time of day when it came.
    #[must_use]
    pub(crate) fn answered_below(self, time: &str) -> String {
        say!(self, "Claude answered at {time}; see below.", "Claude 已于 {time} 回答，见下方。")
    }

    /// Heading of the card of a turn that was interrupted by the end of phonework.
    #[must_use]
    pub(crate) fn cut_head(self, project: &str) -> String {
        say!(self, "Interrupted · {project}", "已中断 · {project}")
    }

    /// Heading of the card of a message that was not run.
    #[must_use]
    pub(crate) fn not_run_head(self, project: &str) -> String {
        say!(self, "Not run · {project}", "未执行 · {project}")
    }

    /// In place of an answer that has no text.
    #[must_use]
    pub(crate) fn no_text(self) -> String {
        say!(self, "(Claude ended its turn without a text.)", "（Claude 结束了这一轮，没有输出文字。）")
    }

    /// The turn failed; the sentence says why.
    #[must_use]
    pub(crate) fn failed(self, sentence: &str) -> String {
        say!(self, "⚠️ {sentence}", "⚠️ {sentence}")
    }

    /// The turn was stopped at the user's request.
    #[must_use]
    pub(crate) fn stopped(self) -> String {
        say!(self, "⏹ Stopped.", "⏹ 已停止。")
    }

    /// The turn reached its time limit.
    #[must_use]
    pub(crate) fn timed_out(self, limit: Duration) -> String {
        let limit = short(limit);
        say!(
            self,
            "⏹ Stopped: the turn reached this session's limit of {limit}. /retry runs the message again. To get more time, open a session with /new <dir> --timeout <time>.",
            "⏹ 已停止：达到本会话的单轮时限 {limit}。/retry 重新执行；要更长的时限，请用 /new <目录> --timeout <时间> 新建会话。"
        )
    }

    /// phonework had to stop while the turn ran.
    #[must_use]
    pub(crate) fn cut_by_stop(self, prompt: &str) -> String {
        let prompt = beginning(prompt);
        say!(
            self,
            "⚠️ phonework was shut down while this was running: “{prompt}”. /retry runs it again.",
            "⚠️ phonework 关闭时，这条消息还在执行：“{prompt}”。/retry 重新执行。"
        )
    }

    /// phonework ended without warning while the turn ran.
    #[must_use]
    pub(crate) fn cut_by_crash(self, prompt: &str) -> String {
        let prompt = beginning(prompt);
        say!(
            self,
            "⚠️ phonework was interrupted while this was running: “{prompt}”. What was done so far is kept. /retry runs it again.",
            "⚠️ 这条消息执行时 phonework 中断了：“{prompt}”。已完成的部分会保留。/retry 重新执行。"
        )
    }

    /// The same for a turn whose session was closed in the meantime.
    #[must_use]
    pub(crate) fn cut_and_closed(self, prompt: &str) -> String {
        let prompt = beginning(prompt);
        say!(
            self,
            "⚠️ phonework was interrupted while this was running: “{prompt}”. What was done so far is kept. The session is closed.",
            "⚠️ 这条消息执行时 phonework 中断了：“{prompt}”。已完成的部分会保留。会话已关闭。"
        )
    }

    /// The same above buttons that offer what to do next.
    #[must_use]
    pub(crate) fn cut_open(self, prompt: &str) -> String {
        let prompt = beginning(prompt);
        say!(
            self,
            "⚠️ phonework was interrupted while this was running: “{prompt}”. What was done so far is kept.",
            "⚠️ 这条消息执行时 phonework 中断了：“{prompt}”。已完成的部分会保留。"
        )
    }

    /// What was interrupted, once its user has decided what to do.
    #[must_use]
    pub(crate) fn cut_before(self, prompt: &str) -> String {
        let prompt = beginning(prompt);
        say!(
            self,
            "phonework was interrupted while this was running: “{prompt}”.",
            "这条消息执行时 phonework 中断了：“{prompt}”。"
        )
    }

    /// Heading of the card of an interrupted turn after a restart.
    #[must_use]
    pub(crate) fn interrupted_head(self) -> String {
        say!(self, "Interrupted", "已中断")
    }

    /// How to decide about an interrupted turn by typing.
    #[must_use]
    pub(crate) fn cut_typed(self) -> String {
        say!(
            self,
            "Or type /retry to run it again, or /continue to let Claude continue.",
            "也可输入 /retry 重新执行，或 /continue 让 Claude 继续。"
        )
    }

    /// How to do by typing what the buttons below an answer do.
    #[must_use]
    pub(crate) fn ended_typed(self, commands: &str) -> String {
        say!(self, "Or type: {commands}", "也可输入：{commands}")
    }

    /// Claude no longer has the conversation.
    #[must_use]
    pub(crate) fn conversation_forgotten(self) -> String {
        say!(
            self,
            "⚠️ Claude has lost this conversation: its file is gone. A new one starts here; Claude remembers nothing of the old one.",
            "⚠️ Claude 丢失了这个对话：对话文件已不存在。现在开始新的对话，Claude 不记得之前的内容。"
        )
    }
}

/// The details below an answer.
impl Words {
    /// How long the turn took.
    #[must_use]
    pub(crate) fn took(self, time: Duration) -> String {
        let (minutes, seconds) = (time.as_secs() / 60, time.as_secs() % 60);
        match (minutes / 60, minutes % 60) {
            (0, 0) if seconds < 10 => format!("{:.1}s", time.as_secs_f64()),
            (0, 0) => format!("{seconds}s"),
            (0, minutes) => format!("{minutes}m {seconds}s"),
            (hours, minutes) => format!("{hours}h {minutes}m"),
        }
    }

    /// How much of the model's context is in use.
    #[must_use]
    pub(crate) fn context_used(self, tokens: u64, window: Option<u64>) -> String {
        let thousands = tokens.div_ceil(1000);
        match window.filter(|&window| window > 0) {
            Some(window) => {
                let percent = tokens.saturating_mul(100) / window;
                say!(self, "context {percent}% ({thousands}k)", "上下文 {percent}%（{thousands}k）")
            }
            None => say!(self, "context {thousands}k", "上下文 {thousands}k"),
        }
    }

    /// How many files were changed, with the number of lines added and removed.
    #[must_use]
    pub(crate) fn files_changed(self, files: usize, added: usize, removed: usize) -> String {
        match files {
            1 => say!(self, "1 file changed +{added} −{removed}", "修改 1 个文件 +{added} −{removed}"),
            _ => {
                say!(
                    self,
                    "{files} files changed +{added} −{removed}",
                    "修改 {files} 个文件 +{added} −{removed}"
                )
            }
        }
    }

    /// Title of the fold with the edits.
    #[must_use]
    pub(crate) fn edits_title(self, edits: usize, added: usize, removed: usize) -> String {
        say!(self, "Edits: {edits} (+{added} −{removed})", "修改：{edits} 处（+{added} −{removed}）")
    }

    /// Below the beginning of a command's output whose end is only in a file on the host.
    #[must_use]
    pub(crate) fn output_saved(self, size: &str, path: &str) -> String {
        say!(
            self,
            "… This is only the beginning of {size} of output. All of it: {path}",
            "……这只是 {size} 输出的开头。全部输出：{path}"
        )
    }

    /// Title of the fold with the commands.
    #[must_use]
    pub(crate) fn commands_title(self, commands: usize, failed: usize) -> String {
        match failed {
            0 => say!(self, "Commands: {commands}", "命令：{commands} 条"),
            _ => {
                say!(self, "Commands: {commands} ({failed} failed)", "命令：{commands} 条（{failed} 条失败）")
            }
        }
    }
}
