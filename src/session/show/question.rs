//! The card of Claude's questions: a button for each option where that is enough, else a form. Pure.

use jiff::Zoned;

use super::{TurnContext, one_line, request::decide};
use crate::{
    card_action::{CardAction, RequestRef, Verdict, chosen_field, words_field},
    claude::wire::{Question, QuestionOption},
    render::document::{Block, Button, ButtonStyle, Document, Field, Tone},
};

/// So many options are buttons; more of them are a list to choose from.
const MOST_BUTTONS: usize = 4;
/// Feishu shows so many characters of a button's label.
const LABEL: usize = 100;

pub(super) fn asking(
    scene: &TurnContext,
    questions: &[Question],
    until: &Zoned,
    about: &RequestRef,
) -> Document {
    let words = scene.words;
    let mut blocks = match questions {
        [one] if !one.many && one.options.len() <= MOST_BUTTONS => with_buttons(scene, one, about),
        _ => vec![form(scene, questions, about)],
    };
    blocks.push(Block::small(words.answer_until(&scene.clock(until))));
    blocks.push(Block::typed(match questions {
        [one] => words.answer_typed(one.many),
        several => words.answers_typed(several.len()),
    }));
    let head = words.question_head(questions.len(), &scene.project_name());
    let preview = questions.first().map(|question| format!("❓ {}", one_line(&question.text, 80)));
    Document { preview, ..Document::new(blocks).headed(Tone::Asking, head) }
}

/// What was asked, without the options.
pub(super) fn questions(questions: &[Question]) -> Vec<Block> {
    questions.iter().map(|question| Block::markdown(&question.text)).collect()
}

/// What was asked and answered.
pub(super) fn answers(answers: &[(String, String)]) -> Vec<Block> {
    answers
        .iter()
        .flat_map(|(question, answer)| [Block::markdown(question), Block::text(format!("→ {answer}"))])
        .collect()
}

fn with_buttons(scene: &TurnContext, question: &Question, about: &RequestRef) -> Vec<Block> {
    let mut blocks = vec![Block::markdown(&question.text)];
    let button = |(at, label): (usize, &str)| {
        let look = if at == 0 { ButtonStyle::Primary } else { ButtonStyle::Plain };
        Button::new(
            one_line(label, LABEL),
            look,
            CardAction::Answer { about: about.clone(), option: Some(at) },
        )
    };
    if question.options.iter().any(|option| !option.description.is_empty()) {
        for (at, QuestionOption { label, description }) in question.options.iter().enumerate() {
            blocks.push(Block::Buttons { buttons: vec![button((at, label))] });
            blocks.extend((!description.is_empty()).then(|| Block::small(description)));
        }
    } else if !question.options.is_empty() {
        let labels = question.options.iter().map(|option| option.label.as_str()).enumerate();
        blocks.push(Block::Buttons { buttons: labels.map(button).collect() });
    }
    let field = Field::Words { name: words_field(0), placeholder: scene.words.own_words_hint() };
    blocks.push(Block::Form { fields: vec![field], buttons: submit(scene, about, ButtonStyle::Plain) });
    blocks
}

fn form(scene: &TurnContext, questions: &[Question], about: &RequestRef) -> Block {
    let words = scene.words;
    let fields = questions.iter().enumerate().flat_map(|(n, question)| {
        let label = Field::Label { text: described(question, (questions.len() > 1).then_some(n + 1)) };
        // What is chosen comes back as its text, which has to be one option's.
        let mut options: Vec<String> = Vec::new();
        for QuestionOption { label, .. } in &question.options {
            if !options.contains(label) {
                options.push(label.clone());
            }
        }
        let choice = (!options.is_empty()).then(|| Field::Choice {
            name: chosen_field(n),
            placeholder: words.choose_hint(question.many),
            options,
            many: question.many,
        });
        let own = Field::Words { name: words_field(n), placeholder: words.own_words_hint() };
        [label].into_iter().chain(choice).chain([own])
    });
    Block::Form { fields: fields.collect(), buttons: submit(scene, about, ButtonStyle::Primary) }
}

/// A question and what its options mean, numbered as they are typed.
fn described(question: &Question, number: Option<usize>) -> String {
    let number = number.map(|number| format!("**{number}.** ")).unwrap_or_default();
    let mut text = match question.header.trim() {
        "" => format!("{number}{}", question.text),
        header => format!("{number}**{}** {}", one_line(header, 40), question.text),
    };
    text.push('\n');
    for (at, QuestionOption { label, description }) in question.options.iter().enumerate() {
        let colon = if description.is_empty() { "" } else { ": " };
        text.push_str(&format!("\n{}. {label}{colon}{description}", at + 1));
    }
    text
}

fn submit(scene: &TurnContext, about: &RequestRef, look: ButtonStyle) -> Vec<Button> {
    let answer = CardAction::Answer { about: about.clone(), option: None };
    vec![
        Button::new(scene.words.answer_button(), look, answer),
        decide(scene.words.skip_button(), ButtonStyle::Plain, about, Verdict::Deny),
    ]
}
