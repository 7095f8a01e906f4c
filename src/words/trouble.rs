//! About what befalls a turn on its way, and about turns that nobody asked for.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::{Words, say, short};
use crate::claude::running::OpenElsewhere;
use crate::language::Language;

impl Words {
    /// The heading of what Claude says without being asked.
    #[must_use]
    pub fn unasked(self) -> String {
        say!(
            self,
            "🔔 From Claude, unasked: something that ran in the background has ended.",
            "🔔 Claude 主动发来：后台任务已结束。"
        )
    }

    /// That a turn nobody asked for has had its time.
    #[must_use]
    pub fn timed_out_unasked(self, limit: Duration) -> String {
        let limit = short(limit);
        say!(
            self,
            "⏹ Stopped after {limit}, the time a turn of this session may take.",
            "⏹ 已达到本会话单轮时限 {limit}，已停止。"
        )
    }

    /// That the daemon had to leave in the middle of a turn nobody asked for.
    #[must_use]
    pub fn cut_unasked(self) -> String {
        say!(
            self,
            "⚠️ phonework had to stop while Claude was at this. A message to Claude takes it up again.",
            "⚠️ phonework 停止时 Claude 还在处理。给 Claude 发消息即可继续。"
        )
    }

    /// That Claude is silent, and how long the turn may still take.
    #[must_use]
    pub fn silent(self, lasted: Duration, left: Duration) -> String {
        let minutes = Duration::from_secs(lasted.as_secs() / 60 * 60);
        let (lasted, left) = (short(minutes), about(left));
        say!(
            self,
            "⏳ No sign from Claude for {lasted}. I go on waiting, for {left} at most; /stop ends it.",
            "⏳ Claude 已 {lasted} 没有动静。我会继续等待，最多再等 {left}；/stop 可停止。"
        )
    }

    /// That calls of the API fail and are tried again.
    #[must_use]
    pub fn retrying(self, status: Option<u16>) -> String {
        let what = match status {
            None => say!(self, "The API cannot be reached", "无法连接 API"),
            Some(401 | 403) => {
                say!(self, "The API refuses this machine's credentials", "API 拒绝这台机器的凭据")
            }
            Some(429) => say!(
                self,
                "The API takes no more requests for now (HTTP 429)",
                "API 暂时不接受更多请求（HTTP 429）"
            ),
            Some(529) => say!(self, "Anthropic's servers are overloaded", "Anthropic 服务器过载"),
            Some(status) => say!(self, "The API fails (HTTP {status})", "API 出错（HTTP {status}）"),
        };
        say!(
            self,
            "⏳ {what}. Claude Code goes on trying; /stop ends it.",
            "⏳ {what}。Claude Code 仍在重试；/stop 可停止。"
        )
    }

    /// That the conversation was summarised to make room.
    #[must_use]
    pub fn compacted(self) -> String {
        say!(
            self,
            "🗜 The conversation had grown long; Claude Code has summarised it to make room, and goes on.",
            "🗜 对话已很长，Claude Code 已将其压缩为摘要以腾出空间，并继续执行。"
        )
    }

    /// That the conversation was summarised because its user said so.
    #[must_use]
    pub fn compacted_as_asked(self) -> String {
        say!(self, "🗜 The conversation is summarised.", "🗜 对话已压缩为摘要。")
    }

    /// That a new conversation begins because its user said so.
    #[must_use]
    pub fn cleared_as_asked(self) -> String {
        say!(
            self,
            "🧹 A new conversation begins here, without memory of the one before.",
            "🧹 这里开始新的对话，之前的内容不再记得。"
        )
    }

    /// That the conversation could not be summarised.
    #[must_use]
    pub fn compaction_failed(self) -> String {
        say!(
            self,
            "⚠️ Claude Code could not summarise the conversation to make room. If it ends for want of room: /new begins another.",
            "⚠️ Claude Code 未能压缩对话以腾出空间。如果因此无法继续，请用 /new 新建会话。"
        )
    }

    /// That something Claude wrote could not be read.
    #[must_use]
    pub fn line_lost(self) -> String {
        say!(
            self,
            "⚠️ Claude Code wrote more at once than can be read (over 64 MB); a part of the answer may be missing.",
            "⚠️ Claude Code 一次输出过大（超过 64 MB），无法读取；答案可能缺少一部分。"
        )
    }

    /// That what ran in the background was ended with the process.
    #[must_use]
    pub fn background_ended(self, tasks: usize) -> String {
        match tasks {
            1 => say!(
                self,
                "⏹ What Claude ran in the background was ended with its process.",
                "⏹ Claude 的后台任务已随其进程结束。"
            ),
            _ => say!(
                self,
                "⏹ What Claude ran in the background ({tasks} tasks) was ended with its process.",
                "⏹ Claude 的 {tasks} 个后台任务已随其进程结束。"
            ),
        }
    }

    /// That a limit of the account is used up until then.
    #[must_use]
    pub fn limited(self, until: Timestamp, now: &Zoned, claudes_words: Option<&str>) -> String {
        let wait = Duration::try_from(until.duration_since(now.timestamp())).unwrap_or_default();
        let (time, wait) = (clock(until, now), about(wait));
        let sentence = say!(
            self,
            "Claude's usage limit is reached until {time}, in {wait}; /retry runs the message again then.",
            "Claude 的用量已达上限，{time}（{wait} 后）恢复；届时用 /retry 重新执行。"
        );
        match claudes_words {
            None => sentence,
            Some(words) => {
                say!(self, "{sentence} Claude Code says: {words}", "{sentence}Claude Code 的提示：{words}")
            }
        }
    }

    /// That a prompt was not run, as another process has the conversation open.
    #[must_use]
    pub fn open_elsewhere(self, other: &OpenElsewhere, now: &Zoned) -> String {
        let pid = other.pid;
        let since = other.since.map(|since| {
            let since = clock(since, now);
            say!(self, ", since {since}", "，自 {since}")
        });
        let since = since.unwrap_or_default();
        let place = if other.terminal {
            say!(self, "in a terminal on the machine", "这台机器的终端")
        } else {
            say!(self, "in another program on the machine", "这台机器的另一个程序")
        };
        say!(
            self,
            "⚠️ Not run: this conversation is open {place} (pid {pid}{since}). If both wrote, one of the two branches would be lost.\nClose it there and send /retry; or /retry to run it here all the same; or /new for another session.",
            "⚠️ 未执行：这个对话正在{place}中打开（pid {pid}{since}）。如果两边同时写入，其中一个分支会丢失。\n在那边关闭后发送 /retry；或直接 /retry 仍在这里执行；或用 /new 新建会话。"
        )
    }
}

/// A time as a clock on the machine shows it.
fn clock(time: Timestamp, now: &Zoned) -> String {
    let zone: TimeZone = now.time_zone().clone();
    time.to_zoned(zone).strftime("%Y-%m-%d %H:%M UTC%:z").to_string()
}

/// A time to wait, in whole minutes; never less than it is.
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
    fn a_limit_is_told_with_its_end_and_the_wait_until_then() {
        let until: Timestamp = "2026-11-22T21:44:30Z".parse().unwrap();
        insta::assert_snapshot!(
            Words(Language::En).limited(until, &now(), Some("You've hit your 5-hour limit")),
            @"Claude's usage limit is reached until 2026-11-23 05:44 UTC+08:00, in 2h 1m; /retry runs the message again then. Claude Code says: You've hit your 5-hour limit"
        );
        insta::assert_snapshot!(
            Words(Language::Zh).limited(now().timestamp(), &now(), None),
            @"Claude 的用量已达上限，2026-11-23 03:44 UTC+08:00（1m 后）恢复；届时用 /retry 重新执行。"
        );
    }

    #[test]
    fn who_else_has_a_conversation_open_is_told_with_the_ways_out() {
        let other = OpenElsewhere { pid: 7, since: Some(now().timestamp()), terminal: true };
        insta::assert_snapshot!(Words(Language::En).open_elsewhere(&other, &now()), @r"
        ⚠️ Not run: this conversation is open in a terminal on the machine (pid 7, since 2026-11-23 03:44 UTC+08:00). If both wrote, one of the two branches would be lost.
        Close it there and send /retry; or /retry to run it here all the same; or /new for another session.
        ");
    }

    #[test]
    fn a_silence_is_told_with_the_time_that_is_left() {
        let seconds = Duration::from_secs;
        insta::assert_snapshot!(
            Words(Language::En).silent(seconds(61), seconds(239)),
            @"⏳ No sign from Claude for 1m. I go on waiting, for 4m at most; /stop ends it."
        );
    }
}
