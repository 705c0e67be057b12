//! The results of tests: each case with everything that is not as expected. [`Report::text`] is for
//! people, its JSON form (`gatepost.module-test/v2`) and [`Report::junit`] are for programs.

use std::fmt::Write as _;

use gatepost_diagnostics::{Comparison, Diagnostic};
use serde::Serialize;

/// The results of any number of files.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The shape of the JSON form: `gatepost.module-test/v2`.
    pub version: &'static str,
    /// The module under test, as it was named.
    pub module: String,
    /// How many cases passed.
    pub passed: usize,
    /// How many did not.
    pub failed: usize,
    /// Files that cannot be run, because something in them is wrong.
    pub unusable: Vec<Unusable>,
    /// The others, in the order in which they were run.
    pub files: Vec<FileReport>,
}

/// A file with errors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unusable {
    /// The file.
    pub file: String,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
}

impl From<gatepost_diagnostics::Report> for Unusable {
    fn from(report: gatepost_diagnostics::Report) -> Self {
        Self { file: report.source.name().to_owned(), diagnostics: report.diagnostics }
    }
}

/// The results of one file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FileReport {
    /// The file.
    pub file: String,
    /// What the file asks for and did not get, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Its cases, in order.
    pub cases: Vec<CaseReport>,
}

/// The result of one case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseReport {
    /// Its name.
    pub name: String,
    /// Where it begins in the file, when that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Whether everything was as expected.
    pub passed: bool,
    /// What was not, each with what the test expects and what was found.
    pub diagnostics: Vec<Diagnostic>,
    /// What the module logged during the test, as `level: message`.
    pub logs: Vec<String>,
}

/// Something that is not as expected. `at` is the part of the test, in the words of the file
/// (`request_headers`, `forward`), and `what` a part of that (`header x-env`, `body`).
pub(crate) fn mismatch(
    at: &str,
    what: impl std::fmt::Display,
    expected: impl Into<String>,
    found: impl Into<String>,
) -> Diagnostic {
    Diagnostic::mismatch(format!("{at}: {what}"), expected, found)
}

impl CaseReport {
    pub(crate) fn new(
        name: &str,
        line: Option<usize>,
        diagnostics: Vec<Diagnostic>,
        logs: Vec<String>,
    ) -> Self {
        Self { name: name.to_owned(), line, passed: diagnostics.is_empty(), diagnostics, logs }
    }
}

impl Report {
    /// The report of these files.
    #[must_use]
    pub fn new(module: &str, files: Vec<FileReport>, unusable: Vec<Unusable>) -> Self {
        let count = |passed| {
            files.iter().flat_map(|file| &file.cases).filter(|case| case.passed == passed).count()
        };
        Self {
            version: "gatepost.module-test/v2",
            module: module.to_owned(),
            passed: count(true),
            failed: count(false),
            unusable,
            files,
        }
    }

    /// Whether every file could be used and every case passed.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.failed == 0 && self.unusable.is_empty()
    }

    /// The report for people, with terminal colours.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for file in &self.files {
            file_text(&mut text, file);
        }
        if !self.files.is_empty() {
            text.push('\n');
        }
        for unusable in &self.unusable {
            let _ = writeln!(text, "{BAD}not run{OFF}: {}", unusable.file);
        }
        let _ = writeln!(text, "{} passed, {} failed", self.passed, self.failed);
        text
    }

    /// The report as JUnit XML, for CI systems.
    #[must_use]
    pub fn junit(&self) -> String {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let (tests, failed) = (self.passed + self.failed + self.unusable.len(), self.failed);
        let errors = self.unusable.len();
        let _ = writeln!(
            xml,
            "<testsuites name=\"{}\" tests=\"{tests}\" failures=\"{failed}\" errors=\"{errors}\">",
            Xml(&self.module)
        );
        for file in &self.files {
            let failed = file.cases.iter().filter(|case| !case.passed).count();
            let (name, tests) = (Xml(&file.file), file.cases.len());
            let _ = writeln!(
                xml,
                "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failed}\" errors=\"0\">"
            );
            for case in &file.cases {
                let _ =
                    write!(xml, "    <testcase classname=\"{name}\" name=\"{}\"", Xml(&case.name));
                if case.passed {
                    xml += "/>\n";
                    continue;
                }
                let lines: Vec<String> = case.diagnostics.iter().map(ToString::to_string).collect();
                let all = lines.join("\n");
                let first = all.lines().next().unwrap_or_default();
                let _ = writeln!(
                    xml,
                    ">\n      <failure message=\"{}\">{}</failure>",
                    Xml(first),
                    Xml(&all)
                );
                if !case.logs.is_empty() {
                    let _ = writeln!(
                        xml,
                        "      <system-out>{}</system-out>",
                        Xml(&case.logs.join("\n"))
                    );
                }
                xml += "    </testcase>\n";
            }
            xml += "  </testsuite>\n";
        }
        for unusable in &self.unusable {
            let name = Xml(&unusable.file);
            let _ = writeln!(
                xml,
                "  <testsuite name=\"{name}\" tests=\"1\" failures=\"0\" errors=\"1\">"
            );
            let _ =
                writeln!(xml, "    <testcase classname=\"{name}\" name=\"the file can be read\">");
            for diagnostic in &unusable.diagnostics {
                let place = diagnostic.location.as_ref().map(|location| location.start);
                let place = place.map(|at| format!("{}:{}: ", at.line, at.column));
                let message = format!("{}{diagnostic}", place.unwrap_or_default());
                let _ = writeln!(xml, "      <error message=\"{}\"/>", Xml(&message));
            }
            xml += "    </testcase>\n  </testsuite>\n";
        }
        xml + "</testsuites>\n"
    }
}

const GOOD: &str = "\u{1b}[32m";
const BAD: &str = "\u{1b}[31m";
const DIM: &str = "\u{1b}[2m";
const OFF: &str = "\u{1b}[0m";

fn file_text(text: &mut String, file: &FileReport) {
    let _ = writeln!(text, "{}", file.file);
    for note in &file.notes {
        let _ = writeln!(text, "  {DIM}note: {note}{OFF}");
    }
    for case in &file.cases {
        let mark = if case.passed { format!("{GOOD}ok{OFF}  ") } else { format!("{BAD}FAIL{OFF}") };
        let _ = writeln!(text, "  {mark} {}", case.name);
        if case.passed {
            continue;
        }
        if let Some(line) = case.line {
            let _ = writeln!(text, "       at {}:{line}", file.file);
        }
        for diagnostic in &case.diagnostics {
            let _ = writeln!(text, "       {}", diagnostic.message);
            if let Some(Comparison { expected, found }) = &diagnostic.comparison {
                let _ = writeln!(text, "         expected {GOOD}{}{OFF}", visible(expected));
                let _ = writeln!(text, "         found    {BAD}{}{OFF}", visible(found));
            }
        }
        if !case.logs.is_empty() {
            let _ = writeln!(text, "       log");
            for line in &case.logs {
                let _ = writeln!(text, "         {DIM}{}{OFF}", visible(line));
            }
        }
    }
}

/// A text with its control characters escaped: what a module wrote must not control the terminal.
fn visible(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

/// Text inside XML. Characters that XML 1.0 cannot hold at all are replaced.
struct Xml<'a>(&'a str);

impl std::fmt::Display for Xml<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                '\n' => f.write_str("&#10;")?,
                '\t' => f.write_str("&#9;")?,
                '\u{fffe}' | '\u{ffff}' => f.write_str("\u{fffd}")?,
                c if c.is_control() && (c as u32) < 0x20 => f.write_str("\u{fffd}")?,
                c => std::fmt::Write::write_char(f, c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use gatepost_diagnostics::{Source, Span};

    use super::*;

    fn report() -> Report {
        let differs = mismatch("request_headers", "header env", "\"a\"", "\"b\"");
        let cases = vec![
            CaseReport::new(
                "one",
                Some(3),
                vec![differs],
                vec!["info: a \u{1b}[1m <b>".to_owned()],
            ),
            CaseReport::new("two", None, Vec::new(), Vec::new()),
        ];
        let file = FileReport {
            file: "tests.yaml".to_owned(),
            notes: vec!["no benchmark".to_owned()],
            cases,
        };
        let source = Source::new("bad.yaml", "tests: []\n?");
        let error = Diagnostic::error("syntax", "unknown").at(&source, Span::new(10, 11));
        Report::new(
            "m.wasm",
            vec![file],
            vec![Unusable { file: "bad.yaml".to_owned(), diagnostics: vec![error] }],
        )
    }

    #[test]
    fn the_text_shows_expected_and_found_under_each_other() {
        let text = report().text();
        let bare = [GOOD, BAD, DIM, OFF].iter().fold(text, |text, code| text.replace(code, ""));
        insta::assert_snapshot!(bare, @r#"
        tests.yaml
          note: no benchmark
          FAIL one
               at tests.yaml:3
               request_headers: header env
                 expected "a"
                 found    "b"
               log
                 info: a \u{1b}[1m <b>
          ok   two

        not run: bad.yaml
        1 passed, 1 failed
        "#);
    }

    #[test]
    fn junit_has_a_suite_for_each_file_and_no_raw_markup() {
        insta::assert_snapshot!(report().junit());
    }
}
