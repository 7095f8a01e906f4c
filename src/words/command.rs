//! The answers to commands.

use super::{Words, say};
use crate::language::Language;

impl Words {
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

    /// To somebody whose session an operator closed.
    #[must_use]
    pub fn closed_by_operator(self, project: &str, withdrawn: usize) -> String {
        match withdrawn {
            0 => say!(
                self,
                "The operator has closed your session in {project}.",
                "管理员关闭了你在 {project} 的会话。"
            ),
            _ => say!(
                self,
                "The operator has closed your session in {project}; {withdrawn} waiting messages were not run.",
                "管理员关闭了你在 {project} 的会话；{withdrawn} 条排队的消息没有执行。"
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

    /// To an `/approve` or `/deny` that was sent before Claude asked what it asks now.
    #[must_use]
    pub fn asked_since(self) -> String {
        say!(
            self,
            "Claude asked this only after you had written; nothing is decided. Look at its request and decide again.",
            "Claude 的这个请求是在你发送之后才提出的，尚未决定。请先查看请求，再作决定。"
        )
    }

    /// To a leave that goes further than can be given.
    #[must_use]
    pub fn not_offered(self) -> String {
        say!(
            self,
            "That cannot be allowed so far; nothing is decided. /approve allows it once, /deny [why] does not.",
            "这个请求不能这样允许，尚未决定。/approve 允许一次，/deny [原因] 拒绝。"
        )
    }

    /// To `/approve` and `/deny` when there is nothing to decide.
    #[must_use]
    pub fn nothing_asked(self) -> String {
        say!(self, "Claude asks for nothing right now.", "Claude 目前没有请求许可。")
    }

    /// To an `/approve` or `/deny` where several sessions wait for one: their numbers and projects.
    #[must_use]
    pub fn several_ask(self, sessions: &[(usize, String)]) -> String {
        let each =
            |(number, project): &(usize, String)| say!(self, "{number} ({project})", "{number}（{project}）");
        let sessions: Vec<String> = sessions.iter().map(each).collect();
        let sessions = sessions.join(&say!(self, ", ", "、"));
        say!(
            self,
            "Nothing is decided: several of your sessions wait for you here: {sessions}. Use the buttons of the card that you mean, or /switch <n> first.",
            "没有做任何决定：这里有多个会话在等你：{sessions}。请用相应卡片上的按钮，或先 /switch <编号>。"
        )
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

    /// To a directory in which another person's project lies.
    #[must_use]
    pub fn above_another(self, asked: &str) -> String {
        say!(
            self,
            "Another person's project lies below {asked}, and Claude would reach it from there. Choose a directory of \
             your own.",
            "{asked} 之下有其他人的项目，Claude 会从那里访问到它。请选择你自己的目录。"
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

    /// The commands.
    #[must_use]
    pub fn help(self) -> String {
        let text = match self.0 {
            Language::En => {
                "What you write goes to Claude in your active session, word for word. Besides:\n\
                 /new <dir>: open a session; options: --create --timeout 600 --idle 2h --mode M --model M\n\
                 /new: the projects you used last\n\
                 /list: your sessions · /status: the active one\n\
                 /switch <n>: make one active here\n\
                 /close [n]: close one\n\
                 /mode [default|acceptEdits|plan]: what Claude may do unasked\n\
                 /stop: end what runs\n\
                 /retry: run the last message again · /continue: go on\n\
                 /cancel [n], /now [n]: a message that waits\n\
                 /long [parts|file]: how long answers come\n\
                 /approve [always|edits], /deny [why]: when Claude asks\n\
                 /run, /discard: messages that came too late\n\
                 Claude's own commands (/compact, /cost, …) go to Claude."
            }
            Language::Zh => {
                "你写的内容会原样发给活动会话中的 Claude。此外：\n\
                 /new <目录>：新建会话；选项：--create --timeout 600 --idle 2h --mode M --model M\n\
                 /new：最近用过的项目\n\
                 /list：你的会话 · /status：当前会话\n\
                 /switch <编号>：切换\n\
                 /close [编号]：关闭\n\
                 /mode [default|acceptEdits|plan]：Claude 可以不经询问做什么\n\
                 /stop：停止当前任务\n\
                 /retry：重新执行上一条 · /continue：继续\n\
                 /cancel [编号]、/now [编号]：处理排队的消息\n\
                 /long [parts|file]：长回答的发送方式\n\
                 /approve [always|edits]、/deny [原因]：回答 Claude 的请求\n\
                 /run、/discard：处理迟到的消息\n\
                 Claude 自己的命令（/compact、/cost 等）会转给 Claude。"
            }
        };
        text.to_owned()
    }
}
