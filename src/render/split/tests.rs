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
fn the_line_that_opens_a_fence_stays_with_its_code() {
    let text = format!("{}\n```py\n{}\n```\n", "t".repeat(40), "c".repeat(40));
    assert_eq!(
        split(&text, 64),
        vec![format!("[1/2]\n{}\n", "t".repeat(40)), format!("[2/2]\n```py\n{}\n```\n", "c".repeat(40)),]
    );
}

#[test]
fn a_fence_that_the_text_never_closes_is_closed_in_every_part() {
    let text = format!("```\n{}", "line\n".repeat(20));
    for part in split(&text, 64) {
        assert!(part.ends_with("\n```"), "{part:?}");
    }
}

#[test]
fn a_long_line_is_cut_after_a_space() {
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
fn two_hundred_thousand_characters_are_split_in_linear_time() {
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
fn a_limit_of_zero_is_raised_to_the_smallest_one() {
    assert_eq!(split(&"a".repeat(200), 0), split(&"a".repeat(200), MIN_LIMIT));
}

/// Whether a fence is open at the end of a message.
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
    fn every_part_closes_the_fences_it_opens(text in document(), limit in 64usize..300) {
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
