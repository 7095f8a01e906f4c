//! Sentences about sessions: `/list`, `/status`, `/mode`, `/long` and `/new`.

use std::time::Duration;

use super::{Words, rounded, say};
use crate::language::Language;

impl Words {
    /// Heading of `/list`.
    #[must_use]
    pub(crate) fn list_head(self, sessions: usize) -> String {
        say!(self, "Your sessions: {sessions}", "你的会话：{sessions}")
    }

    /// How to do by typing what the buttons of the list do.
    #[must_use]
    pub(crate) fn list_typed(self) -> String {
        say!(
            self,
            "▶ marks the session that is active here. Or type /switch <n> or /close <n>.",
            "▶ 为这里的活动会话。也可输入 /switch <编号> 切换，或 /close <编号> 关闭。"
        )
    }

    /// Which page of the list this is, and how to see the next.
    #[must_use]
    pub(crate) fn list_pages(self, page: usize, pages: usize) -> String {
        let next = page % pages + 1;
        say!(
            self,
            "Page {page} of {pages}. /list {next} shows the next.",
            "第 {page} 页，共 {pages} 页。输入 /list {next} 看下一页。"
        )
    }

    /// State of a session: a turn is running.
    #[must_use]
    pub(crate) fn is_running(self) -> String {
        say!(self, "running", "运行中")
    }

    /// State of a session: it waits for its owner's decision.
    #[must_use]
    pub(crate) fn is_asking(self) -> String {
        say!(self, "waiting for you", "等待你处理")
    }

    /// State of a session: its process is running and idle.
    #[must_use]
    pub(crate) fn is_ready(self) -> String {
        say!(self, "ready", "就绪")
    }

    /// State of a session: it has no process.
    #[must_use]
    pub(crate) fn is_asleep(self) -> String {
        say!(self, "asleep", "休眠")
    }

    /// Heading of `/help`.
    #[must_use]
    pub(crate) fn help_head(self) -> String {
        say!(self, "What you can do", "使用方法")
    }

    /// Heading of `/new` without a directory.
    #[must_use]
    pub(crate) fn projects_head(self) -> String {
        say!(self, "Open a session", "新建会话")
    }

    /// How to open a session in another directory.
    #[must_use]
    pub(crate) fn projects_typed(self) -> String {
        say!(
            self,
            "Any other folder: /new <dir> [--create] [--timeout 600] [--idle 2h] [--mode M] [--model M]",
            "其他目录：/new <目录> [--create] [--timeout 600] [--idle 2h] [--mode M] [--model M]"
        )
    }

    /// How long ago a project was last used.
    #[must_use]
    pub fn used(self, ago: Duration) -> String {
        let ago = match ago.as_secs() {
            seconds @ 172_800.. => {
                let days = seconds / 86_400;
                say!(self, "{days} days", "{days} 天")
            }
            0..60 => return say!(self, "used just now", "刚刚使用过"),
            seconds @ 60..3600 => {
                let minutes = seconds / 60;
                say!(self, "{minutes}m", "{minutes} 分钟")
            }
            _ => {
                let hours = rounded(ago).as_secs() / 3600;
                say!(self, "{hours}h", "{hours} 小时")
            }
        };
        say!(self, "used {ago} ago", "{ago}前使用过")
    }

    /// What to do in a session that was just opened.
    #[must_use]
    pub(crate) fn opened_typed(self) -> String {
        say!(
            self,
            "Your messages here now go to Claude. /status shows details, /list your sessions.",
            "现在你在这里写的内容会发给 Claude。/status 查看详情，/list 列出会话。"
        )
    }

    /// What to do after a session was closed.
    #[must_use]
    pub(crate) fn closed_typed(self) -> String {
        say!(self, "/new <dir> opens a session, /list shows yours.", "/new <目录> 新建，/list 列出会话。")
    }

    /// The permission mode of a session has changed.
    #[must_use]
    pub(crate) fn mode_changed(self, project: &str, mode: &str) -> String {
        say!(
            self,
            "The permission mode of the session in {project} is now {mode}.",
            "{project} 的会话权限模式现在是 {mode}。"
        )
    }

    /// The permission mode of a session.
    #[must_use]
    pub(crate) fn mode_is(self, project: &str, mode: &str) -> String {
        say!(
            self,
            "The permission mode of the session in {project} is {mode}.",
            "{project} 的会话权限模式是 {mode}。"
        )
    }

    /// What each mode means.
    #[must_use]
    pub fn modes(self) -> String {
        say!(
            self,
            "default: Claude asks before each change. acceptEdits: Claude edits files without asking. plan: Claude only plans and changes nothing.",
            "default：每次改动前都询问；acceptEdits：修改文件不再询问；plan：只做计划，不改动。"
        )
    }

    /// How to change the mode by typing.
    #[must_use]
    pub(crate) fn modes_typed(self) -> String {
        say!(self, "Or type /mode <mode>.", "也可输入 /mode <模式> 切换。")
    }

    /// Heading of `/mode`.
    #[must_use]
    pub(crate) fn mode_head(self) -> String {
        say!(self, "Permission mode", "权限模式")
    }

    /// Heading of `/status`.
    #[must_use]
    pub(crate) fn status_head(self, project: &str) -> String {
        say!(self, "Session · {project}", "会话 · {project}")
    }

    /// A line of `/status`: a name and its value.
    #[must_use]
    pub fn pair(self, name: &str, value: &str) -> String {
        say!(self, "{name}: {value}", "{name}：{value}")
    }

    /// How to do by typing what the buttons of `/status` do.
    #[must_use]
    pub(crate) fn status_typed(self) -> String {
        say!(self, "Or type: /mode <mode> · /stop · /close", "也可输入：/mode <模式> · /stop · /close")
    }

    /// Title of the fold with the rules that are always allowed.
    #[must_use]
    pub(crate) fn rules_head(self, rules: usize) -> String {
        say!(self, "Always allowed in this session: {rules}", "本会话已允许：{rules} 项")
    }

    /// Long answers are sent as several messages from now on.
    #[must_use]
    pub(crate) fn long_in_parts(self) -> String {
        say!(
            self,
            "Long answers are now sent to you as several messages. /long file sends them as a file.",
            "今后长回答会分成几条消息发给你。/long file 改为发文件。"
        )
    }

    /// Long answers are sent as a file from now on.
    #[must_use]
    pub(crate) fn long_as_file(self) -> String {
        say!(
            self,
            "Long answers are now sent to you as a file, with the beginning in the chat. /long parts sends them as several messages.",
            "今后长回答会以文件发给你，聊天中显示开头。/long parts 改为分成几条消息。"
        )
    }

    /// Name in `/status`: the project.
    #[must_use]
    pub(crate) fn names_project(self) -> String {
        say!(self, "project", "项目")
    }

    /// Name in `/status`: the directory on the host.
    #[must_use]
    pub(crate) fn names_directory(self) -> String {
        say!(self, "directory", "目录")
    }

    /// Name in `/status`: the state of the session.
    #[must_use]
    pub(crate) fn names_state(self) -> String {
        say!(self, "state", "状态")
    }

    /// Name in `/status`: the number of waiting messages.
    #[must_use]
    pub(crate) fn names_waiting(self) -> String {
        say!(self, "waiting", "排队")
    }

    /// Name in `/status`: phonework's id of the session.
    #[must_use]
    pub(crate) fn names_session(self) -> String {
        say!(self, "session", "会话")
    }

    /// Name in `/status`: Claude Code's id of the session.
    #[must_use]
    pub(crate) fn names_claudes_session(self) -> String {
        say!(self, "Claude's session", "Claude 会话")
    }

    /// Name in `/status`: the time limit of a turn.
    #[must_use]
    pub(crate) fn names_turn_timeout(self) -> String {
        say!(self, "turn timeout", "单轮时限")
    }

    /// Name in `/status`: how long an idle process is kept.
    #[must_use]
    pub(crate) fn names_idle_timeout(self) -> String {
        say!(self, "idle timeout", "空闲时限")
    }

    /// Name in `/status`: the permission mode.
    #[must_use]
    pub(crate) fn names_mode(self) -> String {
        say!(self, "mode", "模式")
    }

    /// Name in `/status`: the model.
    #[must_use]
    pub(crate) fn names_model(self) -> String {
        say!(self, "model", "模型")
    }

    /// Name in `/status`: the cost so far.
    #[must_use]
    pub(crate) fn names_cost(self) -> String {
        say!(self, "cost", "费用")
    }
}
