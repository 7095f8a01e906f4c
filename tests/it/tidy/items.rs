//! What the code of `src` defines: types, `pub` items, functions; and its doc comments.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Source, is_word};

type Token<'a> = (usize, &'a str);

/// Where each type name is defined, as `src/mail.rs:12`: structs, enums, traits and aliases.
pub(super) fn types(sources: &[Source]) -> BTreeMap<String, Vec<String>> {
    let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let tokens = source.tokens();
        let associated = associated(&tokens);
        for (at, window) in tokens.windows(2).enumerate() {
            let [(line, keyword), (_, name)] = window else { continue };
            let defines = match *keyword {
                "struct" | "enum" | "trait" => true,
                "type" => !associated.contains(&at),
                _ => false,
            };
            if defines && name.starts_with(char::is_uppercase) {
                types.entry((*name).to_owned()).or_default().push(format!("{}:{line}", source.name));
            }
        }
    }
    types
}

/// The places of the tokens that stand right in the block of an `impl` or a trait: a `type` there is an associated one.
fn associated(tokens: &[Token<'_>]) -> BTreeSet<usize> {
    let (mut blocks, mut opens, mut found) = (Vec::new(), false, BTreeSet::new());
    for (at, (_, token)) in tokens.iter().enumerate() {
        match *token {
            // `impl` in a signature stands behind a mark.
            "impl" => opens |= begins_item(tokens, at),
            "trait" => opens = true,
            "{" => blocks.push(std::mem::take(&mut opens)),
            "}" => drop(blocks.pop()),
            ";" => opens = false,
            _ if blocks.last() == Some(&true) => drop(found.insert(at)),
            _ => {}
        }
    }
    found
}

fn begins_item(tokens: &[Token<'_>], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| tokens[before].1);
    before.is_none_or(|before| matches!(before, "}" | ";" | "]" | "{" | "unsafe"))
}

/// An item that is `pub` without bounds.
pub(super) struct PubItem {
    pub(super) name: String,
    /// `src/mail.rs:12`.
    pub(super) place: String,
    /// The words of what others see of it: its signature, its public fields, its variants.
    pub(super) interface: BTreeSet<String>,
}

/// All `pub` functions, types, constants and re-exports. Modules and fields are not counted.
pub(super) fn pub_items(sources: &[Source]) -> Vec<PubItem> {
    let mut items = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let tokens = source.tokens();
        for at in (0..tokens.len()).filter(|&at| tokens[at].1 == "pub") {
            let skipped = ["async", "const", "unsafe", "extern"];
            let mut keyword = at + 1;
            while tokens.get(keyword).is_some_and(|(_, token)| skipped.contains(token))
                && tokens
                    .get(keyword + 1)
                    .is_some_and(|(_, token)| skipped.contains(token) || matches!(*token, "fn" | "trait"))
            {
                keyword += 1;
            }
            let Some(&(line, word)) = tokens.get(keyword) else { continue };
            if !matches!(word, "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static") {
                continue;
            }
            let Some((_, name)) = tokens.get(keyword + 1).filter(|(_, name)| name.starts_with(is_word))
            else {
                continue;
            };
            let interface = interface(word, &tokens[keyword + 2..]);
            let place = format!("{}:{line}", source.name);
            items.push(PubItem { name: (*name).to_owned(), place, interface });
        }
    }
    items
}

/// What others see of an item whose name stands before these tokens.
fn interface(keyword: &str, tokens: &[Token<'_>]) -> BTreeSet<String> {
    let (mut depth, mut seen, mut visible) = (0_usize, BTreeSet::new(), true);
    let (mut angles, mut before) = (0_usize, "");
    for (_, token) in tokens {
        match *token {
            "{" if depth == 0 && keyword == "fn" => break,
            "=" if depth == 0 && matches!(keyword, "const" | "static") => break,
            ";" if depth == 0 => break,
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && *token == "}" {
                    break;
                }
            }
            _ => {}
        }
        match *token {
            "<" => angles += 1,
            // Not of `->`.
            ">" if before != "-" => angles = angles.saturating_sub(1),
            _ => {}
        }
        before = token;
        if keyword == "struct" && depth == 1 && angles == 0 {
            match *token {
                "{" | "(" | "," => visible = false,
                "pub" => visible = true,
                ")" => visible = true,
                _ => {}
            }
        }
        if visible && token.starts_with(is_word) {
            seen.insert((*token).to_owned());
        }
    }
    seen
}

/// The words of all code, with the number of files that each stands in.
pub(super) fn words(sources: &[Source]) -> BTreeMap<String, usize> {
    let mut words = BTreeMap::new();
    for source in sources {
        let own: BTreeSet<&str> =
            source.code.split(|c| !is_word(c)).filter(|word| !word.is_empty()).collect();
        for word in own {
            *words.entry(word.to_owned()).or_default() += 1;
        }
    }
    words
}

/// The words of all associated types: whoever sees the trait sees them.
pub(super) fn associated_types(sources: &[Source]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let tokens = source.tokens();
        for at in associated(&tokens).into_iter().filter(|&at| tokens[at].1 == "type") {
            let words = tokens[at..].iter().map(|(_, token)| *token).take_while(|token| *token != ";");
            seen.extend(words.filter(|word| word.starts_with(is_word)).map(str::to_owned));
        }
    }
    seen
}

/// The `pub` items that none of these users names, nor what others see of one that is needed.
pub(super) fn needed_by_nobody<'a>(
    items: &'a [PubItem],
    users: &[Source],
    seen: &BTreeSet<String>,
) -> Vec<&'a PubItem> {
    let mut needed: BTreeSet<String> = words(users).into_keys().chain(seen.iter().cloned()).collect();
    let mut left: Vec<&PubItem> = items.iter().collect();
    loop {
        let (found, others): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|item| needed.contains(&item.name));
        left = others;
        if found.is_empty() {
            return left;
        }
        needed.extend(found.into_iter().flat_map(|item| item.interface.iter().cloned()));
    }
}

/// The `pub` items that stand in no other file, nor in the interface of another one.
pub(super) fn named_by_nobody<'a>(items: &'a [PubItem], words: &BTreeMap<String, usize>) -> Vec<&'a PubItem> {
    let seen: BTreeSet<&String> = items.iter().flat_map(|item| &item.interface).collect();
    let named =
        |item: &PubItem| words.get(&item.name).is_some_and(|files| *files > 1) || seen.contains(&item.name);
    items.iter().filter(|item| !named(item)).collect()
}

/// The functions, the longest first: lines from `fn` to the closing brace, name, place.
pub(super) fn functions(sources: &[Source]) -> Vec<(usize, String, String)> {
    let mut functions = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let tokens = source.tokens();
        for (at, window) in tokens.windows(2).enumerate() {
            let [(line, "fn"), (_, name)] = window else { continue };
            let (mut depth, mut last) = (0_usize, *line);
            for (line, token) in &tokens[at..] {
                match *token {
                    "{" | "(" | "[" => depth += 1,
                    "}" | ")" | "]" => depth = depth.saturating_sub(1),
                    _ => {}
                }
                last = *line;
                if depth == 0 && matches!(*token, "}" | ";") {
                    break;
                }
            }
            if name.starts_with(is_word) {
                functions.push((last - line + 1, (*name).to_owned(), format!("{}:{line}", source.name)));
            }
        }
    }
    functions.sort_by(|one, other| other.0.cmp(&one.0).then(one.2.cmp(&other.2)));
    functions
}

/// The doc comments of items with at most this number of words, with their places.
pub(super) fn short_docs(sources: &[Source], most: usize) -> Vec<(String, String)> {
    let mut short = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let mut block: Option<(usize, String)> = None;
        let mut code = source.code.lines();
        for (line, text) in source.text.lines().map(str::trim).chain([""]).enumerate() {
            // A comment of something for tests has no code behind it.
            let here = code.next().unwrap_or_default();
            match text.strip_prefix("///").filter(|text| !text.starts_with('/')) {
                Some(words) => {
                    let (_, block) = block.get_or_insert((line + 1, String::new()));
                    block.push(' ');
                    block.push_str(words);
                }
                None => {
                    let ended = block.take().filter(|_| !here.trim().is_empty());
                    let ended = ended.filter(|(_, words)| words.split_whitespace().count() <= most);
                    short.extend(
                        ended.map(|(line, words)| {
                            (format!("{}:{line}", source.name), words.trim().to_owned())
                        }),
                    );
                }
            }
        }
    }
    short
}
