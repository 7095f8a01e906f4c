//! Answers to Claude's questions as people type them.

use crate::claude::wire::Question;

/// What stands for the answer of a question whose answer is with the first one.
const SEE_FIRST: &str = "See the first answer.";

/// Reads what was typed: to one question the whole of it, to several a line each. Where the lines do not fit, the whole
/// of it answers the first.
pub(super) fn answers(questions: &[Question], text: &str) -> Vec<(String, String)> {
    if let [question] = questions {
        return vec![(question.text.clone(), answer(question, text))];
    }
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.len() == questions.len() {
        let pairs = questions.iter().zip(lines);
        return pairs.map(|(question, line)| (question.text.clone(), answer(question, line))).collect();
    }
    let answer = |(n, question): (usize, &Question)| {
        let answer = if n == 0 { text.trim() } else { SEE_FIRST };
        (question.text.clone(), answer.to_owned())
    };
    questions.iter().enumerate().map(answer).collect()
}

/// An option by its number or its label, several with commas between them where several may be chosen, else the person's
/// own words.
fn answer(question: &Question, text: &str) -> String {
    let text = text.trim();
    let whole = option(question, text);
    if let Some(label) = whole {
        return label.to_owned();
    }
    if question.many {
        let parts = text.split([',', '，', '、']).map(str::trim).filter(|part| !part.is_empty());
        let labels: Option<Vec<&str>> = parts.map(|part| option(question, part)).collect();
        if let Some(labels) = labels.filter(|labels| !labels.is_empty()) {
            return labels.join(", ");
        }
    }
    text.to_owned()
}

/// The label that is meant by a label in any case, or by a number from 1.
fn option<'a>(question: &'a Question, text: &str) -> Option<&'a str> {
    let mut labels = question.options.iter().map(|option| option.label.as_str());
    let by_label = labels.clone().find(|label| label.trim().to_lowercase() == text.to_lowercase());
    by_label.or_else(|| labels.nth(text.trim_end_matches('.').parse::<usize>().ok()?.checked_sub(1)?))
}
