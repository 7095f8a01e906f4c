//! The lists, the state and the choices of sessions.

use std::time::Duration;

use super::{Words, rounded, say};
use crate::language::Language;

impl Words {
    /// The head of `/list`.
    #[must_use]
    pub fn list_head(self, sessions: usize) -> String {
        say!(self, "Your sessions: {sessions}", "你的会话：{sessions}")
    }

    /// How to do by typing what the list's buttons do.
    #[must_use]
    pub fn list_typed(self) -> String {
        say!(
            self,
            "▶ is active here. /switch <n> makes another one active, /close <n> closes one.",
            "▶ 为这里的活动会话。/switch <编号> 切换，/close <编号> 关闭。"
        )
    }

    /// How to see the other sessions; this is page `page` of `pages`.
    #[must_use]
    pub fn list_pages(self, page: usize, pages: usize) -> String {
        let next = page % pages + 1;
        say!(
            self,
            "Page {page} of {pages}; /list {next} shows another.",
            "第 {page} 页，共 {pages} 页；/list {next} 看其他。"
        )
    }

    /// A session at work.
    #[must_use]
    pub fn is_running(self) -> String {
        say!(self, "running", "运行中")
    }

    /// A session that waits for its owner's decision.
    #[must_use]
    pub fn is_asking(self) -> String {
        say!(self, "waits for you", "等待你处理")
    }

    /// A session whose process waits.
    #[must_use]
    pub fn is_ready(self) -> String {
        say!(self, "ready", "就绪")
    }

    /// A session without a process.
    #[must_use]
    pub fn is_asleep(self) -> String {
        say!(self, "asleep", "休眠")
    }

    /// The head of `/help`.
    #[must_use]
    pub fn help_head(self) -> String {
        say!(self, "What you can do", "使用方法")
    }

    /// The head of `/new` without a directory.
    #[must_use]
    pub fn projects_head(self) -> String {
        say!(self, "Open a session", "新建会话")
    }

    /// How to open a session by typing.
    #[must_use]
    pub fn projects_typed(self) -> String {
        say!(
            self,
            "Any other: /new <dir> [--create] [--timeout 600] [--idle 2h] [--mode M] [--model M]",
            "其他目录：/new <目录> [--create] [--timeout 600] [--idle 2h] [--mode M] [--model M]"
        )
    }

    /// When a project was last used.
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

    /// How to go on with a session that is open, by typing.
    #[must_use]
    pub fn opened_typed(self) -> String {
        say!(
            self,
            "What you write here goes to Claude. /status shows more, /list your sessions.",
            "你在这里写的内容会发给 Claude。/status 查看详情，/list 列出会话。"
        )
    }

    /// How to go on without a session, by typing.
    #[must_use]
    pub fn closed_typed(self) -> String {
        say!(self, "/new <dir> opens one, /list shows yours.", "/new <目录> 新建，/list 列出会话。")
    }

    /// That a session has another permission mode.
    #[must_use]
    pub fn mode_changed(self, project: &str, mode: &str) -> String {
        say!(
            self,
            "The permission mode of the session in {project} is {mode} now.",
            "{project} 的会话权限模式现在是 {mode}。"
        )
    }

    /// A session's permission mode.
    #[must_use]
    pub fn mode_is(self, project: &str, mode: &str) -> String {
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
            "default asks before each tool that changes something; acceptEdits edits files unasked; plan changes nothing.",
            "default：改动前逐一询问；acceptEdits：自动接受文件修改；plan：只做计划，不改动。"
        )
    }

    /// How to choose a mode by typing.
    #[must_use]
    pub fn modes_typed(self) -> String {
        say!(self, "/mode <mode> changes it.", "/mode <模式> 切换。")
    }

    /// The head of `/mode`.
    #[must_use]
    pub fn mode_head(self) -> String {
        say!(self, "Permission mode", "权限模式")
    }

    /// The head of `/status`.
    #[must_use]
    pub fn status_head(self, project: &str) -> String {
        say!(self, "Session · {project}", "会话 · {project}")
    }

    /// What, and how it is.
    #[must_use]
    pub fn pair(self, name: &str, value: &str) -> String {
        say!(self, "{name}: {value}", "{name}：{value}")
    }

    /// How to do by typing what the buttons of `/status` do.
    #[must_use]
    pub fn status_typed(self) -> String {
        say!(self, "/mode <mode> · /stop · /close", "/mode <模式> · /stop · /close")
    }

    /// The head of the rules that a session's owner allowed.
    #[must_use]
    pub fn rules_head(self, rules: usize) -> String {
        say!(self, "Always allowed here: {rules}", "本会话已允许：{rules} 项")
    }

    /// What becomes of the reader's long answers: several messages.
    #[must_use]
    pub fn long_in_parts(self) -> String {
        say!(
            self,
            "Long answers come to you as several messages. /long file sends them as a file.",
            "长回答会分成几条消息发给你。/long file 改为发文件。"
        )
    }

    /// What becomes of the reader's long answers: a file.
    #[must_use]
    pub fn long_as_file(self) -> String {
        say!(
            self,
            "Long answers come to you as a file, with their beginning in the chat. /long parts sends them as several messages.",
            "长回答会以文件发给你，聊天中显示开头。/long parts 改为分成几条消息。"
        )
    }

    /// The project's name, in `/status`.
    #[must_use]
    pub fn names_project(self) -> String {
        say!(self, "project", "项目")
    }

    /// Its directory, in `/status`.
    #[must_use]
    pub fn names_directory(self) -> String {
        say!(self, "directory", "目录")
    }

    /// What it does, in `/status`.
    #[must_use]
    pub fn names_state(self) -> String {
        say!(self, "state", "状态")
    }

    /// How many messages wait, in `/status`.
    #[must_use]
    pub fn names_waiting(self) -> String {
        say!(self, "waiting", "排队")
    }

    /// phonework's id of the session, in `/status`.
    #[must_use]
    pub fn names_session(self) -> String {
        say!(self, "session", "会话")
    }

    /// Claude Code's id of it, in `/status`.
    #[must_use]
    pub fn names_claudes_session(self) -> String {
        say!(self, "Claude's session", "Claude 会话")
    }

    /// A turn's time, in `/status`.
    #[must_use]
    pub fn names_turn_timeout(self) -> String {
        say!(self, "turn timeout", "单轮时限")
    }

    /// How long an idle process is kept, in `/status`.
    #[must_use]
    pub fn names_idle_timeout(self) -> String {
        say!(self, "idle timeout", "空闲时限")
    }

    /// Its permission mode, in `/status`.
    #[must_use]
    pub fn names_mode(self) -> String {
        say!(self, "mode", "模式")
    }

    /// Its model, in `/status`.
    #[must_use]
    pub fn names_model(self) -> String {
        say!(self, "model", "模型")
    }

    /// What it has cost so far, in `/status`.
    #[must_use]
    pub fn names_cost(self) -> String {
        say!(self, "cost", "费用")
    }
}
