//! Reading a text into pieces, from the events of a CommonMark parser.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};

use super::flow::Flow;
use super::prepare::restored;
use super::table::Table;
use super::{Emphasis, InlineToken, MAX_LIST_DEPTH, MAX_QUOTE_DEPTH, MarkdownPiece, Nesting, PieceKind};

/// The pieces of a text that [`super::prepare`] returned. Their sources are ranges of it.
pub(in crate::render) fn read(text: &str) -> Vec<MarkdownPiece> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let parser = Parser::new_ext(text, options);
    let definitions: Vec<(String, Range<usize>)> = parser
        .reference_definitions()
        .iter()
        .map(|(label, definition)| (label.to_lowercase(), definition.span.clone()))
        .collect();
    let mut reader = MarkdownReader { text, ..MarkdownReader::default() };
    for (event, source) in parser.into_offset_iter() {
        reader.event(event, source);
    }
    reader.flush();
    reader.keep_numbers();
    let mut pieces = reader.pieces;
    // A link definition that no link uses is shown as the line it is, for example `[INFO]: started`.
    let unused = definitions.into_iter().filter(|(label, _)| !reader.used.contains(label));
    let lines = unused.map(|(_, source)| {
        let tokens = vec![InlineToken::Text(restored(text[source.clone()].trim()))];
        MarkdownPiece::plain(PieceKind::Text(tokens), Some(source))
    });
    let ordered = pieces.len();
    pieces.extend(lines);
    if pieces.len() > ordered {
        pieces.sort_by_key(|piece| piece.source.as_ref().map_or(0, |source| source.start));
    }
    pieces
}

#[derive(Default)]
struct MarkdownReader<'t> {
    text: &'t str,
    pieces: Vec<MarkdownPiece>,
    flow: Flow,
    /// The bytes that the current text was read from.
    source: Option<Range<usize>>,
    /// The lists that are open.
    lists: Vec<OpenList>,
    /// The number of lists so far.
    list_count: usize,
    /// The first pieces of numbered items: index of the piece, list and number.
    numbers: Vec<(usize, usize, u64)>,
    /// The list and number of the item that the next piece begins.
    number: Option<(usize, u64)>,
    /// For each quote that is open, the number of lists around it.
    quotes: Vec<usize>,
    /// The number of the current outermost quote.
    quote: usize,
    /// The number of the current outermost list.
    list: usize,
    /// The marker for the next piece of a list item.
    marker: Option<String>,
    heading: Option<usize>,
    code: Option<(String, String)>,
    table: Option<Table>,
    html: bool,
    /// The labels that links refer to.
    used: BTreeSet<String>,
}

/// A list that is open.
struct OpenList {
    /// The number of the list in the text, from 1.
    id: usize,
    /// The number of the next item, if the list is numbered.
    next: Option<u64>,
}

impl MarkdownReader<'_> {
    fn event(&mut self, event: Event<'_>, source: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, source),
            Event::End(tag) => self.end(tag, source),
            Event::Text(text) => match &mut self.code {
                Some((_, code)) => code.push_str(&restored(&text)),
                None => {
                    self.extend_source(source);
                    self.flow.text(&restored(&text));
                }
            },
            Event::Code(code) => {
                self.extend_source(source);
                self.flow.code(&restored(&code));
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                self.extend_source(source);
                self.html(&restored(&html));
            }
            Event::SoftBreak | Event::HardBreak => {
                self.extend_source(source);
                self.flow.line_break();
            }
            Event::Rule => {
                self.flush();
                self.unindented(PieceKind::Rule, source);
            }
            Event::TaskListMarker(done) => {
                self.extend_source(source);
                self.flow.verbatim(if done { "☑ " } else { "☐ " });
            }
            // These extensions are off.
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.extend_source(source);
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
            Tag::Emphasis => self.flow.open(Emphasis::Italic),
            Tag::Strong => self.flow.open(Emphasis::Strong),
            Tag::Strikethrough => self.flow.open(Emphasis::Strike),
            Tag::Link { link_type, dest_url, id, .. } => {
                self.note_reference(link_type, &id);
                self.flow.open_link(&restored(&dest_url));
            }
            Tag::Image { link_type, dest_url, id, .. } => {
                self.note_reference(link_type, &id);
                self.flow.open_link(&restored(&dest_url));
            }
            Tag::TableCell | Tag::TableRow | Tag::TableHead => {}
            Tag::Paragraph => self.flush(),
            Tag::Heading { level, .. } => {
                self.flush();
                self.heading = Some(level as usize);
            }
            Tag::BlockQuote(_) => {
                self.flush();
                self.use_up_marker(source);
                if self.quotes.is_empty() {
                    self.quote += 1;
                }
                self.quotes.push(self.lists.len());
            }
            Tag::CodeBlock(kind) => {
                self.flush();
                let language = match kind {
                    CodeBlockKind::Fenced(info) => restored(&info),
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
                self.list_count += 1;
                self.lists.push(OpenList { id: self.list_count, next: first });
            }
            Tag::Item => {
                self.flush();
                let written = number_at(&self.text[source.start..]);
                self.use_up_marker(source);
                self.number = None;
                self.marker = Some(match self.lists.last_mut() {
                    Some(OpenList { id, next: Some(next) }) => {
                        let number = written.unwrap_or(*next);
                        *next = number.saturating_add(1);
                        self.number = Some((*id, number));
                        format!("{number}.")
                    }
                    Some(OpenList { next: None, .. }) | None => "-".to_owned(),
                });
            }
            Tag::Table(columns) => {
                self.flush();
                self.table = Some(Table { columns, rows: Vec::new() });
            }
            // These extensions are off.
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
            TagEnd::Emphasis => self.flow.close(Emphasis::Italic),
            TagEnd::Strong => self.flow.close(Emphasis::Strong),
            TagEnd::Strikethrough => self.flow.close(Emphasis::Strike),
            TagEnd::Link | TagEnd::Image => {
                self.extend_source(source);
                self.flow.close_link();
            }
            TagEnd::Paragraph => self.flush(),
            TagEnd::Heading(_) => {
                self.extend_source(source);
                self.flush();
                self.heading = None;
            }
            TagEnd::BlockQuote(_) => {
                self.flush();
                self.quotes.pop();
            }
            TagEnd::CodeBlock => {
                let (language, text) = self.code.take().unwrap_or_default();
                self.unindented(PieceKind::Code { language, text }, source);
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
                    self.text(Vec::new(), source);
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
                let Some(table) = self.table.take() else { return };
                let lines = &self.text[source.clone()];
                let kind = if super::table::fits(lines, table.columns.len()) {
                    PieceKind::Table(table)
                } else {
                    let lines: Vec<&str> = lines.lines().map(super::table::row).collect();
                    PieceKind::Code { language: String::new(), text: restored(&lines.join("\n")) }
                };
                self.unindented(kind, source);
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

    /// Feishu counts the items of a numbered list by itself. In a list whose numbers are not consecutive, each number is
    /// therefore written as text, after a dash.
    fn keep_numbers(&mut self) {
        let mut last: BTreeMap<usize, u64> = BTreeMap::new();
        let mut skipping = BTreeSet::new();
        for (_, list, number) in &self.numbers {
            if last.insert(*list, *number).is_some_and(|last| last.checked_add(1) != Some(*number)) {
                skipping.insert(*list);
            }
        }
        for (at, list, number) in &self.numbers {
            if let MarkdownPiece { kind: PieceKind::Text(tokens), nesting, .. } = &mut self.pieces[*at]
                && skipping.contains(list)
            {
                nesting.marker = Some("-".to_owned());
                tokens.insert(0, InlineToken::Text(format!("{number}. ")));
            }
        }
    }

    fn note_reference(&mut self, link: LinkType, label: &str) {
        if matches!(link, LinkType::Reference | LinkType::Collapsed | LinkType::Shortcut) {
            self.used.insert(label.to_lowercase());
        }
    }

    fn extend_source(&mut self, source: Range<usize>) {
        self.source = Some(match self.source.take() {
            Some(before) => before.start.min(source.start)..before.end.max(source.end),
            None => source,
        });
    }

    /// Ends the current text.
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
                self.text(tokens, source);
            }
            None => self.text(tokens, source),
        }
    }

    fn text(&mut self, tokens: Vec<InlineToken>, source: Range<usize>) {
        let outside = self.quotes.last().copied().unwrap_or(0);
        let depth = self.lists.len().saturating_sub(outside);
        let nesting = Nesting {
            quote: (!self.quotes.is_empty()).then(|| (self.quote, self.quotes.len().min(MAX_QUOTE_DEPTH))),
            list: (depth > 0).then(|| (self.list, (depth - 1).min(MAX_LIST_DEPTH))),
            marker: self.marker.take(),
        };
        if let Some((list, number)) = self.number.take().filter(|_| nesting.marker.is_some()) {
            self.numbers.push((self.pieces.len(), list, number));
        }
        self.pieces.push(MarkdownPiece { kind: PieceKind::Text(tokens), nesting, source: Some(source) });
    }

    /// Adds a piece that starts at the beginning of a line even inside a list or quote.
    fn unindented(&mut self, kind: PieceKind, source: Range<usize>) {
        self.use_up_marker(source.clone());
        self.pieces.push(MarkdownPiece::plain(kind, Some(source)));
    }

    /// An item that does not begin with text still shows its number; a dash is dropped.
    fn use_up_marker(&mut self, source: Range<usize>) {
        if self.marker.as_deref().is_some_and(|marker| marker != "-") {
            self.text(Vec::new(), source.start..source.start);
        }
        self.marker = None;
    }
}

/// The number that a list item begins with.
fn number_at(item: &str) -> Option<u64> {
    let item = item.trim_start_matches([' ', '\t']);
    let digits = item.len() - item.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    item[digits..].starts_with(['.', ')']).then(|| item[..digits].parse().ok()).flatten()
}
