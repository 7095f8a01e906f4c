//! No word of what Claude writes is lost on its way to the phone: documents are generated together with the words that a
//! reader must find in them, in their order.

use std::io::Write as _;

use super::translated;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// Documents for each run.
const DOCUMENTS: u64 = 10_000;

#[test]
fn no_word_of_ten_thousand_generated_documents_is_lost() {
    let (mut words, mut lost, mut broken) = (0, 0, Vec::new());
    for seed in 0..DOCUMENTS {
        let document = Generator::new(seed).document();
        let shown = shown(&translated(&document.markdown));
        let mut rest = shown.split_whitespace();
        for word in &document.words {
            words += 1;
            let mut ahead = rest.clone();
            // A table that stays as it was written shows its markup too.
            if ahead.any(|other| other.contains(word.as_str())) {
                rest = ahead;
            } else {
                lost += 1;
                broken.push((seed, word.clone()));
            }
        }
    }
    // For whoever runs this test with `--no-capture`.
    let _ = writeln!(std::io::stderr(), "{lost} of {words} words lost in {DOCUMENTS} documents");
    broken.truncate(5);
    let example = broken.first().map(|(seed, _)| {
        let document = Generator::new(*seed).document();
        format!("{}\n────\n{}", document.markdown, translated(&document.markdown))
    });
    assert_eq!(lost, 0, "{broken:?}\n{}", example.unwrap_or_default());
}

/// The text that the phone shows of Feishu's Markdown, markers of numbered items included.
fn shown(feishu: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut out = String::new();
    // The next number of each list that is open.
    let mut lists: Vec<Option<u64>> = Vec::new();
    for event in Parser::new_ext(feishu, options) {
        match event {
            Event::Text(text) | Event::Code(text) | Event::Html(text) => out.push_str(&text),
            Event::InlineHtml(tag) => out.push_str(if &*tag == "<br>" { " " } else { &tag }),
            Event::Start(Tag::List(first)) => lists.push(first),
            Event::End(TagEnd::List(_)) => drop(lists.pop()),
            Event::Start(Tag::Item) => {
                out.push('\n');
                if let Some(Some(number)) = lists.last_mut() {
                    out.push_str(&format!("{number}. "));
                    *number += 1;
                }
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_) | CodeBlockKind::Indented)) => {
                out.push('\n')
            }
            Event::Start(Tag::Paragraph | Tag::Heading { .. } | Tag::TableCell | Tag::TableRow) => {
                out.push('\n')
            }
            Event::SoftBreak | Event::HardBreak | Event::Rule => out.push('\n'),
            Event::End(TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::CodeBlock) => out.push('\n'),
            Event::Start(_)
            | Event::End(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_) => {}
        }
    }
    // Between two columns of a table that became code.
    out.replace('\u{200a}', "").replace(" | ", "\n")
}

/// Markdown, and the words that a reader must find in it.
#[derive(Default)]
struct Generated {
    markdown: String,
    words: Vec<String>,
}

impl Generated {
    /// Adds Markdown that shows the same as it says, or these words.
    fn push(&mut self, markdown: &str, words: &[&str]) {
        self.markdown.push_str(markdown);
        self.words.extend(words.iter().flat_map(|word| word.split_whitespace()).map(str::to_owned));
    }
}

/// A generator of numbers that gives the same documents on every machine (SplitMix64).
struct Generator(u64);

impl Generator {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(most).unwrap()).unwrap()
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    /// A word that appears nowhere else in the document.
    fn word(&mut self) -> String {
        let stem = self.one(&["word", "字", "重点", "Foo", "value", "naïve", "日志"]);
        format!("{stem}{}", self.below(1_000_000))
    }

    fn document(&mut self) -> Generated {
        let mut out = Generated::default();
        for _ in 0..=self.below(6) {
            match self.below(7) {
                0 => self.heading(&mut out),
                1 | 2 => self.paragraph(&mut out),
                3 => self.table(&mut out),
                4 => self.list(&mut out),
                5 => self.fence(&mut out),
                _ => self.quote(&mut out),
            }
            out.markdown.push_str("\n\n");
        }
        out
    }

    fn heading(&mut self, out: &mut Generated) {
        let word = self.word();
        out.push(&format!("{} {word}", "#".repeat(1 + self.below(4))), &[&word]);
    }

    fn paragraph(&mut self, out: &mut Generated) {
        for at in 0..=self.below(12) {
            if at > 0 {
                out.markdown.push_str(if self.below(6) == 0 { "\n" } else { " " });
            }
            self.inline(out, false);
        }
    }

    fn quote(&mut self, out: &mut Generated) {
        for at in 0..=self.below(3) {
            out.markdown.push_str(if at > 0 { "\n> " } else { "> " });
            self.inline(out, false);
        }
    }

    /// A piece of a line.
    fn inline(&mut self, out: &mut Generated, in_table: bool) {
        let (a, b) = (self.word(), self.word());
        match self.below(16) {
            0 => out.push(&format!("**{a}**"), &[&a]),
            1 => out.push(&format!("*{a} {b}*"), &[&a, &b]),
            2 => out.push(&format!("~~{a}~~"), &[&a]),
            3 => out.push(&format!("`{a}`"), &[&a]),
            4 => out.push(&format!("[{a}](https://e.example/{b})"), &[&a]),
            5 => {
                let name = self.one(&[
                    "pkg/__init__.py",
                    "__main__",
                    "_private_",
                    "self.__dict__",
                    "src/*.rs",
                    "lib/*.ts",
                    "**/*.md",
                    "*.toml",
                    "a*b*c",
                    "x**2",
                    "2*3*4",
                    "f(*args)",
                    "COUNT(*)",
                    "~/bin",
                    "~5",
                    "std::_x_",
                ]);
                out.push(name, &[name]);
            }
            6 => {
                let name = self.one(&[
                    "\\(x\\)",
                    "\\[y\\]",
                    "\\{z\\}",
                    "C:\\new\\table",
                    "C:\\_a\\*.txt",
                    "\\\\server\\share",
                    "\\d+\\.\\d",
                    "\\alpha",
                    "10\\%",
                ]);
                out.push(name, &[name]);
            }
            7 if in_table => {
                out.push(&format!("`{a} | {b} | wc`"), &[&a, &b, "wc"]);
            }
            8 if in_table => out.push(&format!("[{a}|{b}](https://e.example/x)"), &[&format!("{a}|{b}")]),
            _ => out.push(&a, &[&a]),
        }
    }

    fn table(&mut self, out: &mut Generated) {
        let columns = 1 + self.below(4);
        for row in 0..2 + self.below(4) {
            // Now and then a row has more cells than the table has columns.
            let more = usize::from(row > 0 && self.below(12) == 0);
            out.markdown.push('|');
            for _ in 0..columns + more {
                out.markdown.push(' ');
                self.inline(out, true);
                out.markdown.push_str(" |");
            }
            out.markdown.push('\n');
            if row == 0 {
                out.markdown.push_str(&format!("|{}\n", "---|".repeat(columns)));
            }
        }
    }

    fn list(&mut self, out: &mut Generated) {
        let is_numbered = self.below(3) > 0;
        let gap = if self.below(3) == 0 { "\n\n" } else { "\n" };
        let mut number = 1 + self.below(4);
        let skips = self.below(2) == 0;
        for _ in 0..=self.below(5) {
            let marker = if is_numbered { format!("{number}.") } else { "-".to_owned() };
            let word = self.word();
            out.push(&format!("{marker} {word}"), &[if is_numbered { &marker } else { "" }, &word]);
            if self.below(4) == 0 {
                let indent = " ".repeat(marker.len() + 1);
                let (nested, code) = (self.word(), self.word());
                out.push(&format!("\n{indent}- {nested}"), &[&nested]);
                if self.below(2) == 0 {
                    out.push(&format!("\n{indent}  ```sh\n{indent}  {code}\n{indent}  ```"), &[&code]);
                }
            }
            out.markdown.push_str(gap);
            number += if skips { 1 + self.below(3) } else { 1 };
        }
    }

    fn fence(&mut self, out: &mut Generated) {
        let (a, b, c) = (self.word(), self.word(), self.word());
        if self.below(2) == 0 {
            out.push(&format!("```rust\n{a}\n  {b}\n```"), &[&a, &b]);
        } else {
            // A document in a fence, with a fence of its own.
            out.push(
                &format!("```markdown\n# {a}\n```bash\n{b}\n```\n{c}\n```"),
                &["#", &a, "```bash", &b, "```", &c],
            );
        }
    }
}
