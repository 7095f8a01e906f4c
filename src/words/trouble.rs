//! Sentences about trouble during a turn, and about turns that Claude starts by itself.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::{Words, say, short};
use crate::claude::running::OpenElsewhere;
use crate::language::Language;

impl Words {
    /// Heading of the answer of a turn that Claude started by itself.
    #[must_use]
    pub fn unasked(self) -> String {
        say!(
            self,
            "🔔 Message from Claude: something that ran in the background has finished.",
            "🔔 Claude 主动发来：后台任务已结束。"
        )
    }

    /// Such a turn reached its time limit.
    #[must_use]
    pub(crate) fn timed_out_unasked(self, limit: Duration) -> String {
        let limit = short(limit);
        say!(
            self,
            "⏹ Stopped: the turn reached this session's limit of {limit}.",
            "⏹ 已停止：达到本会话的单轮时限 {limit}。"
        )
    }

    /// phonework ended during such a turn.
    #[must_use]
    pub(crate) fn cut_unasked(self) -> String {
        say!(
            self,
            "⚠️ phonework was interrupted while Claude was working on this. Send Claude a message to continue.",
            "⚠️ Claude 处理这件事时 phonework 中断了。给 Claude 发消息即可继续。"
        )
    }

    /// Claude is silent. Says for how long, and how long the turn may still take.
    #[must_use]
    pub fn silent(self, lasted: Duration, left: Duration) -> String {
        let minutes = Duration::from_secs(lasted.as_secs() / 60 * 60);
        let (lasted, left) = (short(minutes), about(left));
        say!(
            self,
            "⏳ Nothing from Claude for {lasted}. I keep waiting, for at most {left} more. /stop ends it.",
            "⏳ Claude 已 {lasted} 没有动静。我会继续等待，最多再等 {left}。/stop 可停止。"
        )
    }

    /// Calls to the model's API fail and are retried.
    #[must_use]
    pub(crate) fn retrying(self, status: Option<u16>) -> String {
        let what = match status {
            None => say!(self, "Claude's API cannot be reached", "无法连接 Claude 的 API"),
            Some(401 | 403) => {
                say!(
                    self,
                    "Claude's API refuses the credentials of this host",
                    "Claude 的 API 拒绝了这台主机的凭据"
                )
            }
            Some(429) => say!(
                self,
                "Claude's API accepts no more requests for now (HTTP 429)",
                "Claude 的 API 暂时不接受更多请求（HTTP 429）"
            ),
            Some(529) => say!(self, "Anthropic's servers are overloaded", "Anthropic 的服务器过载"),
            Some(status) => {
                say!(self, "Claude's API fails (HTTP {status})", "Claude 的 API 出错（HTTP {status}）")
            }
        };
        say!(
            self,
            "⏳ {what}. Claude Code keeps trying. /stop ends it.",
            "⏳ {what}。Claude Code 仍在重试。/stop 可停止。"
        )
    }

    /// Claude Code summarized the conversation to make room.
    #[must_use]
    pub(crate) fn compacted(self) -> String {
        say!(
            self,
            "🗜 The conversation became too long. Claude Code summarized it and continues.",
            "🗜 对话太长，Claude Code 已将其压缩为摘要，并继续执行。"
        )
    }

    /// The conversation was summarized at its user's request.
    #[must_use]
    pub(crate) fn compacted_as_asked(self) -> String {
        say!(self, "🗜 The conversation has been summarized.", "🗜 对话已压缩为摘要。")
    }

    /// A new conversation begins at its user's request.
    #[must_use]
    pub(crate) fn cleared_as_asked(self) -> String {
        say!(
            self,
            "🧹 A new conversation starts here. Claude remembers nothing of the old one.",
            "🧹 这里开始新的对话，Claude 不记得之前的内容。"
        )
    }

    /// The conversation could not be summarized.
    #[must_use]
    pub(crate) fn compaction_failed(self) -> String {
        say!(
            self,
            "⚠️ Claude Code could not summarize the conversation to make room. If Claude cannot continue, open a new session with /new.",
            "⚠️ Claude Code 未能压缩对话以腾出空间。如果 Claude 无法继续，请用 /new 新建会话。"
        )
    }

    /// A line of Claude Code's output was too long to read.
    #[must_use]
    pub(crate) fn line_lost(self) -> String {
        say!(
            self,
            "⚠️ Claude Code wrote too much at once (over 64 MB). Part of the answer may be missing.",
            "⚠️ Claude Code 一次输出过大（超过 64 MB），回答可能缺少一部分。"
        )
    }

    /// Background tasks ended together with Claude's process.
    #[must_use]
    pub(crate) fn background_ended(self, tasks: usize) -> String {
        match tasks {
            1 => say!(
                self,
                "⏹ Claude's process ended, and with it a task that ran in the background.",
                "⏹ Claude 的进程已结束，后台任务也随之结束。"
            ),
            _ => say!(
                self,
                "⏹ Claude's process ended, and with it {tasks} tasks that ran in the background.",
                "⏹ Claude 的进程已结束，{tasks} 个后台任务也随之结束。"
            ),
        }
    }

    /// The account's usage limit is reached until the given time.
    #[must_use]
    pub fn limited(self, until: Timestamp, now: &Zoned, claudes_words: Option<&str>) -> String {
        let wait = Duration::try_from(until.duration_since(now.timestamp())).unwrap_or_default();
        let (time, wait) = (clock(until, now), about(wait));
        let sentence = say!(
            self,
            "Claude's usage limit is reached until {time} (in {wait}). Then /retry runs the message again.",
            "Claude 的用量已达上限，{time}（{wait} 后）恢复。届时用 /retry 重新执行。"
        );
        match claudes_words {
            None => sentence,
            Some(words) => {
                say!(self, "{sentence} Claude Code says: {words}", "{sentence}Claude Code 的提示：{words}")
            }
        }
    }

    /// A message was not run, because another process has the conversation open.
    #[must_use]
    pub(crate) fn open_elsewhere(self, other: &OpenElsewhere, now: &Zoned) -> String {
        let pid = other.pid;
        let since = other.since.map(|since| {
            let since = clock(since, now);
            say!(self, ", since {since}", "，自 {since}")
        });
        let since = since.unwrap_or_default();
        let place = if other.terminal {
            say!(self, "in a terminal on the host", "主机上的终端")
        } else {
            say!(self, "in another program on the host", "主机上的另一个程序")
        };
        say!(
            self,
            "⚠️ Not run: this conversation is open {place} (pid {pid}{since}). If both wrote to it, one side would be lost.\nClose it there and send /retry, or send /retry now to run it here anyway, or open another session with /new.",
            "⚠️ 未执行：这个对话正在{place}中打开（pid {pid}{since}）。如果两边同时写入，会丢失其中一边的内容。\n请在那边关闭后发送 /retry；或直接发送 /retry，仍在这里执行；或用 /new 新建会话。"
        )
    }
}

/// A time with its date and offset from UTC.
fn clock(time: Timestamp, now: &Zoned) -> String {
    let zone: TimeZone = now.time_zone().clone();
    time.to_zoned(zone).strftime("%Y-%m-%d %H:%M UTC%:z").to_string()
}

/// A waiting time rounded up to whole minutes.
fn about(wait: Duration) -> String {
    let minutes = wait.as_secs().div_ceil(60).max(1);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes}m"),
        (hours, 0) => format!("{hours}h"),
        (hours, minutes) => format!("{hours}h {minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        "2026-11-22T19:44:00Z".parse::<Timestamp>().unwrap().to_zoned(zone)
    }

    #[test]
    fn a_usage_limit_is_told_with_its_end_and_the_wait() {
        let until: Timestamp = "2026-11-22T21:44:30Z".parse().unwrap();
        insta::assert_snapshot!(
            Words(Language::En).limited(until, &now(), Some("You've hit your 5-hour limit")),
            @"Claude's usage limit is reached until 2026-11-23 05:44 UTC+08:00 (in 2h 1m). Then /retry runs the message again. Claude Code says: You've hit your 5-hour limit"
        );
        insta::assert_snapshot!(
            Words(Language::Zh).limited(now().timestamp(), &now(), None),
            @"Claude 的用量已达上限，2026-11-23 03:44 UTC+08:00（1m 后）恢复。届时用 /retry 重新执行。"
        );
    }

    #[test]
    fn a_conversation_that_is_open_elsewhere_is_told_with_the_ways_out() {
        let other = OpenElsewhere { pid: 7, since: Some(now().timestamp()), terminal: true };
        insta::assert_snapshot!(Words(Language::En).open_elsewhere(&other, &now()), @r"
        ⚠️ Not run: this conversation is open in a terminal on the host (pid 7, since 2026-11-23 03:44 UTC+08:00). If both wrote to it, one side would be lost.
        Close it there and send /retry, or send /retry now to run it here anyway, or open another session with /new.
        ");
    }

    #[test]
    fn silence_is_told_with_the_time_that_is_left() {
        let seconds = Duration::from_secs;
        insta::assert_snapshot!(
            Words(Language::En).silent(seconds(61), seconds(239)),
            @"⏳ Nothing from Claude for 1m. I keep waiting, for at most 4m more. /stop ends it."
        );
    }
}
