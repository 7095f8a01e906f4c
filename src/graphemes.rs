//! Where a text may be cut: between two characters as a person sees them (grapheme clusters), never inside an emoji of
//! several code points or between a letter and its accent. Pure.

use unicode_segmentation::GraphemeCursor;

/// Whether a cut at this byte, which is a character boundary, divides no grapheme cluster.
pub(crate) fn is_boundary(text: &str, at: usize) -> bool {
    // With the whole text at hand, nothing is ever incomplete.
    GraphemeCursor::new(at, text.len(), true).is_boundary(text, 0).unwrap_or(true)
}

/// The last grapheme boundary at or before this byte. If a single cluster is longer than that, it is cut between two code
/// points.
pub(crate) fn floor(text: &str, at: usize) -> usize {
    let at = text.floor_char_boundary(at);
    if is_boundary(text, at) {
        return at;
    }
    match GraphemeCursor::new(at, text.len(), true).prev_boundary(text, 0) {
        Ok(Some(before)) if before > 0 => before,
        Ok(_) | Err(_) => at,
    }
}

/// The first grapheme boundary at or after this byte.
pub(crate) fn ceil(text: &str, at: usize) -> usize {
    let at = text.ceil_char_boundary(at);
    if is_boundary(text, at) {
        return at;
    }
    match GraphemeCursor::new(at, text.len(), true).next_boundary(text, 0) {
        Ok(Some(after)) => after,
        Ok(None) | Err(_) => text.len(),
    }
}

/// At most `max_chars` characters of a text, without cutting a grapheme cluster; and whether that is all of it.
pub(crate) fn first_chars(text: &str, max_chars: usize) -> (&str, bool) {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => (&text[..floor(text, end)], false),
        None => (text, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_sees_as_one_character_is_never_cut() {
        let clusters = [
            "👨\u{200d}👩\u{200d}👧\u{200d}👦",
            "🇨🇳",
            "👍\u{1f3fd}",
            "e\u{301}",
            "❤\u{fe0f}\u{200d}🔥",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "1\u{fe0f}\u{20e3}",
            "각",
            "क्षि",
            "\r\n",
            "ກໍາ",
        ];
        for cluster in clusters {
            let text = format!("ab{cluster}{cluster}c");
            for at in 0..=text.len() {
                for cut in [floor(&text, at), ceil(&text, at)] {
                    assert!(is_boundary(&text, cut), "{cluster:?} at {at}: {cut}");
                }
                assert!(floor(&text, at) <= at && at <= ceil(&text, at));
            }
            for length in 0..text.chars().count() {
                let (first, _) = first_chars(&text, length);
                assert!(is_boundary(&text, first.len()) && first.chars().count() <= length);
            }
        }
    }

    #[test]
    fn an_endless_cluster_is_cut_all_the_same() {
        let text = format!("e{}", "\u{301}".repeat(1_000));
        assert_eq!(floor(&text, 500), text.floor_char_boundary(500));
        assert_eq!(ceil(&text, 500), text.len());
    }
}
