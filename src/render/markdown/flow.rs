//! Collecting the text of a paragraph into tokens, with the emphasis and links that are open.

use super::{Emphasis, InlineToken, urls};

/// The tokens of the current piece.
#[derive(Default)]
pub(super) struct Flow {
    tokens: Vec<InlineToken>,
    /// Text since the last token.
    text: String,
    /// How many times each kind of emphasis is open; it is written once.
    open: [u32; 3],
    /// The links and images that are open, from the outside in.
    links: Vec<OpenLink>,
}

struct OpenLink {
    destination: String,
    /// The index of its first token.
    at: usize,
    /// Whether it stays a link.
    is_link: bool,
}

impl Flow {
    pub(super) fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds text without looking for URLs in it.
    pub(super) fn verbatim(&mut self, text: &str) {
        self.settle();
        self.plain(text);
    }

    pub(super) fn code(&mut self, code: &str) {
        self.settle();
        self.tokens.push(InlineToken::Code(code.to_owned()));
    }

    pub(super) fn line_break(&mut self) {
        self.settle();
        self.tokens.push(InlineToken::Break);
    }

    pub(super) fn open(&mut self, mark: Emphasis) {
        self.settle();
        let open = &mut self.open[mark as usize];
        *open += 1;
        if *open == 1 {
            self.tokens.push(InlineToken::Open(mark));
        }
    }

    pub(super) fn close(&mut self, mark: Emphasis) {
        self.settle();
        let open = &mut self.open[mark as usize];
        *open = open.saturating_sub(1);
        if *open == 0 {
            self.tokens.push(InlineToken::Close(mark));
        }
    }

    pub(super) fn open_link(&mut self, destination: &str) {
        self.settle();
        let target =
            if self.links.iter().any(|link| link.is_link) { None } else { urls::target(destination) };
        let is_link = target.is_some();
        let at = self.tokens.len();
        self.links.push(OpenLink { destination: destination.to_owned(), at, is_link });
        self.tokens.extend(target.map(InlineToken::LinkOpen));
    }

    pub(super) fn close_link(&mut self) {
        self.settle();
        let Some(link) = self.links.pop() else { return };
        if link.is_link {
            let Some(InlineToken::LinkOpen(target)) = self.tokens.get(link.at) else { return };
            let target = target.clone();
            if self.tokens.len() == link.at + 1 {
                self.tokens.push(InlineToken::Text(link.destination));
            }
            self.tokens.push(InlineToken::LinkClose(target));
            return;
        }
        // Inside another link, a second destination is of no use.
        if self.links.iter().any(|link| link.is_link) {
            return;
        }
        let is_own_text = match self.tokens.get(link.at..) {
            Some([InlineToken::Text(text) | InlineToken::Code(text)]) => {
                *text == link.destination || link.destination.strip_prefix("mailto:") == Some(text)
            }
            Some(_) | None => false,
        };
        if !is_own_text && !link.destination.is_empty() {
            let space = if self.tokens.len() == link.at { "" } else { " " };
            self.tokens.push(InlineToken::Text(format!("{space}({})", link.destination)));
        }
    }

    /// Takes the tokens of a finished piece. Emphasis and links end with it.
    pub(super) fn take(&mut self) -> Vec<InlineToken> {
        self.settle();
        self.open = [0; 3];
        self.links.clear();
        std::mem::take(&mut self.tokens)
    }

    /// Turns the text since the last token into tokens.
    fn settle(&mut self) {
        if self.text.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.text);
        if self.links.iter().any(|link| link.is_link) {
            self.tokens.push(InlineToken::Text(text));
            return;
        }
        let mut at = 0;
        while let Some((begin, end)) = urls::find(&text, at) {
            let url = &text[begin..end];
            let Some(target) = urls::target(url) else {
                self.plain(&text[at..end]);
                at = end;
                continue;
            };
            self.plain(&text[at..begin]);
            self.tokens.push(InlineToken::LinkOpen(target.clone()));
            self.tokens.push(InlineToken::Text(url.to_owned()));
            self.tokens.push(InlineToken::LinkClose(target));
            at = end;
        }
        self.plain(&text[at..]);
    }

    fn plain(&mut self, text: &str) {
        if !text.is_empty() {
            self.tokens.push(InlineToken::Text(text.to_owned()));
        }
    }
}
