//! How diagnostics look: text with carets for people, JSON for programs. Another format is another
//! variant of [`Render`].

use crate::diagnostic::{Diagnostic, Report, Severity};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

/// The version of the JSON that [`Render::Json`] writes. It changes when a field goes or changes
/// its meaning, not when one is added.
pub const JSON_VERSION: &str = "gatepost.check/v1";

/// A way to render reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Render {
    /// For people: the line, carets under the span, the path and the help below.
    Text {
        /// Whether to write ANSI colours.
        color: bool,
    },
    /// For programs: one JSON object on one line.
    ///
    /// ```json
    /// {"version": "gatepost.check/v1", "files": ["policy.yaml"], "errors": 1, "warnings": 0,
    ///  "diagnostics": [{"severity": "error", "file": "policy.yaml", "line": 3, "column": 3, "endLine": 3, "endColumn": 10,
    ///    "path": "hosts.unmaped", "message": "unknown field `unmaped`", "help": "did you mean `unmapped`?"}]}
    /// ```
    ///
    /// `files` names every file that was judged, good ones too. Lines and columns count from 1,
    /// columns in characters; `endColumn` is the one after the last. `path` and `help` are null
    /// where there is none.
    Json,
}

impl Render {
    /// All reports as one text that ends with a line end, or is empty when there is nothing to say.
    pub fn render(self, reports: &[Report]) -> String {
        match self {
            Render::Text { color } => text(reports, color),
            Render::Json => json(reports),
        }
    }
}

fn text(reports: &[Report], color: bool) -> String {
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
    // Only the lines in question: a policy may have a hundred thousand others.
    let lines = report.source.lines_of(diagnostic.span);
    let span = diagnostic.span.start - lines.start..diagnostic.span.end - lines.start;
    let snippet = Snippet::source(report.source.slice(lines))
        .path(report.source.name())
        .line_start(diagnostic.start.line)
        .annotation(AnnotationKind::Primary.span(span));
    let group = level.primary_title(diagnostic.message.as_str()).element(snippet);
    let path = diagnostic.path.as_deref().map(|path| Level::NOTE.with_name("path").message(path));
    let help = diagnostic.help.as_deref().map(|help| Level::HELP.message(help));
    group.elements(path.into_iter().chain(help))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Findings<'a> {
    version: &'static str,
    files: Vec<&'a str>,
    errors: usize,
    warnings: usize,
    diagnostics: Vec<Finding<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding<'a> {
    severity: &'static str,
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    path: Option<&'a str>,
    message: &'a str,
    help: Option<&'a str>,
}

fn json(reports: &[Report]) -> String {
    let count = |severity| reports.iter().map(|report| report.count(severity)).sum();
    let findings = Findings {
        version: JSON_VERSION,
        files: reports.iter().map(|report| report.source.name()).collect(),
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        diagnostics: reports
            .iter()
            .flat_map(|report| report.diagnostics.iter().map(|one| finding(report, one)))
            .collect(),
    };
    let mut json = serde_json::to_string(&findings)
        .expect("plain data whose keys are text can always be written");
    json.push('\n');
    json
}

fn finding<'a>(report: &'a Report, diagnostic: &'a Diagnostic) -> Finding<'a> {
    Finding {
        severity: match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        file: report.source.name(),
        line: diagnostic.start.line,
        column: diagnostic.start.column,
        end_line: diagnostic.end.line,
        end_column: diagnostic.end.column,
        path: diagnostic.path.as_deref(),
        message: &diagnostic.message,
        help: diagnostic.help.as_deref(),
    }
}
