//! To who presses a button: short, as it is shown for a moment; and what stands on the buttons of the bot's own cards.

use super::{Words, say};
use crate::language::Language;

impl Words {
    /// To a stranger.
    #[must_use]
    pub fn not_let_in(self) -> String {
        say!(self, "You are not let in here.", "你没有使用权限。")
    }

    /// To a button that this version does not know.
    #[must_use]
    pub fn another_version(self) -> String {
        say!(
            self,
            "This card is of another version of phonework; type what you want.",
            "这张卡片来自另一版本的 phonework，请直接输入。"
        )
    }

    /// To a press that takes longer than Feishu waits.
    #[must_use]
    pub fn takes_a_moment(self) -> String {
        say!(self, "Heard; it takes a moment.", "已收到，请稍候。")
    }

    /// To a button of a session that is somebody else's.
    #[must_use]
    pub fn not_yours(self) -> String {
        say!(self, "This session is not yours.", "这不是你的会话。")
    }

    /// To a button of a message that is somebody else's, or of one that waits no more.
    #[must_use]
    pub fn waits_no_more(self) -> String {
        say!(self, "No such message of yours waits any more.", "你的这条消息已不在排队。")
    }

    /// To a button of a session that is closed.
    #[must_use]
    pub fn session_over(self) -> String {
        say!(self, "This session is closed.", "这个会话已关闭。")
    }

    /// To who switches to where he is.
    #[must_use]
    pub fn active_already(self, project: &str) -> String {
        say!(self, "The session in {project} is active here already.", "{project} 的会话已是这里的活动会话。")
    }

    /// To a button of a turn that is over.
    #[must_use]
    pub fn turn_over(self) -> String {
        say!(self, "This is over.", "这一轮已结束。")
    }

    /// To a button of a turn that is not over.
    #[must_use]
    pub fn turn_runs(self) -> String {
        say!(self, "This still runs.", "这一轮仍在执行。")
    }

    /// To a button that was pressed before.
    #[must_use]
    pub fn pressed_before(self) -> String {
        say!(self, "You pressed this before; it is done once.", "已经点过，只执行一次。")
    }

    /// To who wants an old turn again.
    #[must_use]
    pub fn prompt_gone(self) -> String {
        say!(
            self,
            "I only keep a session's last message, and this is an older one. Send it again.",
            "我只保留每个会话的最后一条消息，这条更早。请重新发送。"
        )
    }

    /// To a press that did not get through.
    #[must_use]
    pub fn press_again(self) -> String {
        say!(self, "That did not get through; press again.", "没有成功，请再点一次。")
    }

    /// To a press that could not be put on record.
    #[must_use]
    pub fn press_not_on_record(self) -> String {
        say!(
            self,
            "⚠️ I cannot write to my disk, so this was not done. Press again later.",
            "⚠️ 磁盘无法写入，没有执行。请稍后再点。"
        )
    }

    /// That a turn is run again.
    #[must_use]
    pub fn runs_again(self) -> String {
        say!(self, "It runs again.", "正在重新执行。")
    }

    /// That Claude goes on.
    #[must_use]
    pub fn goes_on(self) -> String {
        say!(self, "Claude goes on.", "Claude 继续。")
    }

    /// That a card is done with.
    #[must_use]
    pub fn dismissed(self) -> String {
        say!(self, "Dismissed.", "已忽略。")
    }

    /// What Claude is told to go on.
    #[must_use]
    pub fn go_on(self) -> String {
        say!(self, "Continue.", "继续。")
    }

    /// Runs a turn again.
    #[must_use]
    pub fn label_again(self) -> String {
        say!(self, "Run again", "重新执行")
    }

    /// Has Claude go on.
    #[must_use]
    pub fn label_continue(self) -> String {
        say!(self, "Continue", "继续")
    }

    /// Does away with a card.
    #[must_use]
    pub fn label_dismiss(self) -> String {
        say!(self, "Dismiss", "忽略")
    }

    /// Makes a session the active one.
    #[must_use]
    pub fn label_switch(self) -> String {
        say!(self, "Switch", "切换")
    }

    /// Closes a session.
    #[must_use]
    pub fn label_close(self) -> String {
        say!(self, "Close", "关闭")
    }

    /// What is asked before that.
    #[must_use]
    pub fn confirm_close(self, project: &str) -> String {
        say!(self, "Close the session in {project}?", "关闭 {project} 的会话？")
    }

    /// Opens a session.
    #[must_use]
    pub fn label_open(self) -> String {
        say!(self, "Open", "打开")
    }

    /// Opens one where one was closed.
    #[must_use]
    pub fn label_open_again(self) -> String {
        say!(self, "Open a new one here", "在这里新建")
    }

    /// Takes a message out of the queue.
    #[must_use]
    pub fn label_cancel(self) -> String {
        say!(self, "Cancel", "取消")
    }

    /// Interrupts what runs for a message.
    #[must_use]
    pub fn label_now(self) -> String {
        say!(self, "Send now", "立即发送")
    }

    /// Runs the messages that came too late.
    #[must_use]
    pub fn label_run(self) -> String {
        say!(self, "Run", "执行")
    }

    /// Drops them.
    #[must_use]
    pub fn label_discard(self) -> String {
        say!(self, "Discard", "丢弃")
    }
}
