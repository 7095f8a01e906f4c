//! Cutting a long text into messages that Feishu takes.
//!
//! Promises: the bodies joined give the text back; no part is longer than the limit, header and added fences
//! included; a line that fits into a part is not cut; a fenced code block that goes on in the next part is closed
//! and opened again with the same fence and its language; the work is linear in the length of the text.
//!
//! Lengths are counted in characters (Unicode scalar values).

pub(super) mod fence;
mod point;

use std::fmt;

use fence::Fence;
use point::cut_point;

/// The longest message in characters, unless told otherwise.
pub const DEFAULT_LIMIT: usize = 4_000;

/// The smallest limit; a smaller one is taken for this, as header and fences need their room.
pub const MIN_LIMIT: usize = 64;

/// One message: `header`, `open`, `body` and `close`, written one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextPart<'a> {
    /// `[2/3]` and a newline; empty when there is one part only.
    pub header: String,
    /// The line that opens a fence again, with its newline, or nothing.
    pub open: String,
    /// A piece of the text, unchanged.
    pub body: &'a str,
    /// What closes a fence that goes on in the next part, or nothing.
    pub close: String,
}

impl fmt::Display for TextPart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}{}", self.header, self.open, self.body, self.close)
    }
}

/// The messages that a text is sent as; none for an empty text.
#[must_use]
pub fn split(text: &str, limit: usize) -> Vec<String> {
    parts(text, limit).iter().map(ToString::to_string).collect()
}

/// The same, with what was added kept apart from the text. A text within `limit` is one part, as it is.
#[must_use]
pub fn parts(text: &str, limit: usize) -> Vec<TextPart<'_>> {
    let limit = limit.max(MIN_LIMIT);
    if text.is_empty() {
        return Vec::new();
    }
    if text.chars().nth(limit).is_none() {
        return vec![TextPart {
            header: String::new(),
            open: String::new(),
            body: text,
            close: String::new(),
        }];
    }
    // The header's width depends on the number of parts, so it is guessed: as if each were full, then one digit more
    // each time.
    let mut digits = text.chars().count().div_ceil(limit).to_string().len();
    loop {
        let mut parts = TextCutter::new(text, limit - "[/]\n".len() - 2 * digits).cut_all();
        let total = parts.len();
        if total.to_string().len() <= digits {
            for (at, part) in parts.iter_mut().enumerate() {
                part.header = format!("[{}/{total}]\n", at + 1);
            }
            return parts;
        }
        digits += 1;
    }
}

/// Walks over the lines and fills one part after the other.
struct TextCutter<'a> {
    text: &'a str,
    /// Characters in a part, without its header.
    room: usize,
    done: Vec<TextPart<'a>>,
    /// The part at work: bytes `start..end` of the text behind `open`, `used` characters together.
    start: usize,
    end: usize,
    open: String,
    used: usize,
    /// The fence that is open at `end`.
    fence: Option<Fence>,
    /// Where the line that opened it begins and its characters, while it is the last line of the part.
    opening: Option<(usize, usize)>,
}

impl<'a> TextCutter<'a> {
    fn new(text: &'a str, room: usize) -> Self {
        Self {
            text,
            room,
            done: Vec::new(),
            start: 0,
            end: 0,
            open: String::new(),
            used: 0,
            fence: None,
            opening: None,
        }
    }

    fn cut_all(mut self) -> Vec<TextPart<'a>> {
        for line in self.text.split_inclusive('\n') {
            self.line(line);
        }
        self.cut();
        self.done
    }

    fn line(&mut self, line: &str) {
        let chars = line.chars().count();
        let (after, is_fence) = match &self.fence {
            Some(fence) if fence.is_closed_by(line) => (None, true),
            Some(fence) => (Some(fence.clone()), false),
            None => {
                let opened = Fence::opened_by(line, self.room);
                let is_fence = opened.is_some();
                (opened, is_fence)
            }
        };
        let reserve = after.as_ref().map_or(0, Fence::reserve);
        let opens = is_fence && after.is_some();

        if self.used + chars + reserve > self.room {
            let again = self.fence.as_ref().map_or(0, |fence| fence.open.chars().count());
            if is_fence || again + chars + reserve <= self.room {
                self.cut_before(chars + reserve);
            }
        }
        self.fence = after;
        if self.used + chars + reserve > self.room {
            self.chop(line, reserve);
            return;
        }
        self.opening = opens.then_some((self.end, chars));
        self.take(line.len(), chars);
    }

    fn take(&mut self, bytes: usize, chars: usize) {
        self.end += bytes;
        self.used += chars;
    }

    /// Ends the part before a line that needs `next` characters. A line that has just opened a fence goes along with
    /// the code that it opens, where both fit.
    fn cut_before(&mut self, next: usize) {
        match self.opening.take() {
            Some((at, chars)) if at > self.start && chars + next <= self.room => {
                self.finish(at, String::new());
                self.used = chars;
            }
            _ => self.cut(),
        }
    }

    /// Ends the part here, if there is anything in it.
    fn cut(&mut self) {
        self.opening = None;
        if self.start == self.end {
            return;
        }
        let close = self.fence.as_ref().map_or_else(String::new, |fence| {
            let newline = if self.text[..self.end].ends_with('\n') { "" } else { "\n" };
            format!("{newline}{}", fence.close)
        });
        self.finish(self.end, close);
        self.open = self.fence.as_ref().map_or_else(String::new, |fence| fence.open.clone());
        self.used = self.open.chars().count();
    }

    fn finish(&mut self, at: usize, close: String) {
        let body = &self.text[self.start..at];
        self.done.push(TextPart { header: String::new(), open: std::mem::take(&mut self.open), body, close });
        self.start = at;
    }

    /// Takes a line that no part holds whole, in pieces.
    fn chop(&mut self, mut line: &str, reserve: usize) {
        self.opening = None;
        while !line.is_empty() {
            let free = self.room.saturating_sub(self.used + reserve);
            let Some((limit, _)) = line.char_indices().nth(free) else {
                self.take(line.len(), line.chars().count());
                return;
            };
            // Rather a new part than a scrap at the end of this one.
            if free < self.room / 8 && self.start < self.end {
                self.cut();
                continue;
            }
            let at = cut_point(line, limit, free);
            self.take(at, line[..at].chars().count());
            line = &line[at..];
            self.cut();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bodies(text: &str, limit: usize) -> Vec<&str> {
        parts(text, limit).iter().map(|part| part.body).collect()
    }

    #[test]
    fn a_text_within_the_limit_is_one_message_without_a_header() {
        assert_eq!(split("hello\n```\nopen", 4_000), vec!["hello\n```\nopen"]);
        assert_eq!(split(&"字".repeat(64), 64), vec!["字".repeat(64)]);
        assert_eq!(split("", 64), Vec::<String>::new());
    }

    #[test]
    fn lines_that_fit_stay_whole_and_parts_are_numbered() {
        let line = format!("{}\n", "x".repeat(39));
        let text = line.repeat(3);
        assert_eq!(
            split(&text, 64),
            vec![format!("[1/3]\n{line}"), format!("[2/3]\n{line}"), format!("[3/3]\n{line}")]
        );
    }

    #[test]
    fn a_fence_is_closed_and_opened_again_with_its_language() {
        let a = format!("{}\n", "a".repeat(30));
        let text = format!("```rust\n{a}{a}```\nend");
        assert_eq!(
            split(&text, 64),
            vec![format!("[1/2]\n```rust\n{a}```"), format!("[2/2]\n```rust\n{a}```\nend")]
        );
    }

    #[test]
    fn a_longer_fence_keeps_the_shorter_ones_inside_as_text() {
        let a = format!("{}\n", "a".repeat(24));
        let text = format!("  ~~~~ md\n```\n{a}```\n{a}  ~~~~\n");
        assert_eq!(
            split(&text, 64),
            vec![format!("[1/2]\n  ~~~~ md\n```\n{a}```\n  ~~~~"), format!("[2/2]\n  ~~~~ md\n{a}  ~~~~\n"),]
        );
    }

    #[test]
    fn the_line_that_opens_a_fence_goes_along_with_its_code() {
        let text = format!("{}\n```py\n{}\n```\n", "t".repeat(40), "c".repeat(40));
        assert_eq!(
            split(&text, 64),
            vec![format!("[1/2]\n{}\n", "t".repeat(40)), format!("[2/2]\n```py\n{}\n```\n", "c".repeat(40)),]
        );
    }

    #[test]
    fn a_fence_that_the_text_leaves_open_is_closed_in_every_part() {
        let text = format!("```\n{}", "line\n".repeat(20));
        for part in split(&text, 64) {
            assert!(part.ends_with("\n```"), "{part:?}");
        }
    }

    #[test]
    fn a_long_line_is_cut_behind_a_blank() {
        let text = "word ".repeat(40);
        for body in bodies(&text, 64) {
            assert!(body.ends_with(' '), "{body:?}");
        }
        assert_eq!(bodies(&text, 64).concat(), text);
    }

    #[test]
    fn a_long_line_inside_a_fence_is_cut_and_every_piece_is_fenced() {
        let text = format!("```\n{}\n```", "y".repeat(200));
        for part in parts(&text, 64) {
            let shown = format!("{}{}{}", part.open, part.body, part.close);
            assert!(shown.starts_with("```\n") && shown.ends_with("\n```"), "{shown:?}");
        }
        assert_eq!(bodies(&text, 64).concat(), text);
    }

    #[test]
    fn a_family_a_flag_and_an_accent_are_not_cut() {
        for cluster in ["👨\u{200d}👩\u{200d}👧", "🇨🇳", "e\u{301}", "👍\u{1f3fd}"] {
            for shift in 0..8 {
                let text = format!("{}{}", "-".repeat(shift), cluster.repeat(60));
                for (body, at) in bodies(&text, 64).iter().zip(0..) {
                    let clusters = if at == 0 { &body[shift..] } else { body };
                    assert_eq!(clusters.replace(cluster, ""), "", "{body:?}");
                }
            }
        }
    }

    #[test]
    fn a_carriage_return_stays_with_its_newline() {
        for length in 90..120 {
            let text = format!("{}\r\nnext", "z".repeat(length));
            assert!(bodies(&text, 64).iter().all(|body| !body.starts_with('\n')));
        }
    }

    #[test]
    fn two_hundred_thousand_characters_are_split_without_a_detour() {
        let hard: &[String] = &[
            "字".repeat(200_000),
            "🇨🇳".repeat(100_000),
            "`".repeat(200_000),
            "\n".repeat(200_000),
            "```\n".repeat(50_000),
            "e\u{301}".repeat(100_000),
        ];
        for text in hard {
            let parts = parts(text, DEFAULT_LIMIT);
            assert!((50..=70).contains(&parts.len()), "{}", parts.len());
            assert_eq!(parts.iter().map(|part| part.body).collect::<String>(), *text);
        }
    }

    #[test]
    fn a_limit_of_nothing_is_taken_for_the_smallest_one() {
        assert_eq!(split(&"a".repeat(200), 0), split(&"a".repeat(200), MIN_LIMIT));
    }

    /// What is open at the end of a message, found line by line.
    fn left_open(message: &str) -> bool {
        let mut fence = None::<Fence>;
        for line in message.split_inclusive('\n') {
            fence = match fence {
                Some(fence) if fence.is_closed_by(line) => None,
                Some(fence) => Some(fence),
                None => Fence::opened_by(line, usize::MAX),
            };
        }
        fence.is_some()
    }

    fn line() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "[a-z 字。]{0,50}",
            1 => "[a-z` 字👍~]{60,400}".prop_map(|line| format!("x{line}")),
            2 => "( {0,3})(```|````|~~~)",
            1 => "( {0,3})(```|````|~~~) ?(rust|c\\+\\+|json5 lines)",
            1 => "[`~ ]{0,5}",
        ]
    }

    fn document() -> impl Strategy<Value = String> {
        proptest::collection::vec(line(), 0..60).prop_map(|lines| lines.join("\n"))
    }

    proptest! {
        #[test]
        fn the_bodies_joined_are_the_text_and_no_part_is_too_long(
            text in prop_oneof![document(), "\\PC{0,600}", "[`~ \n\ra🇨\u{301}\u{200d}]{0,600}"],
            limit in 0usize..300,
        ) {
            let parts = parts(&text, limit);
            prop_assert_eq!(parts.iter().map(|part| part.body).collect::<String>(), &*text);
            for (at, part) in parts.iter().enumerate() {
                prop_assert!(part.to_string().chars().count() <= limit.max(MIN_LIMIT));
                prop_assert!(!part.body.is_empty());
                let header = if parts.len() == 1 { String::new() } else { format!("[{}/{}]\n", at + 1, parts.len()) };
                prop_assert_eq!(&part.header, &header);
            }
        }

        #[test]
        fn every_part_of_several_closes_what_it_opens(text in document(), limit in 64usize..300) {
            let parts = parts(&text, limit);
            if parts.len() > 1 {
                for part in parts {
                    let shown = format!("{}{}{}", part.open, part.body, part.close);
                    prop_assert!(!left_open(&shown), "{:?}", shown);
                }
            }
        }

        #[test]
        fn a_line_that_fits_is_not_cut(text in document(), limit in 64usize..300) {
            let parts = parts(&text, limit);
            let mut at = 0;
            for pair in parts.windows(2) {
                at += pair[0].body.len();
                if text[..at].ends_with('\n') {
                    continue;
                }
                let begin = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
                let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1);
                let fences = pair[1].open.chars().count() + pair[0].close.chars().count();
                let line = text[begin..end].chars().count();
                prop_assert!(line + pair[0].header.len() + fences > limit - 8, "{:?}", &text[begin..end]);
            }
        }
    }
}
