//! For whoever shows a document in a test: whether Feishu takes it, whatever becomes of it on the way.

use super::*;
use crate::render::split::DEFAULT_LIMIT;

/// Looks at what is sent for a document at every place of the ladder that it can come to, and at its pictures.
pub(crate) fn is_taken(document: &Document, words: Words) {
    let plan = Plan::of(document, words);
    let (mut places, mut seen) = (vec![Place::default()], Vec::new());
    while let Some(place) = places.pop() {
        let Some(sheet) = plan.sheet(&place).filter(|_| !seen.contains(&place)) else { continue };
        match sheet {
            Sheet::Card(json) => {
                card(&json);
            }
            Sheet::Text(text) => {
                assert!(!text.trim().is_empty() && text.chars().count() <= DEFAULT_LIMIT, "{text}");
            }
            Sheet::File { name, text } => assert!(!name.is_empty() && !text.is_empty(), "{name}: {text}"),
        }
        places.extend(plan.lower(&place));
        places.push(plan.next(&place));
        seen.push(place);
        assert!(seen.len() < 1_000, "{document:#?}");
    }
    assert!(!seen.is_empty(), "nothing is sent: {document:#?}");
    for streaming in [false, true] {
        card(&moment(document, words, streaming).card);
    }
}
