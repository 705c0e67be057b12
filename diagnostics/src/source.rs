//! The text of a file, and places in it. A [`Span`] is a range of bytes; [`Source::position`] turns
//! a byte into the line and column that an editor shows. Nothing here knows YAML.

use std::ops::Range;

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
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether `other` lies within it.
    pub fn contains(self, other: Span) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// As a range, for slicing.
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
    name: String,
    text: String,
    /// The byte at which each line begins; the first is always 0.
    lines: Vec<usize>,
}

impl Source {
    /// Takes a file's name, as it is to be shown, and its text. A byte order mark at the beginning
    /// is dropped, so spans count from the character after it.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let mut text = text.into();
        if text.starts_with('\u{feff}') {
            text.remove(0);
        }
        let lines =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { name: name.into(), text, lines }
    }

    /// The name given to [`Source::new`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text, without a byte order mark.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of a span; empty when the span is not one of this text.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }

    /// Where a byte is. A byte past the end is at the end, one inside a character is at that
    /// character.
    pub fn position(&self, byte: usize) -> Position {
        let byte = self.text.floor_char_boundary(byte);
        let line = self.line(byte);
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        let column = self.slice(Span::new(start, byte)).chars().count() + 1;
        Position { line, column }
    }

    /// The line that a byte is on, from 1. Unlike a column this costs the same on a line of any
    /// length.
    pub fn line(&self, byte: usize) -> usize {
        self.lines.partition_point(|start| *start <= byte).max(1)
    }

    /// The part of a span that is on its first line, without blanks and line ends behind it.
    pub fn first_line(&self, span: Span) -> Span {
        let line = self.slice(span).lines().next().unwrap_or_default();
        Span::new(span.start, span.start + line.trim_end().len())
    }

    /// The whole lines that a span touches, without the last line end.
    pub fn lines_of(&self, span: Span) -> Span {
        let before = self.text.get(..span.start).unwrap_or_default();
        let after = self.text.get(span.end..).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let rest = after.lines().next().unwrap_or_default();
        Span::new(start, span.end + rest.len())
    }

    /// Whether a span covers more than one line.
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
