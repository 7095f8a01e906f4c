//! For the tests of other modules that make documents: a check that Feishu accepts them on every rung.

use super::*;
use crate::render::split::DEFAULT_LIMIT;

/// Checks the messages of a document on every rung of the ladder, and its snapshots.
pub(crate) fn assert_accepted(document: &Document, words: Words) {
    let plan = SendPlan::of(document, words);
    let (mut positions, mut seen) = (vec![LadderPosition::default()], Vec::new());
    while let Some(position) = positions.pop() {
        let Some(message) = plan.message(&position).filter(|_| !seen.contains(&position)) else { continue };
        match message {
            OutgoingPart::Card(json) => {
                card(&json);
            }
            OutgoingPart::Text(text) => {
                assert!(!text.trim().is_empty() && text.chars().count() <= DEFAULT_LIMIT, "{text}");
            }
            OutgoingPart::File { name, text } => {
                assert!(!name.is_empty() && !text.is_empty(), "{name}: {text}")
            }
        }
        // Only from the first two parts and messages: a long document has too many ways down.
        if position.part < 2 && position.taken < 2 {
            positions.extend(plan.lower(&position));
        }
        positions.push(plan.next(&position));
        seen.push(position);
    }
    assert!(!seen.is_empty(), "nothing is sent: {document:#?}");
    for streaming in [false, true] {
        card(&snapshot(document, words, streaming).card);
    }
}
