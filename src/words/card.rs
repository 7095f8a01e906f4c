//! About cards of turns: their heads, their buttons, their small print.

use std::time::Duration;

use super::{Words, say};
use crate::language::Language;

impl Words {
    /// The head of a running turn's card.
    #[must_use]
    pub fn working(self, project: &str) -> String {
        say!(self, "Working · {project}", "进行中 · {project}")
    }

    /// What Claude does now, since that time of day.
    #[must_use]
    pub fn since(self, what: &str, time: &str) -> String {
        say!(self, "⚙️ {what} · since {time}", "⚙️ {what} · {time} 起")
    }

    /// That Claude thinks, or writes, since that time of day; no tool runs.
    #[must_use]
    pub fn thinking(self, time: &str) -> String {
        say!(self, "💭 Claude is at it · since {time}", "💭 Claude 正在处理 · {time} 起")
    }

    /// Which tool's request waits for the reader.
    #[must_use]
    pub fn waits_for_you(self, tool: &str, time: &str) -> String {
        say!(
            self,
            "🔐 Waiting for you: {tool} · since {time}; see the card that asks.",
            "🔐 等待你决定：{tool} · {time} 起；请看询问的卡片。"
        )
    }

    /// That a running turn was told to end.
    #[must_use]
    pub fn stopping(self) -> String {
        say!(self, "⏹ Stopping …", "⏹ 正在停止……")
    }

    /// So many tools were used before those that are shown.
    #[must_use]
    pub fn more_before(self, more: usize) -> String {
        say!(self, "+{more} more before", "之前还有 {more} 个")
    }

    /// So many things of a kind are not shown.
    #[must_use]
    pub fn more_left_out(self, more: usize) -> String {
        say!(self, "+{more} more", "还有 {more} 个")
    }

    /// The button that ends a running turn.
    #[must_use]
    pub fn stop_button(self) -> String {
        say!(self, "Stop", "停止")
    }

    /// How to end a running turn by typing.
    #[must_use]
    pub fn stop_typed(self) -> String {
        say!(self, "/stop stops it.", "/stop 停止。")
    }

    /// The head of a turn's card that went wrong.
    #[must_use]
    pub fn failed_head(self, project: &str) -> String {
        say!(self, "Failed · {project}", "失败 · {project}")
    }

    /// The head of a turn's card that was ended early.
    #[must_use]
    pub fn stopped_head(self, project: &str) -> String {
        say!(self, "Stopped · {project}", "已停止 · {project}")
    }

    /// The head of a turn's card whose answer is in a message below.
    #[must_use]
    pub fn over_head(self, project: &str) -> String {
        say!(self, "Over · {project}", "已结束 · {project}")
    }

    /// Where that turn's answer is; it came at `time`.
    #[must_use]
    pub fn answered_below(self, time: &str) -> String {
        say!(self, "The answer is below, since {time}.", "回答在下方（{time}）。")
    }

    /// The head of a turn's card that the daemon's end cut short.
    #[must_use]
    pub fn cut_head(self, project: &str) -> String {
        say!(self, "Interrupted · {project}", "被中断 · {project}")
    }

    /// The head of the card of a prompt that was not run.
    #[must_use]
    pub fn not_run_head(self, project: &str) -> String {
        say!(self, "Not run · {project}", "未执行 · {project}")
    }

    /// The button that lets a session go on.
    #[must_use]
    pub fn continue_button(self) -> String {
        say!(self, "Continue", "继续")
    }

    /// The button that runs a prompt again.
    #[must_use]
    pub fn again_button(self) -> String {
        say!(self, "Run again", "重新执行")
    }

    /// The button that closes a session.
    #[must_use]
    pub fn close_button(self) -> String {
        say!(self, "Close session", "关闭会话")
    }

    /// What is asked before it is closed.
    #[must_use]
    pub fn close_confirm(self, project: &str) -> String {
        say!(self, "Close the session in {project}?", "关闭 {project} 的会话？")
    }

    /// The button that does away with what a card offers.
    #[must_use]
    pub fn dismiss_button(self) -> String {
        say!(self, "Dismiss", "忽略")
    }

    /// How to do by typing what the buttons of an ended turn do.
    #[must_use]
    pub fn ended_typed(self, commands: &str) -> String {
        say!(self, "By typing: {commands}", "也可输入：{commands}")
    }

    /// How long something took.
    #[must_use]
    pub fn took(self, time: Duration) -> String {
        let (minutes, seconds) = (time.as_secs() / 60, time.as_secs() % 60);
        match (minutes / 60, minutes % 60) {
            (0, 0) if seconds < 10 => format!("{:.1}s", time.as_secs_f64()),
            (0, 0) => format!("{seconds}s"),
            (0, minutes) => format!("{minutes}m {seconds}s"),
            (hours, minutes) => format!("{hours}h {minutes}m"),
        }
    }

    /// How much of the model's context is used.
    #[must_use]
    pub fn context_used(self, tokens: u64, window: Option<u64>) -> String {
        let thousands = tokens.div_ceil(1000);
        match window.filter(|&window| window > 0) {
            Some(window) => {
                let percent = tokens.saturating_mul(100) / window;
                say!(self, "context {percent}% ({thousands}k)", "上下文 {percent}%（{thousands}k）")
            }
            None => say!(self, "context {thousands}k", "上下文 {thousands}k"),
        }
    }

    /// How many files were changed, by so many lines that came and went.
    #[must_use]
    pub fn files_changed(self, files: usize, added: usize, removed: usize) -> String {
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

    /// The title of the panel with the edits.
    #[must_use]
    pub fn edits_title(self, edits: usize, added: usize, removed: usize) -> String {
        say!(self, "Edits: {edits} (+{added} −{removed})", "修改：{edits} 处（+{added} −{removed}）")
    }

    /// The title of the panel with the commands.
    #[must_use]
    pub fn commands_title(self, commands: usize, failed: usize) -> String {
        match failed {
            0 => say!(self, "Commands: {commands}", "命令：{commands} 条"),
            _ => {
                say!(self, "Commands: {commands} ({failed} failed)", "命令：{commands} 条（{failed} 条失败）")
            }
        }
    }
}
