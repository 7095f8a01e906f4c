//! What is said for a moment when somebody has pressed a button of a running turn, and about a refused permission mode.

use super::{Words, say};
use crate::language::Language;

impl Words {
    /// The turn is being stopped.
    pub(crate) fn toast_stopping(self) -> String {
        say!(self, "It is being stopped.", "正在停止。")
    }

    /// The turn ended before the button was pressed.
    pub(crate) fn toast_turn_over(self) -> String {
        say!(self, "That turn is over; nothing was done.", "那一轮已经结束，没有做任何事。")
    }

    /// The card shows another request than the open one.
    pub(crate) fn toast_request_changed(self) -> String {
        say!(
            self,
            "This is not what Claude asks now; nothing was done.",
            "这不是 Claude 现在的请求，没有做任何事。"
        )
    }

    /// The request cannot be answered like that.
    pub(crate) fn toast_not_offered(self) -> String {
        say!(self, "This is no answer to what Claude asks.", "这不能回答 Claude 的请求。")
    }

    /// The form was submitted without an answer.
    pub(crate) fn toast_no_answer(self) -> String {
        say!(self, "Choose or type an answer first.", "请先选择或填写回答。")
    }

    /// The request is allowed.
    pub(crate) fn toast_allowed(self) -> String {
        say!(self, "Allowed.", "已允许。")
    }

    /// The request is allowed, and what its rules cover for the rest of the session.
    pub(crate) fn toast_allowed_rules(self) -> String {
        say!(self, "Allowed for the rest of this session.", "已在本会话中一直允许。")
    }

    /// The request is allowed, and edits for the rest of the session.
    pub(crate) fn toast_allowed_edits(self) -> String {
        say!(self, "Edits are accepted in this session from now on.", "本会话此后接受编辑。")
    }

    /// The request is denied.
    pub(crate) fn toast_denied(self) -> String {
        say!(self, "Denied.", "已拒绝。")
    }

    /// The questions are answered.
    pub(crate) fn toast_answered(self) -> String {
        say!(self, "Answered.", "已回答。")
    }

    /// The request was allowed before.
    pub(crate) fn toast_already_allowed(self) -> String {
        say!(self, "This was allowed already.", "之前已允许。")
    }

    /// The request was denied before.
    pub(crate) fn toast_already_denied(self) -> String {
        say!(self, "This was denied already.", "之前已拒绝。")
    }

    /// The questions were answered before.
    pub(crate) fn toast_already_answered(self) -> String {
        say!(self, "This was answered already.", "之前已回答。")
    }

    /// The time to decide is over.
    pub(crate) fn toast_expired(self) -> String {
        say!(self, "Too late: nobody answered in time.", "太晚了：没有人及时回答。")
    }

    /// Claude has withdrawn the request.
    pub(crate) fn toast_withdrawn(self) -> String {
        say!(self, "Claude does not ask this any more.", "Claude 不再请求这个。")
    }

    /// Claude refused to change its permission mode.
    pub(crate) fn mode_refused(self, mode: &str) -> String {
        say!(
            self,
            "⚠️ Claude does not work in the mode {mode} here; it stays as it was.",
            "⚠️ Claude 在这里不能用 {mode} 模式，模式没有改变。"
        )
    }
}
