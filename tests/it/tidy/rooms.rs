//! The rooms of the house: the modules at the top of `src`, and which of them names which.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Source, is_word};

/// From a room to the rooms that its code names, and in how many files.
pub(super) type Arrows = BTreeMap<String, BTreeMap<String, usize>>;

/// The room that a file of `src` belongs to; none for the crate's own two files.
pub(super) fn room_of(name: &str) -> Option<&str> {
    let path = name.strip_prefix("src/")?.strip_suffix(".rs")?;
    let room = path.split('/').next()?;
    (!matches!(room, "lib" | "main")).then_some(room)
}

/// All rooms, and the arrows between them. Tests may look where they want.
pub(super) fn arrows(sources: &[Source]) -> Arrows {
    let rooms = sources.iter().filter_map(|source| room_of(&source.name));
    let mut arrows: Arrows = rooms.map(|room| (room.to_owned(), BTreeMap::new())).collect();
    let names: BTreeSet<String> = arrows.keys().cloned().collect();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let Some(room) = room_of(&source.name) else { continue };
        for other in named(source).intersection(&names).filter(|other| *other != room) {
            *arrows.entry(room.to_owned()).or_default().entry(other.clone()).or_default() += 1;
        }
    }
    arrows
}

/// What the code names at the top of the crate: `crate::chat`, `crate::{chat, ids}`, or as many `super` as lead there.
pub(super) fn named(source: &Source) -> BTreeSet<String> {
    let path = source.name.trim_start_matches("src/").trim_end_matches(".rs");
    let up = "super::".repeat(path.split('/').count());
    let mut named = BTreeSet::new();
    for start in ["crate::", up.as_str()] {
        for (at, _) in source.code.match_indices(start) {
            // `$crate::` is as good; a longer chain of `super` would lead out of the crate.
            let before = source.code[..at].chars().next_back();
            if before.is_some_and(|c| is_word(c) || c == ':') {
                continue;
            }
            let after = &source.code[at + start.len()..];
            match after.strip_prefix('{') {
                Some(list) => named.extend(heads(list)),
                None => named.extend(word(after)),
            }
        }
    }
    named
}

/// The first words of the paths in a list that was opened.
fn heads(list: &str) -> Vec<String> {
    let (mut depth, mut heads, mut begins) = (0_usize, Vec::new(), true);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            _ if begins && is_word(c) => {
                heads.extend(word(&list[at..]));
                begins = false;
            }
            _ => {}
        }
    }
    heads
}

fn word(text: &str) -> Option<String> {
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

/// Rooms that name each other, directly or on the way round: each circle once.
pub(super) fn circles(arrows: &Arrows) -> Vec<Vec<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> =
        arrows.keys().map(|room| (room, reached(arrows, room))).collect();
    let mut circles: BTreeSet<Vec<String>> = BTreeSet::new();
    for (room, from) in &reach {
        let others = from.iter().filter(|other| reach.get(*other).is_some_and(|back| back.contains(room)));
        let circle: BTreeSet<String> = others.map(|other| (*other).clone()).collect();
        circles.extend((circle.len() > 1).then(|| circle.into_iter().collect()));
    }
    circles.into_iter().collect()
}

fn reached<'a>(arrows: &'a Arrows, from: &str) -> BTreeSet<&'a String> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(room) = next.pop() {
        for other in arrows.get(room).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(other) {
                next.push(other);
            }
        }
    }
    reached
}

/// The arrows that run back: the fewest mentions without which there would be no circle.
pub(super) fn arrows_back(arrows: &Arrows) -> Vec<(String, String, usize)> {
    circles(arrows).iter().flat_map(|circle| back_in(arrows, circle)).collect()
}

/// Tries every order of a circle's rooms, sharing what sets of rooms have in common.
fn back_in(arrows: &Arrows, circle: &[String]) -> Vec<(String, String, usize)> {
    const MOST: usize = 20;
    if circle.len() > MOST {
        return Vec::new();
    }
    let weight = |from: usize, to: usize| {
        arrows.get(&circle[from]).and_then(|others| others.get(&circle[to])).copied().unwrap_or(0)
    };
    // For each set of rooms that stand below: the fewest mentions that run from it upwards, and its topmost room.
    let mut best = vec![(usize::MAX, 0); 1 << circle.len()];
    best[0] = (0, 0);
    for set in 0..best.len() {
        let members = || (0..circle.len()).filter(move |room| set & (1 << room) != 0);
        for room in (0..circle.len()).filter(|room| set & (1 << room) == 0) {
            // The room stands on all of the set: what those below say of it runs back.
            let back: usize = members().map(|below| weight(below, room)).sum();
            let with = best[set].0.saturating_add(back);
            let next = &mut best[set | (1 << room)];
            if with < next.0 {
                *next = (with, room);
            }
        }
    }
    let (mut back, mut set) = (Vec::new(), best.len() - 1);
    while set > 0 {
        let top = best[set].1;
        set &= !(1 << top);
        for below in (0..circle.len()).filter(|room| set & (1 << room) != 0) {
            let files = weight(below, top);
            if files > 0 {
                back.push((circle[below].clone(), circle[top].clone(), files));
            }
        }
    }
    back.sort();
    back
}
