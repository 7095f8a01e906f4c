//! A text as pieces: what CommonMark's events say, one piece after the other.

use std::collections::BTreeSet;
use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};

use super::flow::Flow;
use super::table::Table;
use super::{DEEPEST, DEEPEST_QUOTE, Emphasis, InlineToken, MarkdownPiece, Nesting, PieceKind};

/// The pieces of a text that is [`super::prepared`]; their sources are ranges of it.
pub(in crate::render) fn read(text: &str) -> Vec<MarkdownPiece> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let parser = Parser::new_ext(text, options);
    let definitions: Vec<(String, Range<usize>)> = parser
        .reference_definitions()
        .iter()
        .map(|(label, definition)| (label.to_lowercase(), definition.span.clone()))
        .collect();
    let mut reader = MarkdownReader::default();
    for (event, source) in parser.into_offset_iter() {
        reader.event(event, source);
    }
    reader.flush();
    let mut pieces = reader.pieces;
    // A line that looks like a definition and defines nothing is a line to who wrote it.
    let unused = definitions.into_iter().filter(|(label, _)| !reader.used.contains(label));
    let lines = unused.map(|(_, source)| {
        let words = vec![InlineToken::Text(text[source.clone()].trim().to_owned())];
        MarkdownPiece::plain(PieceKind::Words(words), Some(source))
    });
    let ordered = pieces.len();
    pieces.extend(lines);
    if pieces.len() > ordered {
        pieces.sort_by_key(|piece| piece.source.as_ref().map_or(0, |source| source.start));
    }
    pieces
}

#[derive(Default)]
struct MarkdownReader {
    pieces: Vec<MarkdownPiece>,
    flow: Flow,
    /// What the words at work were written as.
    source: Option<Range<usize>>,
    /// The lists that are open, each with the number of its next item.
    lists: Vec<Option<u64>>,
    /// For each quote that is open, how many lists there are outside of it.
    quotes: Vec<usize>,
    /// The numbers of the outermost quote and list.
    quote: usize,
    list: usize,
    /// What the next line of an item begins with.
    marker: Option<String>,
    heading: Option<usize>,
    code: Option<(String, String)>,
    table: Option<Table>,
    html: bool,
    /// Labels of the definitions that a link refers to.
    used: BTreeSet<String>,
}

impl MarkdownReader {
    fn event(&mut self, event: Event<'_>, source: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, source),
            Event::End(tag) => self.end(tag, source),
            Event::Text(text) => match &mut self.code {
                Some((_, code)) => code.push_str(&text),
                None => {
                    self.covers(source);
                    self.flow.text(&text);
                }
            },
            Event::Code(code) => {
                self.covers(source);
                self.flow.code(&code);
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                self.covers(source);
                self.html(&html);
            }
            Event::SoftBreak | Event::HardBreak => {
                self.covers(source);
                self.flow.line_break();
            }
            Event::Rule => {
                self.flush();
                self.alone(PieceKind::Rule, source);
            }
            Event::TaskListMarker(done) => {
                self.covers(source);
                self.flow.verbatim(if done { "☑ " } else { "☐ " });
            }
            // Not asked for: they come as text.
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.covers(source);
                self.flow.text(&text);
            }
        }
    }

    fn html(&mut self, html: &str) {
        if matches!(html, "<br>" | "<br/>" | "<br />") {
            self.flow.line_break();
            return;
        }
        if !self.html {
            self.flow.verbatim(html);
            return;
        }
        for line in html.split_inclusive('\n') {
            self.flow.verbatim(line.trim_end_matches('\n'));
            if line.ends_with('\n') {
                self.flow.line_break();
            }
        }
    }

    fn start(&mut self, tag: Tag<'_>, source: Range<usize>) {
        match tag {
            Tag::Emphasis => self.flow.open(Emphasis::Emphasis),
            Tag::Strong => self.flow.open(Emphasis::Strong),
            Tag::Strikethrough => self.flow.open(Emphasis::Strike),
            Tag::Link { link_type, dest_url, id, .. } => {
                self.refers(link_type, &id);
                self.flow.open_link(&dest_url);
            }
            Tag::Image { link_type, dest_url, id, .. } => {
                self.refers(link_type, &id);
                self.flow.open_link(&dest_url);
            }
            Tag::TableCell | Tag::TableRow | Tag::TableHead => {}
            Tag::Paragraph => self.flush(),
            Tag::Heading { level, .. } => {
                self.flush();
                self.heading = Some(level as usize);
            }
            Tag::BlockQuote(_) => {
                self.flush();
                self.give_up_marker(source);
                if self.quotes.is_empty() {
                    self.quote += 1;
                }
                self.quotes.push(self.lists.len());
            }
            Tag::CodeBlock(kind) => {
                self.flush();
                let language = match kind {
                    CodeBlockKind::Fenced(info) => info.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                self.code = Some((language, String::new()));
            }
            Tag::HtmlBlock => {
                self.flush();
                self.html = true;
            }
            Tag::List(first) => {
                self.flush();
                if self.lists.len() == self.quotes.last().copied().unwrap_or(0) {
                    self.list += 1;
                }
                self.lists.push(first);
            }
            Tag::Item => {
                self.flush();
                self.give_up_marker(source);
                self.marker = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        let marker = format!("{number}.");
                        *number = number.saturating_add(1);
                        Some(marker)
                    }
                    Some(None) | None => Some("-".to_owned()),
                };
            }
            Tag::Table(columns) => {
                self.flush();
                self.table = Some(Table { columns, rows: Vec::new() });
            }
            // Not asked for.
            Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Superscript
            | Tag::Subscript
            | Tag::MetadataBlock(_) => self.flush(),
        }
    }

    fn end(&mut self, tag: TagEnd, source: Range<usize>) {
        match tag {
            TagEnd::Emphasis => self.flow.close(Emphasis::Emphasis),
            TagEnd::Strong => self.flow.close(Emphasis::Strong),
            TagEnd::Strikethrough => self.flow.close(Emphasis::Strike),
            TagEnd::Link | TagEnd::Image => {
                self.covers(source);
                self.flow.close_link();
            }
            TagEnd::Paragraph => self.flush(),
            TagEnd::Heading(_) => {
                self.covers(source);
                self.flush();
                self.heading = None;
            }
            TagEnd::BlockQuote(_) => {
                self.flush();
                self.quotes.pop();
            }
            TagEnd::CodeBlock => {
                let (language, text) = self.code.take().unwrap_or_default();
                self.alone(PieceKind::Code { language, text }, source);
            }
            TagEnd::HtmlBlock => {
                self.flush();
                self.html = false;
            }
            TagEnd::List(_) => {
                self.flush();
                self.lists.pop();
            }
            TagEnd::Item => {
                self.flush();
                if self.marker.is_some() {
                    self.words(Vec::new(), source);
                }
            }
            TagEnd::TableHead | TagEnd::TableRow => {}
            TagEnd::TableCell => {
                let cell = self.flow.take();
                self.source = None;
                if let Some(table) = &mut self.table {
                    let is_full = table.rows.last().is_none_or(|row| row.len() == table.columns.len());
                    if is_full {
                        table.rows.push(Vec::new());
                    }
                    if let Some(row) = table.rows.last_mut() {
                        row.push(cell);
                    }
                }
            }
            TagEnd::Table => {
                if let Some(table) = self.table.take() {
                    self.alone(PieceKind::Table(table), source);
                }
            }
            TagEnd::FootnoteDefinition
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::MetadataBlock(_) => self.flush(),
        }
    }

    fn refers(&mut self, link: LinkType, label: &str) {
        if matches!(link, LinkType::Reference | LinkType::Collapsed | LinkType::Shortcut) {
            self.used.insert(label.to_lowercase());
        }
    }

    fn covers(&mut self, source: Range<usize>) {
        self.source = Some(match self.source.take() {
            Some(before) => before.start.min(source.start)..before.end.max(source.end),
            None => source,
        });
    }

    /// Ends the words at work.
    fn flush(&mut self) {
        let mut tokens = self.flow.take();
        let source = self.source.take();
        while tokens.last() == Some(&InlineToken::Break) {
            tokens.pop();
        }
        let Some(source) = source.filter(|_| !tokens.is_empty()) else { return };
        match self.heading {
            Some(level) if self.lists.is_empty() && self.quotes.is_empty() => {
                self.pieces.push(MarkdownPiece::plain(PieceKind::Heading(level, tokens), Some(source)));
            }
            Some(_) => {
                let is_strong = |token: &InlineToken| {
                    matches!(
                        token,
                        InlineToken::Open(Emphasis::Strong) | InlineToken::Close(Emphasis::Strong)
                    )
                };
                tokens.retain(|token| !is_strong(token));
                tokens.insert(0, InlineToken::Open(Emphasis::Strong));
                tokens.push(InlineToken::Close(Emphasis::Strong));
                self.words(tokens, source);
            }
            None => self.words(tokens, source),
        }
    }

    fn words(&mut self, tokens: Vec<InlineToken>, source: Range<usize>) {
        let outside = self.quotes.last().copied().unwrap_or(0);
        let depth = self.lists.len().saturating_sub(outside);
        let place = Nesting {
            quote: (!self.quotes.is_empty()).then(|| (self.quote, self.quotes.len().min(DEEPEST_QUOTE))),
            list: (depth > 0).then(|| (self.list, (depth - 1).min(DEEPEST))),
            marker: self.marker.take(),
        };
        self.pieces.push(MarkdownPiece { body: PieceKind::Words(tokens), place, source: Some(source) });
    }

    /// A piece that stands at the beginning of its line, whatever it is in.
    fn alone(&mut self, body: PieceKind, source: Range<usize>) {
        self.give_up_marker(source.clone());
        self.pieces.push(MarkdownPiece::plain(body, Some(source)));
    }

    /// An item that begins with what is no words keeps its number; a dash says nothing.
    fn give_up_marker(&mut self, source: Range<usize>) {
        if self.marker.as_deref().is_some_and(|marker| marker != "-") {
            self.words(Vec::new(), source.start..source.start);
        }
        self.marker = None;
    }
}
