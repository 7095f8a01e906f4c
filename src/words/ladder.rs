//! About messages that did not find room: where the rest is.

use super::{Words, say};
use crate::language::Language;

impl Words {
    /// Below the beginning of something whose whole comes as a file.
    #[must_use]
    pub fn whole_in_the_file(self) -> String {
        say!(self, "… The whole is in the file below.", "……全文见下方文件。")
    }

    /// At the top of what shows only its end.
    #[must_use]
    pub fn more_above(self) -> String {
        say!(self, "… There is more above this.", "……上方还有更多内容。")
    }

    /// On a card whose words came as messages of their own.
    #[must_use]
    pub fn said_below(self) -> String {
        say!(self, "See the messages below.", "内容见下方消息。")
    }

    /// Between the beginning and the end of something that is too long for a chat; `whole` is where all of it stands, if
    /// it stands anywhere.
    #[must_use]
    pub fn left_out(self, parts: usize, left_out: usize, whole: Option<&str>) -> String {
        match whole {
            Some(whole) => say!(
                self,
                "✂️ This would be {parts} messages; {left_out} of them are left out here. The whole of it is in {whole}.",
                "✂️ 这些内容需要 {parts} 条消息，这里省略了 {left_out} 条。全文在 {whole} 中。"
            ),
            None => say!(
                self,
                "✂️ This would be {parts} messages; {left_out} of them are left out here.",
                "✂️ 这些内容需要 {parts} 条消息，这里省略了 {left_out} 条。"
            ),
        }
    }
}
