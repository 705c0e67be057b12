//! `gatepost test`: policy tests through the real filter on wasmtime.

use std::path::{Path, PathBuf};

use gatepost_authoring::mutants::{Survivor, Witness, surviving};
use gatepost_authoring::suite::Request;
use gatepost_authoring::{Diagnostic, Suite};
use gatepost_gateway::FilterModule;
use gatepost_testbed::cases::judge;
use gatepost_testbed::cases::offline::Offline;
use serde::Serialize;

use super::arguments::read_policy;
use super::exit::{CommandError, Exit};
use super::files::{Found, find, policy_beside};
use super::output::{Format, file_error, print};
use crate::cache;

/// Run policy tests through the real filter
///
/// Each tests.yaml tests the policy.yaml beside it. Every case goes through filter.wasm, as it
/// would in Envoy.
#[derive(clap::Args)]
pub struct Arguments {
    /// Files of tests, or folders that hold tests.yaml
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// `text` for people, a line for each case; `json` for programs, one object on one line
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Also change each policy in many ways, one at a time, and show the changes that no test
    /// notices, each with a request that shows it
    #[arg(long)]
    mutants: bool,
}

#[derive(Serialize)]
struct Results {
    version: &'static str,
    passed: usize,
    failed: usize,
    /// Files of tests that were not run, because of errors in them or in their policy.
    unusable: Vec<String>,
    suites: Vec<SuiteResult>,
}

#[derive(Serialize)]
struct SuiteResult {
    file: String,
    cases: Vec<CaseResult>,
    /// The changes of the policy that no test notices, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    unnoticed: Option<Vec<Unnoticed>>,
}

/// A change of the policy that no test notices.
#[derive(Serialize)]
struct Unnoticed {
    /// A JSON pointer into the policy.
    path: String,
    change: String,
    /// The arguments of `gatepost explain` for a request that shows it, and for the response where
    /// only that does.
    request: String,
}

#[derive(Serialize)]
struct CaseResult {
    name: String,
    line: usize,
    passed: bool,
    /// What is not as expected.
    diagnostics: Vec<Diagnostic>,
}

pub fn run(arguments: &Arguments) -> Result<Exit, CommandError> {
    let (module, state) = FilterModule::load(cache::directory()).map_err(CommandError::other)?;
    cache::report(&state);
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
        match run_suite(&module, &path, arguments.mutants) {
            Ok(suite) => suites.push(suite),
            // The other files are still tested.
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
    let mut unnoticed = results.suites.iter().filter_map(|suite| suite.unnoticed.as_ref());
    let all_noticed = unnoticed.all(Vec::is_empty);
    Ok(if results.failed == 0 && results.unusable.is_empty() && all_noticed {
        Exit::Success
    } else {
        Exit::Findings
    })
}

/// A file that the user names is read as tests under any name. In a folder, only files with the
/// names of tests are.
fn tests_of(found: Found, named: &[PathBuf]) -> Option<PathBuf> {
    match found {
        Found::Tests(path) => Some(path),
        Found::Policy(path) => named.contains(&path).then_some(path),
    }
}

fn run_suite(
    module: &FilterModule,
    path: &Path,
    with_mutants: bool,
) -> Result<SuiteResult, CommandError> {
    let suite = Suite::read(path).map_err(file_error)?;
    let policy = read_policy(&policy_beside(path)?)?;
    let mut offline = Offline::start(module, &policy.json).map_err(CommandError::other)?;
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
    let cases = cases.collect();
    let unnoticed =
        with_mutants.then(|| surviving(&policy, &suite).into_iter().map(Unnoticed::from).collect());
    Ok(SuiteResult { file: path.display().to_string(), cases, unnoticed })
}

impl From<Survivor> for Unnoticed {
    fn from(Survivor { mutant, witness }: Survivor) -> Self {
        let Witness { request: Request { method, authority, path, headers, source }, response } =
            witness;
        let mut request = format!("{method} '{authority}{path}' --source {source}");
        for (name, value) in headers {
            request += &format!(" -H '{name}: {value}'");
        }
        for (name, value) in response.headers {
            request += &format!(" --response-header '{name}: {value}'");
        }
        Self { path: mutant.path, change: mutant.change, request }
    }
}

fn text(results: &Results) -> String {
    let (good, bad, off) = ("\u{1b}[32m", "\u{1b}[31m", "\u{1b}[0m");
    let mut text = String::new();
    for SuiteResult { file, cases, unnoticed } in &results.suites {
        text += &format!("{file}\n");
        for case in cases {
            let result =
                if case.passed { format!("{good}ok{off}  ") } else { format!("{bad}FAIL{off}") };
            text += &format!("  {result} {}\n", case.name);
            if !case.passed {
                text += &format!("       at {file}:{}\n", case.line);
            }
            for diagnostic in &case.diagnostics {
                text += &format!("       {diagnostic}\n");
            }
        }
        for Unnoticed { path, change, request } in unnoticed.iter().flatten() {
            text += &format!("  {bad}no test notices{off} {path}: {change}\n");
            text += &format!("       a request that shows it: {request}\n");
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
