pub(crate) mod taken;
mod whatever;

use serde_json::Value;

use super::*;
use crate::card_action::{CardAction, RequestRef, Verdict};
use crate::emulator::cards;
use crate::ids::ConvId;
use crate::language::Language;
use crate::render::document::{Block, Button, ButtonStyle, Field, Heading, LongAnswers, Tone};
use crate::render::limits;

const EN: Words = Words(Language::En);

/// The card, which Feishu takes.
fn card(json: &str) -> Value {
    let card: Value = serde_json::from_str(json).unwrap();
    assert_eq!(cards::check(&card), Ok(()), "{card:#}");
    assert!(json.len() <= limits::CARD_BYTES, "{} bytes", json.len());
    card
}

/// All that is sent when everything is taken on the rung where it is tried first.
fn sheets(plan: &SendPlan) -> Vec<OutgoingPart> {
    let mut place = LadderPosition::default();
    let mut sheets = Vec::new();
    while let Some(sheet) = plan.sheet(&place) {
        sheets.push(sheet);
        place = plan.next(&place);
        assert!(sheets.len() < 10_000);
    }
    sheets
}

/// The words of sheets, as a person reads them.
fn read(sheets: &[OutgoingPart]) -> Vec<String> {
    let words = |sheet: &OutgoingPart| match sheet {
        OutgoingPart::Card(json) => cards::flatten(&card(json)),
        OutgoingPart::Text(text) => text.clone(),
        OutgoingPart::File { name, text } => format!("{name}: {} characters", text.chars().count()),
    };
    sheets.iter().map(words).collect()
}

fn stop() -> Button {
    let act = CardAction::Close { conv_id: ConvId::from("c-1") };
    Button { confirm: Some("Really?".into()), ..Button::new("Close session", ButtonStyle::Danger, act) }
}

/// The documents that people see most.
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
            fields: vec![Field::Words { name: "reason".into(), placeholder: "Why not".into() }],
            buttons: vec![
                Button::new("Allow", ButtonStyle::Primary, decide(Verdict::Allow)),
                Button::new("Deny", ButtonStyle::Danger, decide(Verdict::DenyWhy)),
            ],
        },
        Block::typed("/approve lets it, /deny [why] does not."),
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
        let sheets = sheets(&SendPlan::of(&document, EN));
        let [OutgoingPart::Card(json)] = sheets.as_slice() else { panic!("{sheets:?}") };
        insta::assert_snapshot!(name, serde_json::to_string_pretty(&card(json)).unwrap());
    }
}

#[test]
fn before_a_file_that_is_the_last_way_stand_the_first_words() {
    let whole = (1..=100).map(|n| format!("line {n}\n")).collect::<String>();
    let plan = SendPlan::of(&Document::new(vec![Block::text(&whole)]), EN);
    let mut place = LadderPosition::default();
    while place.rung != Rung::File {
        place = plan.lower(&place).unwrap();
    }
    let Some(OutgoingPart::Text(preview)) = plan.sheet(&place) else { panic!("{:?}", plan.sheet(&place)) };
    let words = preview.strip_suffix("\n… The whole is in the file below.").unwrap();
    assert!(whole.starts_with(words) && words.chars().count() > 200, "{preview}");
    let file = Some(OutgoingPart::File { name: "answer.md".into(), text: whole });
    for after in [plan.next(&place), plan.lower(&place).unwrap()] {
        assert_eq!(plan.sheet(&after), file);
        assert_eq!(plan.lower(&after), None);
        assert_eq!(plan.sheet(&plan.next(&after)), None);
    }
}

#[test]
fn a_document_comes_down_from_card_to_file() {
    let (_, document) = typical().remove(0);
    let plan = SendPlan::of(&document, EN);
    let mut place = LadderPosition::default();
    let mut seen = Vec::new();
    loop {
        let sheet = plan.sheet(&place).unwrap();
        seen.push(format!("── {:?}\n{}", place.rung, read(&[sheet])[0]));
        match plan.lower(&place) {
            Some(lower) => place = lower,
            None => break,
        }
    }
    assert_eq!(plan.sheet(&plan.next(&place)), None);
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
    let place = plan.lower(&LadderPosition::default()).unwrap();
    assert_eq!(plan.sheet(&place), Some(OutgoingPart::Text(text.into())));
}

#[test]
fn a_long_answer_is_several_cards_with_the_buttons_on_the_last() {
    let paragraph = format!("{}\n\n", "word ".repeat(400));
    let text = format!("{}```rust\n{}```\n", paragraph.repeat(20), "let a = \"b\";\n".repeat(1_500));
    let document = Document::new(vec![Block::markdown(text), Block::Buttons { buttons: vec![stop()] }])
        .headed(Tone::Good, "Done");
    let sheets = read(&sheets(&SendPlan::of(&document, EN)));
    assert_eq!(sheets.len(), 3);
    assert!(
        sheets[0].starts_with("[1/3] Done\n") && sheets[2].starts_with("[3/3]\n```rust\n"),
        "{}",
        sheets[2]
    );
    let buttons: Vec<bool> = sheets.iter().map(|sheet| sheet.contains("[Close session]")).collect();
    assert_eq!(buttons, [false, false, true]);
    assert_eq!(sheets.concat().matches("let a").count(), 1_500);
    assert_eq!(sheets.concat().matches("word").count(), 8_000);
}

#[test]
fn what_opens_at_a_touch_is_left_out_before_a_second_card_is_begun() {
    let fold =
        |title: &str| Block::Fold { title: title.into(), blocks: vec![Block::code("", "x".repeat(6_000))] };
    let document = Document::new(vec![Block::markdown("word ".repeat(3_800)), fold("First"), fold("Second")]);
    let sheets = read(&sheets(&SendPlan::of(&document, EN)));
    assert_eq!(sheets.len(), 1);
    assert!(sheets[0].contains("First") && !sheets[0].contains("Second"));
}

#[test]
fn a_long_answer_for_who_wants_files_is_its_beginning_and_a_file() {
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
    let sheets = sheets(&plan);
    let words = read(&sheets);
    let beginning: Vec<&str> = words[0].lines().collect();
    assert_eq!(beginning[0], "A line of the answer.");
    assert_eq!(
        beginning[beginning.len() - 3..],
        ["… The whole is in the file below.", "shop · 12 s", "[Close session]"]
    );
    assert!(words[0].len() < 2_500 && words.len() == 2);
    assert_eq!(words[1], format!("shop c-1.md: {} characters", 400 * 22 + "\n\nshop · 12 s".chars().count()));
    // No card, no text: the file. No file: the text.
    let (mut place, mut rungs) = (LadderPosition::default(), Vec::new());
    while let Some(lower) = plan.lower(&place) {
        place = lower;
        rungs.push((place.part, place.rung));
    }
    assert_eq!(rungs, [(0, Rung::Text), (1, Rung::File), (1, Rung::Text)]);
    assert!(
        matches!(plan.sheet(&place), Some(OutgoingPart::Text(text)) if text.starts_with("[1/3]\nA line of"))
    );
}

#[test]
fn an_enormous_answer_is_a_file_and_as_text_its_beginning_and_end() {
    let document = Document {
        whole: Some("/p/.phonework/c-1.jsonl".into()),
        ..Document::new(vec![Block::markdown("A line of the answer.\n".repeat(100_000))])
    };
    let plan = SendPlan::of(&document, EN);
    assert_eq!(sheets(&plan).len(), 2);
    let mut place = LadderPosition::default();
    while let Some(lower) = plan.lower(&place) {
        place = lower;
    }
    let mut texts = Vec::new();
    while let Some(OutgoingPart::Text(text)) = plan.sheet(&place) {
        texts.push(text);
        place = plan.next(&place);
    }
    assert_eq!(texts.len(), 101);
    assert_eq!(
        texts[50],
        "✂️ This would be 553 messages; 453 of them are left out here. The whole of it is in /p/.phonework/c-1.jsonl."
    );
    assert!(texts[100].starts_with("[553/553]\n"), "{}", &texts[100][..20]);
}

#[test]
fn what_was_taken_is_not_sent_again_further_down() {
    let lines: Vec<String> = (0..900).map(|n| format!("line {n} of the answer")).collect();
    let plan = SendPlan::of(&Document::new(vec![Block::markdown(lines.join("\n\n"))]), EN);
    // Below the card are several, of which one is taken, then a text, then the file.
    let mut place = plan.lower(&LadderPosition::default()).unwrap();
    assert_eq!(place.rung, Rung::Cards);
    let mut taken = read(&[plan.sheet(&place).unwrap()]);
    place = plan.lower(&plan.next(&place)).unwrap();
    assert_eq!((place.rung, place.cards), (Rung::Text, 1));
    taken.extend(read(&[plan.sheet(&place).unwrap()]));
    place = plan.lower(&plan.next(&place)).unwrap();
    assert_eq!((place.rung, place.texts), (Rung::File, 1));
    let Some(OutgoingPart::File { text, .. }) = plan.sheet(&place) else { panic!("{place:?}") };
    taken.push(text);
    let taken = taken.join("\n");
    for line in lines {
        assert_eq!(taken.lines().filter(|taken| *taken == line).count(), 1, "{line}");
    }
    assert_eq!(plan.sheet(&plan.next(&place)), None);
}

#[test]
fn a_place_of_another_plan_is_the_beginning_of_this_one() {
    let (_, document) = typical().remove(0);
    let plan = SendPlan::of(&document, EN);
    let first = plan.sheet(&LadderPosition::default());
    assert_eq!(plan.sheet(&LadderPosition { part: 3, of: 5, ..LadderPosition::default() }), first);
    assert_eq!(plan.sheet(&LadderPosition { part: 7, ..LadderPosition::default() }), first);
    let text = LadderPosition { rung: Rung::Text, ..LadderPosition::default() };
    assert_eq!(plan.sheet(&LadderPosition { taken: 900, ..text.clone() }), plan.sheet(&text));
    let kept: LadderPosition = serde_json::from_str(&serde_json::to_string(&text).unwrap()).unwrap();
    assert_eq!(kept, text);
}

#[test]
fn a_picture_is_one_card_and_shows_the_end_of_what_is_long() {
    let text = "```rust\n".to_owned() + &"line of code\n".repeat(100_000);
    let document = |tool: &str, end: &str| {
        let stream = Block::Stream { text: format!("{text}{end}") };
        Document::new(vec![Block::small(tool), stream]).headed(Tone::Working, "Working")
    };
    let shown = moment(&document("Bash ls", "END"), EN, true);
    let json = card(&shown.card);
    assert_eq!(json["config"]["streaming_mode"], true);
    assert_eq!(json["body"]["elements"][1]["element_id"], STREAM);
    let stream = shown.stream.unwrap();
    assert_eq!(json["body"]["elements"][1]["content"], stream.as_str());
    assert!(
        stream.starts_with("…\n\n```rust\nline") && stream.ends_with("line of code\nEND\n```"),
        "{stream}"
    );
    assert_eq!(moment(&document("Bash ls", "END."), EN, true).shape, shown.shape);
    assert_ne!(moment(&document("Bash pwd", "END"), EN, true).shape, shown.shape);
    assert_eq!(
        card(&moment(&document("Bash ls", "END"), EN, false).card)["config"]["streaming_mode"],
        Value::Null
    );
}

#[test]
fn a_card_whose_words_come_below_says_so() {
    let said = [Language::En, Language::Zh].map(|language| cards::flatten(&card(&below(Words(language)))));
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_growing_text_is_mostly_one_that_the_text_before_begins() {
    let line = "some words that Claude writes, one after the other\n\n";
    let streamed = |length: usize| {
        let text = line.repeat(600)[..length].trim_end().to_owned();
        moment(&Document::new(vec![Block::Stream { text }]), EN, true).stream.unwrap()
    };
    let pictures: Vec<String> = (1..290).map(|n| streamed(n * 100)).collect();
    let swapped = pictures.windows(2).filter(|pair| !pair[1].starts_with(&pair[0])).count();
    assert!(swapped <= 5, "{swapped}");
}
