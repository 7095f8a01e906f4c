//! The card of Claude's questions: a button for each option if that is enough, or else a form. Pure.

use jiff::Zoned;

use super::{TurnContext, one_line, request::decide};
use crate::{
    card_action::{CardAction, RequestRef, Verdict, chosen_field, typed_field},
    claude::wire::{Question, QuestionOption},
    render::document::{Block, Button, ButtonStyle, Document, Field, Tone},
    render::fenced,
};

/// Maximum number of options that are shown as buttons; more become a menu.
const MAX_OPTION_BUTTONS: usize = 4;
/// Characters of a label that fit on a button of a phone without wrapping.
const MAX_BUTTON_CHARS: usize = 30;
/// Characters of a button's label that Feishu shows.
const MAX_LABEL_CHARS: usize = 100;

pub(super) fn asking(
    context: &TurnContext,
    questions: &[Question],
    until: &Zoned,
    about: &RequestRef,
) -> Document {
    let words = context.words;
    let mut blocks = match questions {
        [one] if !one.many && one.options.len() <= MAX_OPTION_BUTTONS => with_buttons(context, one, about),
        _ => vec![form(context, questions, about)],
    };
    blocks.push(Block::small(words.answer_until(&context.clock(until))));
    blocks.push(Block::typed_hint(match questions {
        [one] => words.answer_typed(one.many),
        several => words.answers_typed(several.len()),
    }));
    let head = words.question_head(questions.len(), &context.project_name());
    let preview = questions.first().map(|question| format!("❓ {}", one_line(&question.text, 80)));
    Document { preview, ..Document::new(blocks).headed(Tone::Asking, head) }
}

/// The questions without their options.
pub(super) fn questions(questions: &[Question]) -> Vec<Block> {
    questions.iter().map(|question| Block::markdown(&question.text)).collect()
}

/// The questions with their answers.
pub(super) fn answers(answers: &[(String, String)]) -> Vec<Block> {
    answers
        .iter()
        .flat_map(|(question, answer)| [Block::markdown(question), Block::text(format!("→ {answer}"))])
        .collect()
}

fn with_buttons(context: &TurnContext, question: &Question, about: &RequestRef) -> Vec<Block> {
    let mut blocks = vec![Block::markdown(&question.text)];
    let button = |(at, label): (usize, &str)| {
        let style = if at == 0 { ButtonStyle::Primary } else { ButtonStyle::Plain };
        Button::new(
            one_line(label, MAX_LABEL_CHARS),
            style,
            CardAction::Answer { about: about.clone(), option: Some(at) },
        )
    };
    if is_numbered(question) {
        let numbers = (0..question.options.len()).map(|at| (at + 1).to_string());
        for (number, option) in numbers.clone().zip(&question.options) {
            blocks.push(Block::text(format!("{number}. {}", option.label)));
            blocks.extend((!option.description.is_empty()).then(|| Block::small(&option.description)));
            blocks.extend((!option.preview.is_empty()).then(|| Block::code("", &option.preview)));
        }
        let buttons = numbers.enumerate().map(|(at, number)| button((at, &number))).collect();
        blocks.push(Block::Buttons { buttons });
    } else if question.options.iter().any(|option| !option.description.is_empty()) {
        for (at, QuestionOption { label, description, .. }) in question.options.iter().enumerate() {
            blocks.push(Block::Buttons { buttons: vec![button((at, label))] });
            blocks.extend((!description.is_empty()).then(|| Block::small(description)));
        }
    } else if !question.options.is_empty() {
        let labels = question.options.iter().map(|option| option.label.as_str()).enumerate();
        blocks.push(Block::Buttons { buttons: labels.map(button).collect() });
    }
    let field = Field::Input { name: typed_field(0), placeholder: context.words.own_words_hint() };
    blocks.push(Block::Form { fields: vec![field], buttons: submit(context, about, ButtonStyle::Plain) });
    blocks
}

fn form(context: &TurnContext, questions: &[Question], about: &RequestRef) -> Block {
    let words = context.words;
    let fields = questions.iter().enumerate().flat_map(|(n, question)| {
        let label = Field::Label { text: described(question, (questions.len() > 1).then_some(n + 1)) };
        // A press reports the text of an option, so no two options may have the same.
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
        let own = Field::Input { name: typed_field(n), placeholder: words.own_words_hint() };
        [label].into_iter().chain(choice).chain([own])
    });
    Block::Form { fields: fields.collect(), buttons: submit(context, about, ButtonStyle::Primary) }
}

/// Whether the options are numbered in the text, and only their numbers are on the buttons: if a button would not show all
/// of a label, or if there is more to show than labels and descriptions.
fn is_numbered(question: &Question) -> bool {
    let is_long = |option: &QuestionOption| option.label.chars().count() > MAX_BUTTON_CHARS;
    question.options.iter().any(|option| is_long(option) || !option.preview.is_empty())
}

/// A question and its options with their descriptions, numbered as they can be typed.
fn described(question: &Question, number: Option<usize>) -> String {
    let number = number.map(|number| format!("**{number}.** ")).unwrap_or_default();
    let mut text = match question.header.trim() {
        "" => format!("{number}{}", question.text),
        header => format!("{number}**{}** {}", one_line(header, 40), question.text),
    };
    text.push('\n');
    for (at, QuestionOption { label, description, preview }) in question.options.iter().enumerate() {
        let colon = if description.is_empty() { "" } else { ": " };
        text.push_str(&format!("\n{}. {label}{colon}{description}", at + 1));
        if !preview.is_empty() {
            let preview = fenced("", preview).replace('\n', "\n   ");
            text.push_str(&format!("\n   {preview}"));
        }
    }
    text
}

/// The buttons that send the answers or skip the questions.
fn submit(context: &TurnContext, about: &RequestRef, style: ButtonStyle) -> Vec<Button> {
    let answer = CardAction::Answer { about: about.clone(), option: None };
    vec![
        Button::new(context.words.answer_button(), style, answer),
        decide(context.words.skip_button(), ButtonStyle::Plain, about, Verdict::Deny),
    ]
}
