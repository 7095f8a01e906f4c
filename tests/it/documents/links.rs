//! What the documents name is there: files of the tree, the places that links lead to, and the commands of the chat.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use phonework::language::Language;
use phonework::words::Words;

use super::root;

/// The Markdown files, with their texts.
fn documents() -> Vec<(PathBuf, String)> {
    let folders = ["", "docs", "docs/pictures"].map(|folder| root().join(folder));
    let mut found: Vec<_> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| (path.clone(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    found.sort();
    found
}

/// Where the links of a text lead: what stands in `](…)`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// The files and folders of the tree that a text names, without what is a pattern or a placeholder.
fn names(text: &str) -> BTreeSet<&str> {
    let of_the_tree = ["src/", "tests/", "docs/", "systemd/", "packaging/", "man/", "completions/", ".ci/"];
    text.split(|c: char| !c.is_ascii_alphanumeric() && !"/._-@*<>{}…".contains(c))
        .map(|word| word.trim_end_matches(['.', '/']))
        .filter(|word| of_the_tree.iter().any(|folder| word.starts_with(folder)))
        .filter(|word| !word.contains(['*', '<', '{', '…']))
        .collect()
}

/// The anchors of a document, as hosts make them of its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    headings
        .map(|heading| heading.trim_start_matches('#').trim().to_lowercase())
        .map(|heading| {
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn every_file_that_a_document_names_is_in_the_tree() {
    let mut missing = Vec::new();
    for (path, text) in documents() {
        let names = names(&text).into_iter().filter(|name| !root().join(name).exists());
        missing.extend(names.map(|name| format!("{}: {name}", path.display())));
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_relative_link_of_a_document_leads_somewhere() {
    let mut broken = Vec::new();
    for (path, text) in documents() {
        let folder = path.parent().unwrap();
        for link in links(&text).filter(|link| !link.contains("://") && !link.starts_with("crate::")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target: PathBuf = if file.is_empty() { path.clone() } else { folder.join(file) };
            let leads = if anchor.is_empty() {
                target.exists()
            } else {
                std::fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(anchor))
            };
            if !leads {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn every_picture_is_shown_in_a_document() {
    let folder = root().join("docs/pictures");
    let shown: BTreeSet<PathBuf> = documents()
        .iter()
        .flat_map(|(path, text)| {
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            links(text).map(move |link| folder.join(link)).collect::<Vec<_>>()
        })
        .collect();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "png") {
            assert!(shown.contains(&path), "no document shows {}", path.display());
        }
    }
}

/// The commands that a text names, without Claude Code's own.
fn commands(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '/');
    words
        .filter(|word| word.starts_with('/') && word.len() > 1 && !["/compact", "/cost"].contains(word))
        .collect()
}

#[test]
fn the_user_guides_list_exactly_the_commands_that_help_names() {
    for (guide, language) in [("user-guide.md", Language::En), ("user-guide.zh.md", Language::Zh)] {
        let guide = std::fs::read_to_string(root().join("docs").join(guide)).unwrap();
        let cells = guide.lines().filter_map(|line| line.strip_prefix("| `/")?.split(" | ").next());
        let listed: Vec<String> = cells.map(|cell| format!("/{cell}")).collect();
        let listed: BTreeSet<_> = listed.iter().flat_map(|cell| commands(cell)).collect();
        let help = Words(language).help();
        let mut known = commands(&help);
        known.insert("/help");
        assert_eq!(listed, known);
    }
}

#[test]
fn the_readers_of_documents_can_tell_right_from_wrong() {
    assert_eq!(names("see `src/lib.rs`, src/chat/ and src/<room>/x.rs"), ["src/lib.rs", "src/chat"].into());
    assert_eq!(links("[a](b.md#c) ![d](e.png)").collect::<Vec<_>>(), ["b.md#c", "e.png"]);
    assert_eq!(commands("/new <dir>: one · /now [n], then /cost"), ["/new", "/now"].into());
    assert_eq!(anchors("# One two\n\n## It's 3, `x`"), ["one-two".to_owned(), "its-3-x".to_owned()].into());
}
