//! For whoever shows a document in a test: whether Feishu takes it, whatever becomes of it on the way.

use super::*;
use crate::render::split::DEFAULT_LIMIT;

/// Looks at what is sent for a document on every rung of the ladder, and at its pictures.
pub(crate) fn is_taken(document: &Document, words: Words) {
    let plan = SendPlan::of(document, words);
    let (mut places, mut seen) = (vec![LadderPosition::default()], Vec::new());
    while let Some(place) = places.pop() {
        let Some(sheet) = plan.sheet(&place).filter(|_| !seen.contains(&place)) else { continue };
        match sheet {
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
        // Of what is many, the first two: from each sheet down are too many ways in a long document.
        if place.part < 2 && place.taken < 2 {
            places.extend(plan.lower(&place));
        }
        places.push(plan.next(&place));
        seen.push(place);
    }
    assert!(!seen.is_empty(), "nothing is sent: {document:#?}");
    for streaming in [false, true] {
        card(&moment(document, words, streaming).card);
    }
}
