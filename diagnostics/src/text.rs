//! Diagnostics for people, as rustc shows them.

use annotate_snippets::{
    Annotation, AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet,
};

use crate::diagnostic::{Diagnostic, Location, Severity};
use crate::report::Report;

/// The longest line that is shown, in bytes: a list in JSON has megabytes on one line, and each of
/// its diagnostics would be searched in all of it. Of a longer one only the place is named.
const MAX_SHOWN: usize = 64 * 1024;

pub(crate) fn text(reports: &[Report], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut text = String::new();
    for report in reports {
        for diagnostic in &report.diagnostics {
            text.push_str(&renderer.render(&[group(report, diagnostic)]));
            text.push_str("\n\n");
        }
    }
    text
}

fn group<'a>(report: &'a Report, diagnostic: &'a Diagnostic) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let primary = diagnostic
        .location
        .iter()
        .map(|location| place(report, location, |span| AnnotationKind::Primary.span(span)));
    let others = diagnostic.notes.iter().map(|note| {
        let label = note.message.as_str();
        place(report, &note.location, |span| AnnotationKind::Context.span(span).label(label))
    });
    let labelled = |name: &'static str, text: Option<&'a String>| {
        text.map(|text| Level::NOTE.with_name(name).message(text.as_str()))
    };
    let comparison = diagnostic.comparison.as_ref();
    let below = [
        labelled("path", diagnostic.path.as_ref()),
        labelled("expected", comparison.map(|comparison| &comparison.expected)),
        labelled("found", comparison.map(|comparison| &comparison.found)),
        diagnostic.help.as_deref().map(|help| Level::HELP.message(help)),
    ];
    let elements: Vec<Element<'a>> =
        primary.chain(others).chain(below.into_iter().flatten().map(Element::from)).collect();
    level.primary_title(diagnostic.message.as_str()).id(diagnostic.code).elements(elements)
}

/// The lines of a place with its annotation, and no others: a policy may have 100,000 lines.
fn place<'a>(
    report: &'a Report,
    Location { span, start, .. }: &Location,
    annotation: impl FnOnce(std::ops::Range<usize>) -> Annotation<'a>,
) -> Element<'a> {
    let name = report.source.name();
    let lines = report.source.lines_of(*span);
    if lines.range().len() > MAX_SHOWN {
        return Origin::path(name).line(start.line).char_column(start.column).into();
    }
    Snippet::source(report.source.slice(lines))
        .path(name)
        .line_start(start.line)
        .annotation(annotation(span.start - lines.start..span.end - lines.start))
        .into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::{Source, Span};

    fn shown(diagnostic: impl FnOnce(&Source) -> Diagnostic) -> String {
        let source = Arc::new(Source::new("a.yaml", "port: 1\nname: x\nport: 2\n"));
        let diagnostic = diagnostic(&source);
        text(&[Report::new(source, vec![diagnostic])], false)
    }

    #[test]
    fn a_note_shows_the_other_place() {
        let twice = shown(|source| {
            Diagnostic::error("duplicate-key", "the key `port` is already on line 1")
                .at(source, Span::new(16, 20))
                .with_path(Some("port".to_owned()))
                .with_help(Some("remove one of them, or join their values".to_owned()))
                .with_first(source, Span::new(0, 4))
        });
        insta::assert_snapshot!(twice, @r"
        error[duplicate-key]: the key `port` is already on line 1
         --> a.yaml:3:1
          |
        3 | port: 2
          | ^^^^
          |
         ::: a.yaml:1:1
          |
        1 | port: 1
          | ---- first given here
          |
          = path: port
          = help: remove one of them, or join their values
        ");
    }

    #[test]
    fn a_mismatch_shows_what_was_expected_and_found() {
        let differs = shown(|source| {
            Diagnostic::mismatch("header env", "\"a\"", "none").at(source, Span::new(14, 15))
        });
        insta::assert_snapshot!(differs, @r#"
        error[mismatch]: header env
         --> a.yaml:2:7
          |
        2 | name: x
          |       ^
          |
          = expected: "a"
          = found: none
        "#);
    }

    #[test]
    fn of_a_line_of_megabytes_only_the_place_is_shown() {
        let source = Arc::new(Source::new("a.json", format!("[{}1]", "1,".repeat(1 << 20))));
        let place = Span::new(5, 6);
        let diagnostic = Diagnostic::error("wrong-type", "no object").at(&source, place);
        let diagnostic = diagnostic.with_help(Some("write one".to_owned()));
        insta::assert_snapshot!(text(&[Report::new(source, vec![diagnostic])], false), @r"
        error[wrong-type]: no object
        --> a.json:1:6
         = help: write one
        ");
    }

    #[test]
    fn what_has_no_place_is_shown_without_one() {
        let warning = shown(|_| Diagnostic::warning("unused", "nothing uses it"));
        insta::assert_snapshot!(warning, @"warning[unused]: nothing uses it");
    }
}
