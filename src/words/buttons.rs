//! Button labels, and the notices that whoever presses a button sees for a few seconds.

use super::{Words, say};
use crate::language::Language;

/// Notices after a press.
impl Words {
    /// To somebody who is not allowed to use the bot.
    #[must_use]
    pub(crate) fn not_let_in(self) -> String {
        say!(self, "You don't have access yet.", "你还没有使用权限。")
    }

    /// To a press of a button that this version does not know.
    #[must_use]
    pub(crate) fn another_version(self) -> String {
        say!(
            self,
            "This card is from another version of phonework. Please type the command instead.",
            "这张卡片来自其他版本的 phonework，请直接输入命令。"
        )
    }

    /// To a press that takes longer than Feishu waits for an answer.
    #[must_use]
    pub(crate) fn takes_a_moment(self) -> String {
        say!(self, "Got it. This takes a moment.", "已收到，请稍候。")
    }

    /// To a press on a card of somebody else's session.
    #[must_use]
    pub(crate) fn not_yours(self) -> String {
        say!(self, "This session belongs to somebody else.", "这是别人的会话。")
    }

    /// To a press about a message that no longer waits, or that is somebody else's.
    #[must_use]
    pub(crate) fn waits_no_more(self) -> String {
        say!(
            self,
            "This message is no longer waiting, or it is not yours.",
            "这条消息已不在排队，或不是你的。"
        )
    }

    /// To a press on a card of a closed session.
    #[must_use]
    pub(crate) fn session_over(self) -> String {
        say!(self, "This session is closed.", "这个会话已关闭。")
    }

    /// To a switch to the session that is already active.
    #[must_use]
    pub(crate) fn active_already(self, project: &str) -> String {
        say!(self, "The session in {project} is already active here.", "{project} 的会话已是这里的活动会话。")
    }

    /// To a press on a card of a turn that has ended.
    #[must_use]
    pub(crate) fn turn_over(self) -> String {
        say!(self, "This turn has ended.", "这一轮已结束。")
    }

    /// To a press that is possible only after the turn has ended.
    #[must_use]
    pub(crate) fn turn_runs(self) -> String {
        say!(self, "This turn is still running.", "这一轮仍在执行。")
    }

    /// To a second press of a button that works only once.
    #[must_use]
    pub(crate) fn pressed_before(self) -> String {
        say!(self, "Already done; this button works only once.", "之前已经点过，只执行一次。")
    }

    /// To a press that would run again a message that is no longer stored.
    #[must_use]
    pub(crate) fn prompt_gone(self) -> String {
        say!(
            self,
            "I only keep the last message of each session, and this one is older. Please send it again.",
            "我只保留每个会话的最后一条消息，这条更早。请重新发送。"
        )
    }

    /// To a press that failed.
    #[must_use]
    pub(crate) fn press_again(self) -> String {
        say!(self, "That didn't work. Please press again.", "没有成功，请再点一次。")
    }

    /// To a press that could not be stored.
    #[must_use]
    pub(crate) fn press_not_on_record(self) -> String {
        say!(
            self,
            "⚠️ Nothing was done: the disk of the host cannot be written. Please press again later.",
            "⚠️ 没有执行：主机磁盘无法写入。请稍后再点。"
        )
    }

    /// A message is run again.
    #[must_use]
    pub(crate) fn runs_again(self) -> String {
        say!(self, "Running it again.", "正在重新执行。")
    }

    /// Toast: Claude was asked to continue.
    #[must_use]
    pub(crate) fn goes_on(self) -> String {
        say!(self, "Claude continues.", "Claude 继续。")
    }

    /// The card was dismissed.
    #[must_use]
    pub(crate) fn dismissed(self) -> String {
        say!(self, "Dismissed.", "已忽略。")
    }

    /// The prompt that tells Claude to continue.
    #[must_use]
    pub(crate) fn go_on(self) -> String {
        say!(self, "Continue.", "继续。")
    }
}

/// Labels.
impl Words {
    /// Button: run a message again.
    #[must_use]
    pub(crate) fn label_again(self) -> String {
        say!(self, "Run again", "重新执行")
    }

    /// Button: let Claude continue.
    #[must_use]
    pub(crate) fn label_continue(self) -> String {
        say!(self, "Continue", "继续")
    }

    /// Button: remove the buttons of the card and do nothing else.
    #[must_use]
    pub(crate) fn label_dismiss(self) -> String {
        say!(self, "Dismiss", "忽略")
    }

    /// Button: make a session the active one.
    #[must_use]
    pub(crate) fn label_switch(self) -> String {
        say!(self, "Switch", "切换")
    }

    /// Button: close the session that its row or card is about.
    #[must_use]
    pub(crate) fn label_close(self) -> String {
        say!(self, "Close", "关闭")
    }

    /// Button below an answer: close the session.
    #[must_use]
    pub(crate) fn label_close_session(self) -> String {
        say!(self, "Close session", "关闭会话")
    }

    /// The question before a session is closed.
    #[must_use]
    pub(crate) fn confirm_close(self, project: &str) -> String {
        say!(self, "Close the session in {project}?", "关闭 {project} 的会话？")
    }

    /// Button: open a session.
    #[must_use]
    pub(crate) fn label_open(self) -> String {
        say!(self, "Open", "打开")
    }

    /// Button: open a new session in the project of a closed one.
    #[must_use]
    pub(crate) fn label_open_again(self) -> String {
        say!(self, "Open a new one here", "在这里新建")
    }

    /// Button: remove a message from the queue.
    #[must_use]
    pub(crate) fn label_cancel(self) -> String {
        say!(self, "Cancel", "取消")
    }

    /// Button: stop the running turn and run this message.
    #[must_use]
    pub(crate) fn label_now(self) -> String {
        say!(self, "Send now", "立即发送")
    }

    /// Button: run the late messages.
    #[must_use]
    pub(crate) fn label_run(self) -> String {
        say!(self, "Run", "执行")
    }

    /// Button: discard the late messages.
    #[must_use]
    pub(crate) fn label_discard(self) -> String {
        say!(self, "Discard", "丢弃")
    }
}
