//! What the practice agent says and asks; pure.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::deed::LABEL;

/// The answer to a prompt that is nothing in particular.
pub(super) fn chat(prompt: &str) -> String {
    format!(
        "{LABEL} You wrote: {prompt}\n\n\
         I only practise. What I understand:\n\
         echo TEXT: the text comes back\n\
         say 9000 characters: a long answer\n\
         stream 300 words in 20: an answer as it comes\n\
         run COMMAND, write FILE TEXT, edit, fetch URL: I ask for permission first\n\
         ask, ask many: questions\n\
         plan: a plan to approve or to send back\n\
         work 12 in 20: tool after tool\n\
         slow 60: an answer that takes 60 seconds, to /stop\n\
         remember TEXT, and later recall\n\
         error 429, crash: something goes wrong"
    )
}

/// Exactly `length` characters in numbered lines, so that a missing or doubled part shows.
pub(super) fn say(length: usize) -> String {
    let mut text = format!("{LABEL} {length} characters:\n");
    let mut characters = text.chars().count();
    let mut line = 0;
    while characters < length {
        line += 1;
        let next = format!("{line:>6} {}\n", "The quick brown fox jumps over the lazy dog. 敏捷的棕色狐狸。");
        characters += next.chars().count();
        text.push_str(&next);
    }
    text.chars().take(length).collect()
}

/// Two moments, in nanoseconds since 1970: `(practice agent, not Claude) read 1764 wrote 1765`.
pub(super) fn stamp(read: Timestamp, wrote: Timestamp) -> String {
    format!("{LABEL} read {} wrote {}", read.as_nanosecond(), wrote.as_nanosecond())
}

/// This number of words behind the label, in paragraphs.
pub(super) fn words(count: usize) -> Vec<String> {
    let text = "The quick brown fox jumps over the lazy dog while **everybody** watches. 敏捷的棕色狐狸 jumps again.";
    let words = text.split(' ').cycle().take(count).enumerate();
    let spaced = words.map(|(place, word)| match place {
        0 => word.to_owned(),
        _ if place % 34 == 0 => format!("\n\n{word}"),
        _ => format!(" {word}"),
    });
    std::iter::once(format!("{LABEL} ")).chain(spaced).collect()
}

/// The words as they go out: each by itself, or all of `hold` joined.
pub(super) fn pieces(words: &[String], time: Duration, hold: Duration) -> Vec<String> {
    let most = if hold.is_zero() {
        usize::MAX
    } else {
        usize::try_from(time.as_millis() / hold.as_millis()).unwrap_or(usize::MAX)
    };
    let each = words.len().div_ceil(most.max(1));
    words.chunks(each.max(1)).map(<[String]>::concat).collect()
}

/// A tool's result of this number of bytes.
pub(super) fn output(number: usize, bytes: usize) -> String {
    format!("output of step {number}\n").bytes().cycle().take(bytes).map(char::from).collect()
}

/// The input of AskUserQuestion.
pub(super) fn questions(many: bool) -> Value {
    let option = |(label, description): (&str, &str)| json!({"label": label, "description": description});
    let question = |question: &str, header: &str, several: bool, options: &[(&str, &str)]| {
        json!({"question": question, "header": header, "multiSelect": several,
               "options": options.iter().copied().map(option).collect::<Vec<_>>()})
    };
    let colour = question(
        "Which colour shall it have?",
        "Colour",
        false,
        &[("Red", "Warm, and seen from afar"), ("Green", "Easy on the eyes"), ("Blue", "As it was")],
    );
    if !many {
        return json!({ "questions": [colour] });
    }
    let parts = question(
        "Which parts shall I do?",
        "Parts",
        true,
        &[("Code", "What runs"), ("Tests", "What shows that it does"), ("文档", "What people read")],
    );
    let start =
        question("When shall I begin?", "Start", false, &[("Now", "At once"), ("Later", "When you say so")]);
    json!({ "questions": [colour, parts, start] })
}

/// A plan in Markdown, with what was wrong with the one before it.
pub(super) fn plan(feedback: Option<&str>) -> String {
    let first = feedback
        .map_or_else(|| "Look at what is there".to_owned(), |wish| format!("Mind what you said: {wish}"));
    format!(
        "# A plan to practise with\n\n1. {first}\n2. Change `practice.txt`\n3. Run the tests\n\n```bash\nmake test\n```\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_exactly_as_many_characters_as_asked() {
        for length in [0, 5, 100, 9000] {
            assert_eq!(say(length).chars().count(), length);
        }
        assert!(say(9000).starts_with(LABEL));
    }

    #[test]
    fn pieces_are_as_many_as_the_hold_lets_through_and_lose_nothing() {
        let words = words(100);
        assert_eq!(words.len(), 101);
        let (second, half) = (Duration::from_secs(1), Duration::from_millis(500));
        assert_eq!(pieces(&words, second, Duration::ZERO), words);
        let joined = pieces(&words, second * 5, half);
        assert_eq!((joined.len(), joined.concat()), (10, words.concat()));
        assert_eq!(pieces(&words, Duration::ZERO, half), [words.concat()]);
    }

    #[test]
    fn a_tool_gives_exactly_as_many_bytes_as_asked() {
        assert_eq!(output(7, 20), "output of step 7\nout");
        assert_eq!(output(7, 0), "");
    }
}
