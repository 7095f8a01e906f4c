//! Markdown as Claude writes it, translated to what Feishu's cards render. Pure.

/// A whole text in Feishu's dialect.
pub(super) fn translate(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in super::card::shown(text).chars() {
        escape(character, &mut out);
    }
    out
}

/// One character, so that it is shown and means nothing.
fn escape(character: char, out: &mut String) {
    if "*~><[]()#:+\"'_$\\`|&!".contains(character) {
        out.push_str("&#");
        out.push_str(&u32::from(character).to_string());
        out.push(';');
    } else {
        out.push(character);
    }
}

/// Code in a fence that it cannot close.
pub(super) fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let newline = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
    format!("{fence}{language}\n{text}{newline}{fence}")
}

/// The tables in a text of Feishu's dialect.
pub(super) fn tables(text: &str) -> usize {
    let _ = text;
    0
}
