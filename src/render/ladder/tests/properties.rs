//! What holds for every document.

use proptest::prelude::*;

use super::*;
use crate::render::plain_text;

fn text() -> impl Strategy<Value = String> {
    let bit = prop::sample::select(vec![
        "word",
        " ",
        "\n",
        "\n\n",
        "字。",
        "**",
        "`",
        "```\n",
        "- ",
        "    - ",
        "> ",
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n",
        "# ",
        "[x](https://e.example)",
        "<at id=all>",
        "\"",
        "\\",
        "\u{1b}",
        "1. ",
        "---\n",
        "😀",
        "https://e.example/a",
    ]);
    let short = prop::collection::vec(bit, 0..30).prop_map(|bits| bits.concat());
    (short, prop_oneof![6 => Just(1usize), 2 => 1usize..60, 1 => 1usize..400])
        .prop_map(|(text, times)| text.repeat(times))
}

fn button() -> impl Strategy<Value = Button> {
    let act = prop_oneof![
        3 => Just(CardAction::RunLate),
        1 => text().prop_map(|directory| CardAction::Open { directory }),
    ];
    (text(), act, prop::option::of(text()))
        .prop_map(|(label, act, confirm)| Button { confirm, ..Button::new(label, ButtonStyle::Plain, act) })
}

fn buttons() -> impl Strategy<Value = Vec<Button>> {
    prop_oneof![4 => prop::collection::vec(button(), 0..4), 1 => button().prop_map(|button| vec![button; 90])]
}

fn field() -> impl Strategy<Value = Field> {
    let name = prop::sample::select(vec!["q0", "q1", "", "submit", "form"]).prop_map(str::to_owned);
    prop_oneof![
        (name.clone(), text(), prop::collection::vec(text(), 0..5), any::<bool>()).prop_map(
            |(name, placeholder, options, many)| Field::Choice { name, placeholder, options, many }
        ),
        (name, text()).prop_map(|(name, placeholder)| Field::Input { name, placeholder }),
        text().prop_map(|text| Field::Label { text }),
    ]
}

fn block() -> impl Strategy<Value = Block> {
    let leaf = prop_oneof![
        3 => text().prop_map(Block::markdown),
        1 => text().prop_map(|text| Block::Stream { text }),
        1 => text().prop_map(Block::text),
        1 => text().prop_map(Block::small),
        1 => text().prop_map(Block::typed_hint),
        1 => (text(), text()).prop_map(|(language, text)| Block::Code { language, text }),
        1 => Just(Block::Rule),
        1 => (text(), prop::option::of(text()), buttons()).prop_map(|(text, small, buttons)| Block::Row { text, small, buttons }),
        1 => buttons().prop_map(|buttons| Block::Buttons { buttons }),
        1 => (prop::collection::vec(field(), 0..6), buttons()).prop_map(|(fields, buttons)| Block::Form { fields, buttons }),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        (text(), prop::collection::vec(inner, 0..4)).prop_map(|(title, blocks)| Block::Fold { title, blocks })
    })
}

fn document() -> impl Strategy<Value = Document> {
    let blocks = prop_oneof![
        4 => prop::collection::vec(block(), 0..8),
        1 => block().prop_map(|block| vec![block; 70]),
    ];
    (blocks, prop::option::of(text()), prop::option::of(text()), any::<bool>(), any::<bool>()).prop_map(
        |(blocks, heading, preview, group, file)| Document {
            heading: heading.map(|text| Heading { text, tone: Tone::Plain }),
            preview,
            blocks,
            group,
            long: if file { LongAnswers::File } else { LongAnswers::Parts },
            name: None,
            full_text_path: None,
        },
    )
}

/// The letters of a text.
fn letters(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|c| c.is_alphabetic())
}

/// The text of all messages.
fn sent(messages: &[OutgoingPart]) -> String {
    let words = |message: &OutgoingPart| match message {
        OutgoingPart::File { text, .. } => text.clone(),
        OutgoingPart::Card(_) | OutgoingPart::Text(_) => read(std::slice::from_ref(message)).concat(),
    };
    messages.iter().map(words).collect()
}

proptest! {
    // Each case lays out a document several times.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn feishu_accepts_every_card_and_every_way_down_ends(document in document()) {
        let plan = SendPlan::of(&document, EN);
        let mut position = LadderPosition::default();
        let mut parts = 0;
        while plan.message(&position).is_some() {
            parts += 1;
            prop_assert!(parts <= 25);
            // Down all rungs, with some messages accepted on each.
            let mut lower = Some(position.clone());
            let mut steps = 0;
            while let Some(at) = lower {
                if at.part != position.part {
                    break;
                }
                match plan.message(&at) {
                    Some(OutgoingPart::Card(json)) => drop(card(&json)),
                    Some(OutgoingPart::Text(text)) => prop_assert!(!text.is_empty() && text.chars().count() <= split::DEFAULT_LIMIT),
                    Some(OutgoingPart::File { .. }) => {}
                    None => prop_assert!(false, "nothing at {at:?}"),
                }
                let next = plan.next(&at);
                let next = if next.part == at.part && steps % 2 == 0 { next } else { at };
                lower = plan.lower(&next);
                steps += 1;
                prop_assert!(steps < 12);
            }
            // On to the next part of the document.
            let mut next = position.clone();
            while next.part == position.part {
                if let Some(OutgoingPart::Card(json)) = plan.message(&next) {
                    card(&json);
                }
                next = plan.next(&next);
            }
            position = next;
        }
    }

    #[test]
    fn no_letter_is_missing_on_any_rung(document in document()) {
        let plan = SendPlan::of(&document, EN);
        let whole: String = document.blocks.iter().filter_map(|block| match block {
            Block::Markdown { text } | Block::Stream { text } => Some(text.replace("https", "").replace("example", "")),
            Block::Text { text } | Block::Small { text } | Block::TypedHint { text } | Block::Code { text, .. } => Some(text.clone()),
            Block::Row { text, .. } => Some(text.clone()),
            Block::Fold { .. } | Block::Rule | Block::Buttons { .. } | Block::Form { .. } => None,
        }).collect();
        let mut all = sent(&messages(&plan)).chars().collect::<Vec<_>>().into_iter();
        for letter in letters(&whole) {
            prop_assert!(all.any(|other| other == letter), "{letter} of {whole:?}");
        }
    }

    #[test]
    fn a_snapshot_always_fits(document in document(), streaming in any::<bool>()) {
        let shown = snapshot(&document, EN, streaming);
        card(&shown.card);
    }

    #[test]
    fn the_last_rung_has_the_full_text(document in document()) {
        let plan = SendPlan::of(&document, EN);
        let mut position = LadderPosition::default();
        while let Some(lower) = plan.lower(&position) {
            position = lower;
        }
        let source = plain_text::of(&document);
        if position.part == 0 && position.rung == Rung::File {
            let Some(OutgoingPart::File { text, .. }) = plan.message(&position) else { panic!("{position:?}") };
            if plan.message(&plan.next(&position)).is_none() {
                prop_assert_eq!(text, source);
            }
        }
    }
}
