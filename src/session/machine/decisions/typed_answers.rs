//! Reads answers to Claude's questions as people type them.

use crate::claude::wire::Question;

/// Stands in for the answer to a question that was answered together with the first one.
const SEE_FIRST: &str = "See the first answer.";

/// Pairs of a question's text and its answer. The whole text answers a single question; several questions are answered
/// by a line each. If the number of lines does not fit, the whole text answers the first question.
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

/// The answer to one question: an option by its number or label, or several of them with commas in between if several
/// may be chosen; otherwise the person's own words.
fn answer(question: &Question, text: &str) -> String {
    let text = text.trim();
    if let Some(label) = option(question, text) {
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

/// The label of the option with this label, in upper or lower case, or with this number, from 1.
fn option<'a>(question: &'a Question, text: &str) -> Option<&'a str> {
    let mut labels = question.options.iter().map(|option| option.label.as_str());
    let by_label = labels.clone().find(|label| label.trim().to_lowercase() == text.to_lowercase());
    by_label.or_else(|| labels.nth(text.trim_end_matches('.').parse::<usize>().ok()?.checked_sub(1)?))
}
