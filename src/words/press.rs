//! What came of a press of a button, and of a change of the permission mode.

use super::{Words, say};
use crate::act::{Toast, ToastKind};
use crate::language::Language;
use crate::session::machine::Pressed;
use crate::session::turn::Decided;

impl Words {
    /// What who pressed a button of a running turn is shown.
    #[must_use]
    pub fn pressed(self, pressed: &Pressed) -> Toast {
        let (kind, text) = match pressed {
            Pressed::Stopping => (ToastKind::Success, say!(self, "It is being stopped.", "正在停止。")),
            Pressed::Decided(decided) => (ToastKind::Success, self.decided_now(decided)),
            Pressed::Already(decided) => (ToastKind::Info, self.decided_before(decided)),
            Pressed::Over => (
                ToastKind::Info,
                say!(self, "That turn is over; nothing was done.", "那一轮已经结束，没有做任何事。"),
            ),
            Pressed::Changed => (
                ToastKind::Warning,
                say!(
                    self,
                    "This is not what Claude asks now; nothing was done.",
                    "这不是 Claude 现在的请求，没有做任何事。"
                ),
            ),
            Pressed::NotOffered => (
                ToastKind::Warning,
                say!(self, "This is no answer to what Claude asks.", "这不能回答 Claude 的请求。"),
            ),
            Pressed::NoAnswer => {
                (ToastKind::Warning, say!(self, "Choose or type an answer first.", "请先选择或填写回答。"))
            }
        };
        Toast { kind, text }
    }

    fn decided_now(self, decided: &Decided) -> String {
        match decided {
            Decided::Allowed => say!(self, "Allowed.", "已允许。"),
            Decided::AllowedRules(_) => {
                say!(self, "Allowed for the rest of this session.", "已在本会话中一直允许。")
            }
            Decided::AllowedEdits => {
                say!(self, "Edits are accepted in this session from now on.", "本会话此后接受编辑。")
            }
            Decided::Denied(_) => say!(self, "Denied.", "已拒绝。"),
            Decided::Answered(_) => say!(self, "Answered.", "已回答。"),
            Decided::Expired | Decided::Withdrawn => self.decided_before(decided),
        }
    }

    fn decided_before(self, decided: &Decided) -> String {
        match decided {
            Decided::Allowed | Decided::AllowedRules(_) | Decided::AllowedEdits => {
                say!(self, "This was allowed already.", "之前已允许。")
            }
            Decided::Denied(_) => say!(self, "This was denied already.", "之前已拒绝。"),
            Decided::Answered(_) => say!(self, "This was answered already.", "之前已回答。"),
            Decided::Expired => {
                say!(self, "Too late: nobody answered in time.", "太晚了：没有人及时回答。")
            }
            Decided::Withdrawn => say!(self, "Claude does not ask this any more.", "Claude 不再请求这个。"),
        }
    }

    /// That Claude would not change its permission mode.
    #[must_use]
    pub fn mode_refused(self, mode: &str) -> String {
        say!(
            self,
            "⚠️ Claude does not work in the mode {mode} here; it stays as it was.",
            "⚠️ Claude 在这里不能用 {mode} 模式，模式没有改变。"
        )
    }
}
