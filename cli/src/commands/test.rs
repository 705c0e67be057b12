//! `gatepost test`: policy tests through the real filter on wasmtime.

use std::path::{Path, PathBuf};

use gatepost_authoring::{Diagnostic, PolicyFile, Suite};
use serde::Serialize;

use super::files::{Found, find, policy_beside};
use super::{CommandError, Ended, Format, print, read_policy, unusable};
use crate::cache;
use gatepost_gateway::plugin::FilterModule;
use gatepost_testbed::cases::judge;
use gatepost_testbed::cases::offline::Offline;

/// Run policy tests through the real filter
///
/// Each tests.yaml is about the policy.yaml beside it. Every case is shown to filter.wasm, as Envoy
/// would show it.
#[derive(clap::Args)]
pub struct Arguments {
    /// Files of tests, or folders that hold tests.yaml
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// `text` for people, a line for each case; `json` for programs, one object on one line
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Results {
    version: &'static str,
    passed: usize,
    failed: usize,
    /// Files of tests that could not be run, because something is wrong in them or in their policy.
    unusable: Vec<String>,
    suites: Vec<SuiteResult>,
}

#[derive(Serialize)]
struct SuiteResult {
    file: String,
    cases: Vec<CaseResult>,
}

#[derive(Serialize)]
struct CaseResult {
    name: String,
    line: usize,
    passed: bool,
    /// What is not as expected.
    diagnostics: Vec<Diagnostic>,
}

pub fn run(arguments: &Arguments) -> Result<Ended, CommandError> {
    let (module, _) = FilterModule::load(cache::directory()).map_err(CommandError::other)?;
    let mut suites = Vec::new();
    let files = find(&arguments.paths, "tests.yaml")?;
    let tests: Vec<PathBuf> =
        files.into_iter().filter_map(|found| tests_of(found, &arguments.paths)).collect();
    if tests.is_empty() {
        return Err(CommandError::Nothing {
            path: arguments.paths.first().cloned().unwrap_or_default(),
            what: "tests.yaml",
        });
    }
    let mut unusable = Vec::new();
    for path in tests {
        match run_suite(&module, &path) {
            Ok(suite) => suites.push(suite),
            // The other files are tested nevertheless.
            Err(CommandError::Findings(summary)) => {
                eprintln!("gatepost: {summary}");
                unusable.push(path.display().to_string());
            }
            Err(error) => return Err(error),
        }
    }
    let count = |passed| {
        suites.iter().flat_map(|suite| &suite.cases).filter(|case| case.passed == passed).count()
    };
    let results = Results {
        version: "gatepost.test/v2",
        passed: count(true),
        failed: count(false),
        unusable,
        suites,
    };
    match arguments.format {
        Format::Text => print(&text(&results))?,
        Format::Json => {
            print(&format!("{}\n", serde_json::to_string(&results).map_err(CommandError::other)?))?;
        }
    }
    Ok(if results.failed == 0 && results.unusable.is_empty() {
        Ended::Fine
    } else {
        Ended::Findings
    })
}

/// A file that was named is taken for tests whatever it is called; in a folder only what is called
/// so.
fn tests_of(found: Found, named: &[PathBuf]) -> Option<PathBuf> {
    match found {
        Found::Tests(path) => Some(path),
        Found::Policy(path) => named.contains(&path).then_some(path),
    }
}

fn run_suite(module: &FilterModule, path: &Path) -> Result<SuiteResult, CommandError> {
    let suite = Suite::read(path).map_err(unusable)?;
    let PolicyFile { json, .. } = read_policy(&policy_beside(path)?)?;
    let mut offline = Offline::start(module, &json).map_err(CommandError::other)?;
    let cases = suite.cases.iter().map(|case| {
        let mismatches = match offline.run(case, &suite.routes) {
            Ok(observed) => judge(case, &observed, |_| false),
            Err(trap) => vec![Diagnostic::error("trap", trap.to_string())],
        };
        let at_the_case = |mismatch: Diagnostic| mismatch.at(&suite.source, case.span);
        let diagnostics: Vec<Diagnostic> = mismatches.into_iter().map(at_the_case).collect();
        CaseResult {
            name: case.name.clone(),
            line: suite.source.line(case.span.start),
            passed: diagnostics.is_empty(),
            diagnostics,
        }
    });
    Ok(SuiteResult { file: path.display().to_string(), cases: cases.collect() })
}

fn text(results: &Results) -> String {
    let (good, bad, off) = ("\u{1b}[32m", "\u{1b}[31m", "\u{1b}[0m");
    let mut text = String::new();
    for SuiteResult { file, cases } in &results.suites {
        text += &format!("{file}\n");
        for case in cases {
            let mark =
                if case.passed { format!("{good}ok{off}  ") } else { format!("{bad}FAIL{off}") };
            text += &format!("  {mark} {}\n", case.name);
            if !case.passed {
                text += &format!("       at {file}:{}\n", case.line);
            }
            for diagnostic in &case.diagnostics {
                text += &format!("       {diagnostic}\n");
            }
        }
    }
    if !results.suites.is_empty() {
        text += "\n";
    }
    for file in &results.unusable {
        text += &format!("{bad}not run{off}: {file}\n");
    }
    text + &format!("{} passed, {} failed\n", results.passed, results.failed)
}
