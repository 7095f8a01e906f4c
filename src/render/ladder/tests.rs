pub(crate) mod accepted;
mod properties;

use serde_json::Value;

use super::*;
use crate::card_action::{CardAction, RequestRef, Verdict};
use crate::emulator::cards;
use crate::ids::ConvId;
use crate::language::Language;
use crate::render::document::{Block, Button, ButtonStyle, Field, Heading, LongAnswers, Tone};
use crate::render::limits;

const EN: Words = Words(Language::En);

/// Parses a card and checks that Feishu accepts it.
fn card(json: &str) -> Value {
    let card: Value = serde_json::from_str(json).unwrap();
    assert_eq!(cards::check(&card), Ok(()), "{card:#}");
    assert!(json.len() <= limits::MAX_CARD_BYTES, "{} bytes", json.len());
    card
}

/// The messages of a document if Feishu accepts everything at the first try.
fn messages(plan: &SendPlan) -> Vec<OutgoingPart> {
    let mut position = LadderPosition::default();
    let mut messages = Vec::new();
    while let Some(message) = plan.message(&position) {
        messages.push(message);
        position = plan.next(&position);
        assert!(messages.len() < 10_000);
    }
    messages
}

/// The messages as a person reads them.
fn read(messages: &[OutgoingPart]) -> Vec<String> {
    let words = |message: &OutgoingPart| match message {
        OutgoingPart::Card(json) => cards::flatten(&card(json)),
        OutgoingPart::Text(text) => text.clone(),
        OutgoingPart::File { name, text } => format!("{name}: {} characters", text.chars().count()),
    };
    messages.iter().map(words).collect()
}

fn stop() -> Button {
    let act = CardAction::Close { conv_id: ConvId::from("c-1") };
    Button { confirm: Some("Really?".into()), ..Button::new("Close session", ButtonStyle::Danger, act) }
}

/// The documents that people see most often.
fn typical() -> Vec<(&'static str, Document)> {
    let about = RequestRef {
        conv_id: "c-1".into(),
        turn: uuid::Uuid::nil(),
        request: "r".into(),
        input: "ab".into(),
    };
    let decide = |choice| CardAction::Decide { about: about.clone(), choice };
    let answer = Document {
        preview: Some("Done: 3 files".into()),
        ..Document::new(vec![
            Block::markdown(
                "Changed **3 files**:\n\n| file | lines |\n|---|--:|\n| a | 1 |\n\n```rs\nfn main() {}\n```",
            ),
            Block::Fold {
                title: "Changes".into(),
                blocks: vec![Block::text("src/main.rs"), Block::code("diff", "-a\n+b")],
            },
            Block::Rule,
            Block::small("shop · c-1 · 12 s · $0.02"),
            Block::Buttons { buttons: vec![stop()] },
        ])
        .headed(Tone::Good, "Done")
    };
    let request = Document::new(vec![
        Block::code("bash", "rm -rf 'build'"),
        Block::Form {
            fields: vec![Field::Input { name: "reason".into(), placeholder: "Why not".into() }],
            buttons: vec![
                Button::new("Allow", ButtonStyle::Primary, decide(Verdict::Allow)),
                Button::new("Deny", ButtonStyle::Danger, decide(Verdict::DenyWhy)),
            ],
        },
        Block::typed_hint("Or type /approve or /deny [reason]."),
    ])
    .headed(Tone::Asking, "Claude wants to use Bash");
    let question = Document {
        group: true,
        ..Document::new(vec![Block::Form {
            fields: vec![
                Field::Label { text: "Which *database*?".into() },
                Field::Choice {
                    name: "q0".into(),
                    placeholder: "Choose".into(),
                    options: vec!["SQLite".into(), "Postgres".into()],
                    many: true,
                },
            ],
            buttons: vec![Button::new(
                "Answer",
                ButtonStyle::Primary,
                CardAction::Answer { about, option: None },
            )],
        }])
    };
    let switch = |n: &str| CardAction::Switch { conv_id: ConvId::from(n) };
    let list = Document::new(vec![
        Block::Row {
            text: "1. shop".into(),
            small: Some("idle".into()),
            buttons: vec![Button::new("Switch", ButtonStyle::Plain, switch("c-1"))],
        },
        Block::Row {
            text: "2. blog".into(),
            small: None,
            buttons: vec![Button::new("Switch", ButtonStyle::Plain, switch("c-2")), stop()],
        },
    ]);
    vec![("answer", answer), ("request", request), ("question", question), ("list", list)]
}

#[test]
fn typical_documents_are_one_card_each() {
    for (name, document) in typical() {
        let messages = messages(&SendPlan::of(&document, EN));
        let [OutgoingPart::Card(json)] = messages.as_slice() else { panic!("{messages:?}") };
        insta::assert_snapshot!(name, serde_json::to_string_pretty(&card(json)).unwrap());
    }
}

#[test]
fn a_file_as_the_last_resort_comes_after_a_preview() {
    let whole = (1..=100).map(|n| format!("line {n}\n")).collect::<String>();
    let plan = SendPlan::of(&Document::new(vec![Block::text(&whole)]), EN);
    let mut position = LadderPosition::default();
    while position.rung != Rung::File {
        position = plan.lower(&position).unwrap();
    }
    let Some(OutgoingPart::Text(preview)) = plan.message(&position) else {
        panic!("{:?}", plan.message(&position))
    };
    let words = preview.strip_suffix("\n… The full text is in the file below.").unwrap();
    assert!(whole.starts_with(words) && words.chars().count() > 200, "{preview}");
    let file = Some(OutgoingPart::File { name: "answer.md".into(), text: whole });
    for after in [plan.next(&position), plan.lower(&position).unwrap()] {
        assert_eq!(plan.message(&after), file);
        assert_eq!(plan.lower(&after), None);
        assert_eq!(plan.message(&plan.next(&after)), None);
    }
}

#[test]
fn a_document_comes_down_from_card_to_file() {
    let (_, document) = typical().remove(0);
    let plan = SendPlan::of(&document, EN);
    let mut position = LadderPosition::default();
    let mut seen = Vec::new();
    loop {
        let message = plan.message(&position).unwrap();
        seen.push(format!("── {:?}\n{}", position.rung, read(&[message])[0]));
        match plan.lower(&position) {
            Some(lower) => position = lower,
            None => break,
        }
    }
    assert_eq!(plan.message(&plan.next(&position)), None);
    insta::assert_snapshot!(seen.join("\n"), @r##"
        ── Card
        Done
        Changed **3 files**:

        | file | lines |
        | --- | --: |
        | a | 1 |

        ```rust
        fn main() {}
        ```
        Changes
        src/main.rs
        ```diff
        -a
        +b
        ```
        ---
        shop · c-1 · 12 s · $0.02
        [Close session]
        ── Reduced
        Done
        Changed **3 files**:

        ```
        file | lines
        -----|------
        a    | 1
        ```

        ```rust
        fn main() {}
        ```
        ---
        shop · c-1 · 12 s · $0.02
        [Close session]
        ── Text
        Done

        Changed **3 files**:

        | file | lines |
        |---|--:|
        | a | 1 |

        ```rs
        fn main() {}
        ```

        ---

        shop · c-1 · 12 s · $0.02
        ── File
        answer.md: 120 characters
        "##);
}

#[test]
fn a_plain_answer_as_text_is_what_claude_wrote() {
    let text = "one  \n**two** <at>\r\n\n\n```\ncode\n```\n";
    let plan = SendPlan::of(&Document::new(vec![Block::markdown(text)]), EN);
    let position = plan.lower(&LadderPosition::default()).unwrap();
    assert_eq!(plan.message(&position), Some(OutgoingPart::Text(text.into())));
}

#[test]
fn a_long_answer_is_several_cards_with_the_buttons_on_the_last() {
    let paragraph = format!("{}\n\n", "word ".repeat(400));
    let text = format!("{}```rust\n{}```\n", paragraph.repeat(20), "let a = \"b\";\n".repeat(1_500));
    let document = Document::new(vec![Block::markdown(text), Block::Buttons { buttons: vec![stop()] }])
        .headed(Tone::Good, "Done");
    let messages = read(&messages(&SendPlan::of(&document, EN)));
    assert_eq!(messages.len(), 3);
    assert!(
        messages[0].starts_with("[1/3] Done\n") && messages[2].starts_with("[3/3]\n```rust\n"),
        "{}",
        messages[2]
    );
    let buttons: Vec<bool> = messages.iter().map(|message| message.contains("[Close session]")).collect();
    assert_eq!(buttons, [false, false, true]);
    assert_eq!(messages.concat().matches("let a").count(), 1_500);
    assert_eq!(messages.concat().matches("word").count(), 8_000);
}

#[test]
fn folds_are_left_out_before_a_second_card_is_begun() {
    let fold =
        |title: &str| Block::Fold { title: title.into(), blocks: vec![Block::code("", "x".repeat(6_000))] };
    let document = Document::new(vec![Block::markdown("word ".repeat(3_800)), fold("First"), fold("Second")]);
    let messages = read(&messages(&SendPlan::of(&document, EN)));
    assert_eq!(messages.len(), 1);
    assert!(messages[0].contains("First") && !messages[0].contains("Second"));
}

#[test]
fn a_long_answer_becomes_its_beginning_and_a_file_for_those_who_prefer_files() {
    let text = "A line of the answer.\n".repeat(400);
    let document = Document {
        long: LongAnswers::File,
        name: Some("../shop c-1".into()),
        ..Document::new(vec![
            Block::markdown(text),
            Block::small("shop · 12 s"),
            Block::Buttons { buttons: vec![stop()] },
        ])
    };
    let plan = SendPlan::of(&document, EN);
    let messages = messages(&plan);
    let words = read(&messages);
    let beginning: Vec<&str> = words[0].lines().collect();
    assert_eq!(beginning[0], "A line of the answer.");
    assert_eq!(
        beginning[beginning.len() - 3..],
        ["… The full text is in the file below.", "shop · 12 s", "[Close session]"]
    );
    assert!(words[0].len() < 2_500 && words.len() == 2);
    assert_eq!(words[1], format!("shop c-1.md: {} characters", 400 * 22 + "\n\nshop · 12 s".chars().count()));
    // If no card and no text is accepted, the file is sent; if no file is accepted, the text.
    let (mut position, mut rungs) = (LadderPosition::default(), Vec::new());
    while let Some(lower) = plan.lower(&position) {
        position = lower;
        rungs.push((position.part, position.rung));
    }
    assert_eq!(rungs, [(0, Rung::Text), (1, Rung::File), (1, Rung::Text)]);
    assert!(
        matches!(plan.message(&position), Some(OutgoingPart::Text(text)) if text.starts_with("[1/3]\nA line of"))
    );
}

#[test]
fn an_enormous_answer_becomes_a_file_or_else_the_first_and_last_texts() {
    let document = Document {
        full_text_path: Some("/p/.phonework/c-1.jsonl".into()),
        ..Document::new(vec![Block::markdown("A line of the answer.\n".repeat(100_000))])
    };
    let plan = SendPlan::of(&document, EN);
    assert_eq!(messages(&plan).len(), 2);
    let mut position = LadderPosition::default();
    while let Some(lower) = plan.lower(&position) {
        position = lower;
    }
    let mut texts = Vec::new();
    while let Some(OutgoingPart::Text(text)) = plan.message(&position) {
        texts.push(text);
        position = plan.next(&position);
    }
    assert_eq!(texts.len(), 101);
    assert_eq!(
        texts[50],
        "✂️ This text would be 553 messages; 453 of them are left out here. The full text is in /p/.phonework/c-1.jsonl on the host."
    );
    assert!(texts[100].starts_with("[553/553]\n"), "{}", &texts[100][..20]);
}

#[test]
fn what_was_accepted_is_not_sent_again_further_down() {
    let lines: Vec<String> = (0..900).map(|n| format!("line {n} of the answer")).collect();
    let plan = SendPlan::of(&Document::new(vec![Block::markdown(lines.join("\n\n"))]), EN);
    // Of several small cards one is accepted, then one text, then the file.
    let mut position = plan.lower(&LadderPosition::default()).unwrap();
    assert_eq!(position.rung, Rung::Cards);
    let mut taken = read(&[plan.message(&position).unwrap()]);
    position = plan.lower(&plan.next(&position)).unwrap();
    assert_eq!((position.rung, position.cards), (Rung::Text, 1));
    taken.extend(read(&[plan.message(&position).unwrap()]));
    position = plan.lower(&plan.next(&position)).unwrap();
    assert_eq!((position.rung, position.texts), (Rung::File, 1));
    let Some(OutgoingPart::File { text, .. }) = plan.message(&position) else { panic!("{position:?}") };
    taken.push(text);
    let taken = taken.join("\n");
    for line in lines {
        assert_eq!(taken.lines().filter(|taken| *taken == line).count(), 1, "{line}");
    }
    assert_eq!(plan.message(&plan.next(&position)), None);
}

#[test]
fn a_position_of_another_plan_is_the_start_of_this_one() {
    let (_, document) = typical().remove(0);
    let plan = SendPlan::of(&document, EN);
    let first = plan.message(&LadderPosition::default());
    assert_eq!(plan.message(&LadderPosition { part: 3, of: 5, ..LadderPosition::default() }), first);
    assert_eq!(plan.message(&LadderPosition { part: 7, ..LadderPosition::default() }), first);
    let text = LadderPosition { rung: Rung::Text, ..LadderPosition::default() };
    assert_eq!(plan.message(&LadderPosition { taken: 900, ..text.clone() }), plan.message(&text));
    let kept: LadderPosition = serde_json::from_str(&serde_json::to_string(&text).unwrap()).unwrap();
    assert_eq!(kept, text);
}

#[test]
fn a_snapshot_is_one_card_and_shows_the_end_of_a_long_text() {
    let text = "```rust\n".to_owned() + &"line of code\n".repeat(100_000);
    let document = |tool: &str, end: &str| {
        let stream = Block::Stream { text: format!("{text}{end}") };
        Document::new(vec![Block::small(tool), stream]).headed(Tone::Working, "Working")
    };
    let shown = snapshot(&document("Bash ls", "END"), EN, true);
    let json = card(&shown.card);
    assert_eq!(json["config"]["streaming_mode"], true);
    assert_eq!(json["body"]["elements"][1]["element_id"], STREAM);
    let stream = shown.stream.unwrap();
    assert_eq!(json["body"]["elements"][1]["content"], stream.as_str());
    assert!(
        stream.starts_with("…\n\n```rust\nline") && stream.ends_with("line of code\nEND\n```"),
        "{stream}"
    );
    assert_eq!(snapshot(&document("Bash ls", "END."), EN, true).shape, shown.shape);
    assert_ne!(snapshot(&document("Bash pwd", "END"), EN, true).shape, shown.shape);
    assert_eq!(
        card(&snapshot(&document("Bash ls", "END"), EN, false).card)["config"]["streaming_mode"],
        Value::Null
    );
}

#[test]
fn a_card_whose_text_is_below_says_so() {
    let said = [Language::En, Language::Zh]
        .map(|language| cards::flatten(&card(&words_below_card(Words(language)))));
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_growing_text_mostly_only_grows_on_the_card() {
    let line = "some words that Claude writes, one after the other\n\n";
    let streamed = |length: usize| {
        let text = line.repeat(600)[..length].trim_end().to_owned();
        snapshot(&Document::new(vec![Block::Stream { text }]), EN, true).stream.unwrap()
    };
    let snapshots: Vec<String> = (1..290).map(|n| streamed(n * 100)).collect();
    let swapped = snapshots.windows(2).filter(|pair| !pair[1].starts_with(&pair[0])).count();
    assert!(swapped <= 5, "{swapped}");
}
