//! Reads a file of tests. An error of its form is reported where it is, with the name that was
//! probably meant; what the form allows and yet makes no sense is found in `validate.rs`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatepost_diagnostics::{Diagnostic, Report, Source, suggest};
use serde_saphyr::Error;

use super::model::File;
use super::places::span;
use super::validate;

/// A file that has been read and is without errors.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The file.
    pub path: PathBuf,
    /// Its name and text.
    pub source: Arc<Source>,
    /// What it says.
    pub file: File,
}

impl Suite {
    /// A path that is relative to the file.
    #[must_use]
    pub fn beside(&self, path: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    /// Reads a text. Files that it names are found beside `path`.
    ///
    /// # Errors
    /// The first error of its form, or else every error of its meaning.
    pub(crate) fn parse(path: &Path, source: Source) -> Result<Self, Report> {
        let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
        let source = Arc::new(source);
        let file: File = match serde_saphyr::from_str_with_options(source.text(), options) {
            Ok(file) => file,
            Err(error) => {
                let error = form_error(&source, &error);
                return Err(Report::new(source, vec![error]));
            }
        };
        let errors = validate::errors(&source, &file);
        if errors.is_empty() {
            return Ok(Self { path: path.to_owned(), source, file });
        }
        Err(Report::new(source, errors))
    }
}

pub(crate) fn form_error(source: &Source, error: &Error) -> Diagnostic {
    let error = error.without_snippet();
    let place = error.location().map(|place| span(source, place)).unwrap_or_default();
    let (message, help) = match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            (format!("unknown field `{field}`"), Some(suggest(field, expected)))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            (format!("unknown value `{variant}`"), Some(suggest(variant, expected)))
        }
        other => {
            // Its own text has the place a second time.
            let text = other.to_string();
            let message = text.split(" at line ").next().unwrap_or(&text);
            (expected(message).unwrap_or_else(|| message.to_owned()), None)
        }
    };
    Diagnostic::error(code(error), message).at(source, place).with_help(help)
}

fn code(error: &Error) -> &'static str {
    match error {
        Error::SerdeUnknownField { .. } => "unknown-field",
        Error::SerdeUnknownVariant { .. } => "unknown-choice",
        Error::SerdeMissingField { .. } => "missing-field",
        Error::DuplicateMappingKey { .. } => "duplicate-key",
        Error::SerdeInvalidType { .. }
        | Error::Unexpected { .. }
        | Error::InvalidScalar { .. }
        | Error::InvalidBooleanStrict { .. } => "wrong-type",
        Error::Message { .. } | Error::SerdeInvalidValue { .. } => "invalid-value",
        _ => "syntax",
    }
}

/// What must stand at a place, for a message that names a type of the parser's.
fn expected(message: &str) -> Option<String> {
    if let Some((_, expected)) =
        message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "))
    {
        return Some(format!("{expected} must stand here"));
    }
    let expected = match message {
        "unexpected end of input" => {
            "the file ends here, and something must stand in it, as in `tests: [{ name: one, \
             expect: {} }]`"
        }
        "expected string scalar" | "expected scalar" => "a text must stand here",
        "expected mapping start" => "a mapping must stand here, as in `{ name: value }`",
        "expected sequence start" => "a list must stand here, as in `[a, b]`",
        "invalid boolean (strict mode expects true/false)" => "`true` or `false` must stand here",
        "invalid u16" => "a whole number up to 65535 must stand here",
        "invalid u32" | "invalid u64" | "invalid usize" => {
            "a whole number that is not negative must stand here"
        }
        "invalid i64" => "a whole number must stand here",
        "invalid f64" => "a number must stand here",
        _ => return None,
    };
    Some(expected.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::places::line;

    fn parse(text: &str) -> Result<Suite, String> {
        Suite::parse(Path::new("t.yaml"), Source::new("t.yaml", text))
            .map_err(|report| report.to_string())
    }

    #[test]
    fn the_shortest_file_is_a_name_and_an_expectation() {
        let suite = parse("tests:\n- name: one\n  expect: { forward: {} }\n").unwrap();
        assert_eq!((suite.file.tests.len(), line(&suite.file.tests[0])), (1, 2));
    }

    #[test]
    fn everything_can_be_written() {
        let text = include_str!("../../../../docs/host/every-field.yaml");
        let suite = parse(text).unwrap_or_else(|error| panic!("{error}"));
        let test = &suite.file.tests[0].value;
        assert_eq!(test.request.headers.0.len(), 4);
        assert_eq!(test.then.len(), 1);
        assert_eq!(test.callouts.len(), 4);
        assert_eq!(test.expect.value.effects.as_ref().map(Vec::len), Some(2));
    }

    #[test]
    fn a_value_is_the_text_that_is_written() {
        let suite = parse(
            "tests:\n- name: a\n  request: { headers: { a: 12, b: yes, c: true, d: -3, e: \"1.0\", \
             f: [1.50, 007], g: \"\" } }\n  expect: {}\n",
        )
        .unwrap();
        let headers = &suite.file.tests[0].value.request.headers.0;
        let values: Vec<&str> = headers.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["12", "yes", "true", "-3", "1.0", "1.50", "007", ""]);
    }

    #[test]
    fn a_fault_of_form_has_its_place_and_a_suggestion() {
        for (text, expected) in [
            (
                "tests:\n- name: one\n  expcet: {}\n",
                "t.yaml:3:3: unknown field `expcet`; did you mean `expect`?",
            ),
            (
                "tests:\n- name: one\n  request:\n    heders: {}\n  expect: {}\n",
                "t.yaml:4:5: unknown field `heders`; did you mean `headers`?",
            ),
            (
                "tests:\n- name: one\n  expect:\n    forward: { path: { exakt: / } }\n",
                "t.yaml:4:24: unknown field `exakt`; did you mean `exact`?",
            ),
            (
                "tests:\n- name: one\n  expect: { response: { status: ok } }\n",
                "t.yaml:3:33: a whole number up to 65535 must stand here",
            ),
            (
                "tests:\n- name: one\n  request: []\n  expect: {}\n",
                "t.yaml:3:12: a mapping must stand here",
            ),
            (
                "tests:\n- name: a\n  request: { headers: { x-a: 1.0 } }\n  expect: {}\n",
                "t.yaml:3:30: a number with a point, an exponent or a leading zero must stand in \
                 quotes here",
            ),
            (
                "tests:\n- name: a\n  expect: { forward: { headers: { x-a: 1e3 } } }\n",
                "t.yaml:3:40: a number with a point, an exponent or a leading zero must stand in \
                 quotes here",
            ),
            ("tests: {}\n", "t.yaml:1:8: a list must stand here"),
            ("tests:\n- name: [a]\n  expect: {}\n", "t.yaml:2:9: a text must stand here"),
            (
                "tests:\n- name: a\n  strict: maybe\n  expect: {}\n",
                "t.yaml:3:11: `true` or `false` must stand here",
            ),
            ("tests:\n- name: a\n  name: b\n  expect: {}\n", "t.yaml:3:3: "),
            ("tests: []\n", "t.yaml:1:1: `tests` has none"),
            ("", "t.yaml:1:1: the file ends here, and something must stand in it"),
            (
                "tests:\n- name: a\n  request: { headers: { x-a: } }\n  expect: {}\n",
                "t.yaml:3:25: a text or a list of texts must stand here",
            ),
            (
                "profile: envoi\ntests: []\n",
                "t.yaml:1:10: unknown value `envoi`; did you mean `envoy`?",
            ),
            ("tests:\n- name: one\n", "t.yaml:2:3: missing field `expect`"),
            ("tests:\n- name: [\n", "t.yaml:2:9: "),
            (
                "tests:\n- name: one\n  expect:\n    forward: { path: { regex: '(' } }\n",
                "t.yaml:4:22: \"(\" is no regular expression: error: unclosed group",
            ),
            (
                "tests:\n- name: one\n  after: soon\n  expect: {}\n",
                "t.yaml:3:10: \"soon\" is no length of time",
            ),
        ] {
            let told = parse(text).unwrap_err();
            assert!(told.starts_with(expected), "{text}\nexpected {expected}\nfound    {told}");
        }
    }

    #[test]
    fn every_fault_of_meaning_is_told_at_once() {
        let told = parse(
            r#"
plugin: {}
plugins: []
tests:
- name: one
  request: { url: shop, source: nowhere }
  callouts: [{ cluster: a }]
  properties: { request.path: /, plugin_name: x }
  expect:
    reply: {}
    reset: true
    effects: [{ call: proxy_logg, status: OK }]
- name: one
  expect: { refused: true, logs: [], forward: {} }
  then: [{ expect: {} }]
"#,
        )
        .unwrap_err();
        insta::assert_snapshot!(told);
    }
}
