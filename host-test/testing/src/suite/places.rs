//! The places of values in a file of tests, from the YAML parser's to a [`Source`]'s.

use gatepost_diagnostics::{Position, Source, Span};
use serde_saphyr::{Location, Spanned};

/// The line on which a value begins.
pub(super) fn line<T>(value: &Spanned<T>) -> usize {
    start(value.referenced).line
}

/// What to underline for a place: its first line, or the word that begins there where the parser
/// does not say where the value ends.
pub(super) fn span(source: &Source, place: Location) -> Span {
    let start = source.byte(start(place));
    match place.span().byte_len().and_then(|length| usize::try_from(length).ok()) {
        Some(length) if length > 0 => source.first_line(Span::new(start, start + length)),
        _ => source.word_at(start),
    }
}

fn start(place: Location) -> Position {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).max(1);
    Position { line: number(place.line()), column: number(place.column()) }
}
