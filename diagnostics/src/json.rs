//! Diagnostics for programs. The object of one diagnostic is the same in the output of every
//! command, alone ([`Diagnostic`] can be serialised) or in the list of [`json`].

use serde::{Serialize, Serializer};

use crate::diagnostic::{Diagnostic, Location, Note, Severity};
use crate::report::Report;

/// The version of the JSON that [`Render::Json`](crate::Render::Json) writes. It changes when a
/// field goes or changes its meaning, not when one is added.
pub const JSON_VERSION: &str = "gatepost.check/v1";

#[derive(Serialize)]
struct Reports<'a> {
    version: &'static str,
    files: Vec<&'a str>,
    errors: usize,
    warnings: usize,
    diagnostics: Vec<&'a Diagnostic>,
}

pub(crate) fn json(reports: &[Report]) -> String {
    let count = |severity| reports.iter().map(|report| report.count(severity)).sum();
    let reports = Reports {
        version: JSON_VERSION,
        files: reports.iter().map(|report| report.source.name()).collect(),
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        diagnostics: reports.iter().flat_map(|report| &report.diagnostics).collect(),
    };
    let mut json = serde_json::to_string(&reports)
        .expect("plain data whose keys are text can always be written");
    json.push('\n');
    json
}

/// The JSON form of a [`Diagnostic`]. Lines and columns count from 1, columns in characters;
/// `endColumn` is the one after the last. `path` and `help` are null where there is none; the place
/// is left out where there is none, and so are `expected`, `found` and `notes`.
#[derive(Serialize)]
struct DiagnosticJson<'a> {
    severity: &'static str,
    code: &'static str,
    #[serde(flatten)]
    place: Option<PlaceJson<'a>>,
    path: Option<&'a str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<&'a str>,
    help: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<NoteJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlaceJson<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Serialize)]
struct NoteJson<'a> {
    #[serde(flatten)]
    place: PlaceJson<'a>,
    message: &'a str,
}

impl<'a> From<&'a Location> for PlaceJson<'a> {
    fn from(Location { file, start, end, .. }: &'a Location) -> Self {
        Self {
            file,
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
        }
    }
}

impl<'a> From<&'a Note> for NoteJson<'a> {
    fn from(Note { message, location }: &'a Note) -> Self {
        Self { place: location.into(), message }
    }
}

impl Serialize for Diagnostic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let comparison = self.comparison.as_ref();
        DiagnosticJson {
            severity: self.severity.name(),
            code: self.code,
            place: self.location.as_ref().map(PlaceJson::from),
            path: self.path.as_deref(),
            message: &self.message,
            expected: comparison.map(|comparison| comparison.expected.as_str()),
            found: comparison.map(|comparison| comparison.found.as_str()),
            help: self.help.as_deref(),
            notes: self.notes.iter().map(NoteJson::from).collect(),
        }
        .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::source::{Source, Span};

    fn shown(diagnostic: &Diagnostic) -> Value {
        serde_json::to_value(diagnostic).expect("JSON")
    }

    #[test]
    fn a_diagnostic_has_its_place_its_path_and_its_notes() {
        let source = Source::new("a.yaml", "port: 1\nport: 2\n");
        let twice = Diagnostic::error("duplicate-key", "the key `port` is already on line 1")
            .at(&source, Span::new(8, 12))
            .with_path(Some("port".to_owned()))
            .with_first(&source, Span::new(0, 4));
        let expected = json!({
            "severity": "error", "code": "duplicate-key",
            "file": "a.yaml", "line": 2, "column": 1, "endLine": 2, "endColumn": 5,
            "path": "port", "message": "the key `port` is already on line 1", "help": null,
            "notes": [{
                "file": "a.yaml", "line": 1, "column": 1, "endLine": 1, "endColumn": 5,
                "message": "first given here",
            }],
        });
        assert_eq!(shown(&twice), expected);
    }

    #[test]
    fn a_mismatch_says_what_was_expected_and_needs_no_place() {
        let differs = Diagnostic::mismatch("header env", "\"a\"", "none");
        let expected = json!({
            "severity": "error", "code": "mismatch", "path": null,
            "message": "header env", "expected": "\"a\"", "found": "none", "help": null,
        });
        assert_eq!(shown(&differs), expected);
    }
}
