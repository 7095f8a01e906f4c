//! What came of a press of a button, and of a change of the permission mode.

use super::{Words, say};
use crate::language::Language;

impl Words {
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
