//! Answers to commands.

use super::{Words, say};
use crate::language::Language;

impl Words {
    /// A session was opened.
    #[must_use]
    pub fn opened(self, number: usize, project: &str, cwd: &str) -> String {
        say!(
            self,
            "Session {number} ({project}) is open and active here: {cwd}",
            "会话 {number}（{project}）已打开，现在是这里的活动会话：{cwd}"
        )
    }

    /// Another session is active now.
    #[must_use]
    pub(crate) fn switched(self, number: usize, project: &str) -> String {
        say!(
            self,
            "Session {number} ({project}) is now active here.",
            "会话 {number}（{project}）现在是这里的活动会话。"
        )
    }

    /// A session was closed, together with the messages that waited for it.
    #[must_use]
    pub fn closed(self, project: &str, withdrawn: usize) -> String {
        match withdrawn {
            0 => say!(self, "The session in {project} is closed.", "{project} 的会话已关闭。"),
            _ => say!(
                self,
                "The session in {project} is closed. Waiting messages that were not run: {withdrawn}.",
                "{project} 的会话已关闭。未执行的排队消息：{withdrawn} 条。"
            ),
        }
    }

    /// To the owner of a session that the operator closed.
    #[must_use]
    pub(crate) fn closed_by_operator(self, project: &str, withdrawn: usize) -> String {
        match withdrawn {
            0 => say!(
                self,
                "The operator has closed your session in {project}.",
                "管理员关闭了你在 {project} 的会话。"
            ),
            _ => say!(
                self,
                "The operator has closed your session in {project}. Waiting messages that were not run: {withdrawn}.",
                "管理员关闭了你在 {project} 的会话。未执行的排队消息：{withdrawn} 条。"
            ),
        }
    }

    /// To a number that no session in `/list` has.
    #[must_use]
    pub(crate) fn no_such_number(self, number: usize) -> String {
        say!(self, "There is no session {number}; see /list.", "没有编号为 {number} 的会话，见 /list。")
    }

    /// To `/list` if there is no session.
    #[must_use]
    pub(crate) fn no_sessions(self) -> String {
        say!(self, "You have no sessions. Open one with /new <dir>.", "你还没有会话。用 /new <目录> 新建。")
    }

    /// To `/stop` if nothing is running.
    #[must_use]
    pub(crate) fn nothing_runs(self) -> String {
        say!(self, "Nothing is running.", "没有正在运行的任务。")
    }

    /// To `/approve` or `/deny` that was sent before Claude made its current request.
    #[must_use]
    pub(crate) fn asked_since(self) -> String {
        say!(
            self,
            "Nothing was decided: Claude made this request after you sent your message. Look at the request, then decide again.",
            "尚未决定：Claude 的这个请求是在你发送之后才提出的。请先查看请求，再作决定。"
        )
    }

    /// To an `/approve` that would allow more than this request offers.
    #[must_use]
    pub(crate) fn not_offered(self) -> String {
        say!(
            self,
            "Nothing was decided: this request cannot be allowed beyond this one time. Type /approve to allow it once, or /deny [reason].",
            "尚未决定：这个请求只能允许一次。输入 /approve 允许一次，或 /deny [原因] 拒绝。"
        )
    }

    /// To `/approve` or `/deny` if there is no request.
    #[must_use]
    pub(crate) fn nothing_asked(self) -> String {
        say!(self, "Claude is not asking for anything right now.", "Claude 目前没有请求许可。")
    }

    /// To `/approve` or `/deny` if several sessions wait for a decision; `sessions` are their numbers and projects.
    #[must_use]
    pub(crate) fn several_ask(self, sessions: &[(usize, String)]) -> String {
        let each =
            |(number, project): &(usize, String)| say!(self, "{number} ({project})", "{number}（{project}）");
        let sessions: Vec<String> = sessions.iter().map(each).collect();
        let sessions = sessions.join(&say!(self, ", ", "、"));
        say!(
            self,
            "Nothing was decided: several of your sessions are waiting for you here: {sessions}. Use the buttons on the right card, or type /switch <n> first.",
            "尚未决定：这里有多个会话在等你：{sessions}。请用相应卡片上的按钮，或先输入 /switch <编号>。"
        )
    }

    /// To `/retry` in a session that has not had a message yet.
    #[must_use]
    pub(crate) fn nothing_to_retry(self) -> String {
        say!(self, "There is no earlier message to run again.", "没有可以重新执行的消息。")
    }

    /// To a directory outside of `WORKING_DIR`.
    #[must_use]
    pub fn outside(self, working_dir: &str) -> String {
        say!(self, "Only folders under {working_dir} can be opened.", "只能打开 {working_dir} 下的文件夹。")
    }

    /// To a directory that contains another person's project.
    #[must_use]
    pub(crate) fn above_another(self, asked: &str) -> String {
        say!(
            self,
            "{asked} contains another person's project, and Claude could reach it from there. Choose a folder of your own.",
            "{asked} 之下有其他人的项目，Claude 会从那里访问到它。请选择你自己的文件夹。"
        )
    }

    /// To a directory that does not exist, with the command that creates it.
    #[must_use]
    pub(crate) fn missing_directory(self, path: &str, asked: &str) -> String {
        say!(
            self,
            "{path} does not exist. To create it: /new --create {asked}",
            "{path} 不存在。要新建它：/new --create {asked}"
        )
    }

    /// To a directory that cannot be used as a project.
    #[must_use]
    pub(crate) fn unusable_directory(self, path: &str, why: &str) -> String {
        say!(self, "{path} cannot be used: {why}.", "{path} 不能使用：{why}。")
    }

    /// To a slash command that neither phonework nor Claude Code has.
    #[must_use]
    pub(crate) fn unknown_command(self, name: &str) -> String {
        let help = self.help();
        say!(self, "Unknown command: /{name}\n\n{help}", "没有这个命令：/{name}\n\n{help}")
    }

    /// The list of commands.
    #[must_use]
    pub fn help(self) -> String {
        let text = match self.0 {
            Language::En => {
                "Your messages go to Claude in the active session, word for word. Commands:\n\
                 /new <dir>: open a session; options: --create --timeout 600 --idle 2h --mode M --model M\n\
                 /new: the projects you used last\n\
                 /list: your sessions · /status: the active session\n\
                 /switch <n>: make a session active here\n\
                 /close [n]: close a session\n\
                 /mode [default|acceptEdits|plan]: what Claude may do without asking\n\
                 /stop: stop what is running\n\
                 /retry: run the last message again · /continue: let Claude continue\n\
                 /cancel [n], /now [n]: remove a waiting message, or run it now\n\
                 /long [parts|file]: how long answers are sent\n\
                 /approve [always|edits], /deny [reason]: answer Claude's request\n\
                 /run, /discard: messages that arrived late\n\
                 Claude Code's own commands (/compact, /cost, …) go to Claude."
            }
            Language::Zh => {
                "你写的内容会原样发给活动会话中的 Claude。可用的命令：\n\
                 /new <目录>：新建会话；选项：--create --timeout 600 --idle 2h --mode M --model M\n\
                 /new：最近用过的项目\n\
                 /list：你的会话 · /status：活动会话的状态\n\
                 /switch <编号>：切换会话\n\
                 /close [编号]：关闭会话\n\
                 /mode [default|acceptEdits|plan]：Claude 可以不经询问做什么\n\
                 /stop：停止当前任务\n\
                 /retry：重新执行上一条 · /continue：让 Claude 继续\n\
                 /cancel [编号]、/now [编号]：取消排队的消息，或立即执行\n\
                 /long [parts|file]：长回答的发送方式\n\
                 /approve [always|edits]、/deny [原因]：回答 Claude 的请求\n\
                 /run、/discard：处理迟到的消息\n\
                 Claude Code 自己的命令（/compact、/cost 等）会转给 Claude。"
            }
        };
        text.to_owned()
    }
}
