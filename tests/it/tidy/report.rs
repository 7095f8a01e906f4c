//! The structure of a tree in one table, to be held against that of another commit.

use std::fmt::Write as _;
use std::path::Path;

use super::items::{self, PubItem};
use super::rooms;
use super::source::{Source, sources};

/// A file with more lines of code has two jobs.
pub(super) const MAX_LINES: usize = 400;
/// A file with fewer may be a sliver.
const FEW_LINES: usize = 100;
/// A doc comment with so few words says nothing.
const FEW_WORDS: usize = 3;
/// The longest functions that are listed.
const LONGEST: usize = 10;

/// The figures, one a line, each with what it counts below it where the list is asked for.
pub(super) fn report(root: &Path, with_lists: bool) -> String {
    let sources = sources(root, "src");
    let users = users(root, &sources);
    let mut rows: Vec<(&str, usize, Vec<String>)> = Vec::new();

    let arrows = rooms::arrows(&sources);
    let listed = arrows.iter().map(|(room, others)| {
        let others: Vec<_> = others.iter().map(|(other, files)| format!("{other} {files}")).collect();
        format!("{room} -> {}", others.join(", "))
    });
    rows.push(("rooms", arrows.len(), arrows.keys().cloned().collect()));
    rows.push(("arrows between rooms", arrows.values().map(|others| others.len()).sum(), listed.collect()));
    let circles = rooms::circles(&arrows);
    rows.push(("circles of rooms", circles.len(), circles.iter().map(|circle| circle.join(" ")).collect()));
    let back = rooms::arrows_back(&arrows);
    let listed = back.iter().map(|(from, to, files)| format!("{from} -> {to} in {files} files"));
    rows.push(("arrows that run back", back.len(), listed.collect()));

    let types = items::types(&sources);
    let several: Vec<_> = types.iter().filter(|(_, places)| places.len() > 1).collect();
    let definitions = several.iter().map(|(_, places)| places.len()).sum();
    let listed: Vec<_> = several
        .iter()
        .map(|(name, places)| format!("{name} {}: {}", places.len(), places.join(" ")))
        .collect();
    rows.push(("types", types.values().map(Vec::len).sum(), Vec::new()));
    rows.push(("type names", types.len(), Vec::new()));
    rows.push(("type names that stand for several types", several.len(), listed));
    rows.push(("types that share their name", definitions, Vec::new()));

    let pub_items = items::pub_items(&sources);
    let (nobody, alone) = (unneeded(&sources, &users), unnamed(root, &sources));
    rows.push(("pub items", pub_items.len(), Vec::new()));
    rows.push(("pub items that no user of the library needs", nobody.len(), nobody));
    rows.push(("pub items that no other file names", alone.len(), alone));

    let short = items::short_docs(&sources, FEW_WORDS);
    let listed = short.iter().map(|(place, words)| format!("{place} {words}"));
    rows.push(("doc comments of three words or fewer", short.len(), listed.collect()));

    let files: Vec<_> = sources.iter().filter(|source| !source.is_test()).collect();
    let sized = |is: &dyn Fn(usize) -> bool| {
        let mut sized: Vec<_> = files.iter().map(|file| (file.lines_of_code(), &file.name)).collect();
        sized.retain(|(lines, _)| is(*lines));
        sized.sort();
        sized.iter().map(|(lines, name)| format!("{name} {lines}")).collect::<Vec<_>>()
    };
    let (few, many) = (sized(&|lines| lines < FEW_LINES), sized(&|lines| lines > MAX_LINES));
    rows.push(("files", files.len(), Vec::new()));
    rows.push(("lines of code", files.iter().map(|file| file.lines_of_code()).sum(), Vec::new()));
    rows.push(("files under 100 lines of code", few.len(), few));
    rows.push(("files over 400 lines of code", many.len(), many));
    let functions = items::functions(&sources);
    let longest = functions.iter().take(LONGEST);
    let longest = longest.map(|(lines, name, place)| format!("{place} {name} {lines}")).collect();
    rows.push(("lines of the longest function", functions.first().map_or(0, |first| first.0), longest));

    let mut table = String::new();
    for (what, figure, list) in rows {
        let _ = writeln!(table, "{what:<46}{figure:>7}");
        for line in list.iter().filter(|_| with_lists) {
            let _ = writeln!(table, "    {line}");
        }
    }
    table
}

/// The `pub` items that none of the library's users needs, with their places.
pub(super) fn unneeded(product: &[Source], users: &[Source]) -> Vec<String> {
    let (items, seen) = (items::pub_items(product), items::associated_types(product));
    items::needed_by_nobody(&items, users, &seen).into_iter().map(listed).collect()
}

/// The `pub` items that no other file of the package names, with their places.
pub(super) fn unnamed(root: &Path, product: &[Source]) -> Vec<String> {
    let items = items::pub_items(product);
    let everything: Vec<_> = ["src", "tests"].iter().flat_map(|folder| sources(root, folder)).collect();
    items::named_by_nobody(&items, &items::words(&everything)).into_iter().map(listed).collect()
}

fn listed(item: &PubItem) -> String {
    format!("{} {}", item.place, item.name)
}

/// What uses the library from outside: the program, the tests, the benches, the fuzz targets.
pub(super) fn users(root: &Path, sources: &[Source]) -> Vec<Source> {
    let program = sources.iter().find(|source| source.name == "src/main.rs");
    let program = program.map(|source| Source::new(&source.name, &source.text));
    self::sources(root, "tests").into_iter().chain(program).collect()
}
