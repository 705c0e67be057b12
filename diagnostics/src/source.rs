//! The text of a file, and places in it. A [`Span`] is a range of bytes; [`Source::position`] turns
//! a byte into the line and column that an editor shows. Nothing here knows YAML.

use std::ops::Range;
use std::sync::Arc;

/// A half-open range of bytes in a [`Source`]'s text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte; equal to `start` for a place without width.
    pub end: usize,
}

impl Span {
    /// A span from `start` to `end`; an `end` before `start` gives an empty span at `start`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end: end.max(start) }
    }

    /// Whether it covers no byte.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether `other` lies within it.
    #[must_use]
    pub fn contains(self, other: Span) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// As a range, for slicing.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// A line and a column, both counted from 1; the column counts characters, not bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// A file's name and text, with the index of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    name: Arc<str>,
    text: String,
    /// The byte at which each line begins; the first is always 0.
    lines: Vec<usize>,
}

impl Source {
    /// Takes a file's name, as it is to be shown, and its text. A byte order mark at the beginning
    /// is dropped, so spans count from the character after it.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<String>) -> Self {
        let mut text = text.into();
        if text.starts_with('\u{feff}') {
            text.remove(0);
        }
        let lines =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { name: name.into(), text, lines }
    }

    /// The name given to [`Source::new`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name, to be kept without a copy of its text.
    pub(crate) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// The whole text, without a byte order mark.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of a span; empty when the span is not one of this text.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }

    /// Where a byte is. A byte past the end is at the end, one inside a character is at that
    /// character.
    #[must_use]
    pub fn position(&self, byte: usize) -> Position {
        let byte = self.text.floor_char_boundary(byte);
        let line = self.line(byte);
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        let column = self.slice(Span::new(start, byte)).chars().count() + 1;
        Position { line, column }
    }

    /// The line that a byte is on, from 1. Unlike a column this costs the same on a line of any
    /// length.
    #[must_use]
    pub fn line(&self, byte: usize) -> usize {
        self.lines.partition_point(|start| *start <= byte).max(1)
    }

    /// The byte at a line and a column, as [`Source::position`] counts them. A place past the end
    /// of a line or of the text is at that end.
    #[must_use]
    pub fn byte(&self, Position { line, column }: Position) -> usize {
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len());
        let line = self.text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
        let mut characters = line.char_indices().skip(column.saturating_sub(1));
        start + characters.next().map_or(line.len(), |(at, _)| at)
    }

    /// The character at a byte; without width at the end of a line or of the text.
    #[must_use]
    pub fn character_at(&self, byte: usize) -> Span {
        let next = self.text.get(byte..).and_then(|rest| rest.chars().next());
        let width = next.filter(|c| !matches!(c, '\n' | '\r')).map_or(0, char::len_utf8);
        Span::new(byte, byte + width)
    }

    /// The word that begins at a byte: letters, digits, `_` and `-`. For parsers that say where a
    /// thing begins and not where it ends.
    #[must_use]
    pub fn word_at(&self, byte: usize) -> Span {
        let rest = self.text.get(byte..).unwrap_or_default();
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        Span::new(byte, byte + length)
    }

    /// The part of a span that is on its first line, without blanks and line ends behind it.
    #[must_use]
    pub fn first_line(&self, span: Span) -> Span {
        let line = self.slice(span).lines().next().unwrap_or_default();
        Span::new(span.start, span.start + line.trim_end().len())
    }

    /// The whole lines that a span touches, without the last line end.
    #[must_use]
    pub fn lines_of(&self, span: Span) -> Span {
        let before = self.text.get(..span.start).unwrap_or_default();
        let after = self.text.get(span.end..).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let rest = after.lines().next().unwrap_or_default();
        Span::new(start, span.end + rest.len())
    }

    /// Whether a span covers more than one line.
    #[must_use]
    pub fn is_multiline(&self, span: Span) -> bool {
        self.slice(span).trim_end().contains('\n')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_end_at_every_line_feed() {
        let source = Source::new("x", "é: ü\r\nb: 2\n");
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.position(4), Position { line: 1, column: 4 });
        assert_eq!(source.position(8), Position { line: 2, column: 1 });
        assert_eq!(source.position(999), Position { line: 3, column: 1 });
    }

    #[test]
    fn a_line_and_a_column_lead_back_to_their_byte() {
        let source = Source::new("x", "é: ü\r\nb: 2\n");
        for byte in [0, 2, 4, 8, 11] {
            assert_eq!(source.byte(source.position(byte)), byte, "{byte}");
        }
        assert_eq!(source.byte(Position { line: 1, column: 99 }), 6);
        assert_eq!(source.byte(Position { line: 9, column: 1 }), source.text().len());
    }

    #[test]
    fn a_word_ends_before_the_first_other_character() {
        let source = Source::new("x", "  has-header_2: { }");
        assert_eq!(source.slice(source.word_at(2)), "has-header_2");
        assert!(source.word_at(14).is_empty());
    }

    #[test]
    fn a_byte_order_mark_is_no_column() {
        let source = Source::new("x", "\u{feff}a: 1");
        assert_eq!(source.text(), "a: 1");
        assert_eq!(source.position(0).column, 1);
    }

    #[test]
    fn the_first_line_of_a_span_has_no_line_end() {
        let source = Source::new("x", "a: 1 \r\nb: 2\r\n");
        let whole = Span::new(0, source.text().len());
        assert!(source.is_multiline(whole));
        assert_eq!(source.slice(source.first_line(whole)), "a: 1");
        assert!(!source.is_multiline(Span::new(0, 7)));
    }

    #[test]
    fn a_span_touches_whole_lines() {
        let source = Source::new("x", "one\ntwo\nthree");
        let lines = |start, end| source.slice(source.lines_of(Span::new(start, end)));
        assert_eq!(
            [lines(5, 6), lines(1, 5), lines(13, 13), lines(0, 0)],
            ["two", "one\ntwo", "three", "one"]
        );
    }
}
