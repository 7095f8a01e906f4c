//! What came of a press of a button, and of a change of the permission mode.

use super::{Words, say};
use crate::card_action::{Toast, ToastKind};
use crate::language::Language;
use crate::session::machine::PressResult;
use crate::session::turn::RequestOutcome;

impl Words {
    /// What who pressed a button of a running turn is shown.
    #[must_use]
    pub fn pressed(self, pressed: &PressResult) -> Toast {
        let (kind, text) = match pressed {
            PressResult::Stopping => (ToastKind::Success, say!(self, "It is being stopped.", "正在停止。")),
            PressResult::Decided(decided) => (ToastKind::Success, self.decided_now(decided)),
            PressResult::Already(decided) => (ToastKind::Info, self.decided_before(decided)),
            PressResult::Over => (
                ToastKind::Info,
                say!(self, "That turn is over; nothing was done.", "那一轮已经结束，没有做任何事。"),
            ),
            PressResult::Changed => (
                ToastKind::Warning,
                say!(
                    self,
                    "This is not what Claude asks now; nothing was done.",
                    "这不是 Claude 现在的请求，没有做任何事。"
                ),
            ),
            PressResult::NotOffered => (
                ToastKind::Warning,
                say!(self, "This is no answer to what Claude asks.", "这不能回答 Claude 的请求。"),
            ),
            PressResult::NoAnswer => {
                (ToastKind::Warning, say!(self, "Choose or type an answer first.", "请先选择或填写回答。"))
            }
        };
        Toast { kind, text }
    }

    fn decided_now(self, decided: &RequestOutcome) -> String {
        match decided {
            RequestOutcome::Allowed => say!(self, "Allowed.", "已允许。"),
            RequestOutcome::AllowedRules(_) => {
                say!(self, "Allowed for the rest of this session.", "已在本会话中一直允许。")
            }
            RequestOutcome::AllowedEdits => {
                say!(self, "Edits are accepted in this session from now on.", "本会话此后接受编辑。")
            }
            RequestOutcome::Denied(_) => say!(self, "Denied.", "已拒绝。"),
            RequestOutcome::Answered(_) => say!(self, "Answered.", "已回答。"),
            RequestOutcome::Expired | RequestOutcome::Withdrawn => self.decided_before(decided),
        }
    }

    fn decided_before(self, decided: &RequestOutcome) -> String {
        match decided {
            RequestOutcome::Allowed | RequestOutcome::AllowedRules(_) | RequestOutcome::AllowedEdits => {
                say!(self, "This was allowed already.", "之前已允许。")
            }
            RequestOutcome::Denied(_) => say!(self, "This was denied already.", "之前已拒绝。"),
            RequestOutcome::Answered(_) => say!(self, "This was answered already.", "之前已回答。"),
            RequestOutcome::Expired => {
                say!(self, "Too late: nobody answered in time.", "太晚了：没有人及时回答。")
            }
            RequestOutcome::Withdrawn => {
                say!(self, "Claude does not ask this any more.", "Claude 不再请求这个。")
            }
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
