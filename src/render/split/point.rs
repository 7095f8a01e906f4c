//! Where a line that no part holds whole may be cut.

use super::fence::fence_line;

/// How far back from the hard limit a cut through a long line looks for a place that splits no cluster of characters.
const CLUSTER: usize = 32;

/// Where to cut a line of which `limit` bytes, `chars` characters, fit: behind a blank or a full stop in the last
/// quarter, else as late as the characters there allow.
pub(super) fn cut_point(line: &str, limit: usize, chars: usize) -> usize {
    let mut latest = None;
    let backwards = line[..limit].char_indices().rev();
    for (back, (start, before)) in backwards.enumerate() {
        let cut = start + before.len_utf8();
        if back > (chars / 4).max(CLUSTER) || back + 1 >= chars {
            break;
        }
        let is_good = back <= chars / 4 && (before.is_whitespace() || "。，、；：！？".contains(before));
        let is_possible = back <= CLUSTER && latest.is_none();
        if (is_good || is_possible) && may_cut(line, cut) {
            if is_good {
                return cut;
            }
            latest = Some(cut);
        }
    }
    latest.unwrap_or(limit)
}

/// Whether a line may be cut at this byte: not inside what a person sees as one character, and not so that the rest
/// looks like a fence. Cheap: no tables beyond the common cases.
fn may_cut(line: &str, at: usize) -> bool {
    let (before, after) = line.split_at(at);
    let (Some(last), Some(next)) = (before.chars().next_back(), after.chars().next()) else { return true };
    let joined = last == '\u{200d}'
        || last == '\r'
        || matches!(u32::from(next),
            0x300..=0x36f | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x200d | 0x20d0..=0x20ff
            | 0xfe00..=0xfe0f | 0xfe20..=0xfe2f | 0x1_f3fb..=0x1_f3ff | 0xe_0020..=0xe_007f
            | 0xe_0100..=0xe_01ef);
    // No more than six characters, as the rest may be long.
    let head = after.char_indices().nth(6).map_or(after, |(end, _)| &after[..end]);
    if joined || fence_line(head).is_some() {
        return false;
    }
    // Two regional indicators make a flag; the pieces before were cut between flags, so the line's start counts.
    let is_regional = |c: &char| matches!(u32::from(*c), 0x1_f1e6..=0x1_f1ff);
    !is_regional(&next) || before.chars().rev().take_while(is_regional).count() % 2 == 0
}
