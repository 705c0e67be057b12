//! `gatepost check`: every error in policies and their tests, at once.

use std::path::PathBuf;

use gatepost_authoring::{FileError, PolicyFile, Render, Report, Suite};

use super::exit::{CommandError, Exit};
use super::files::{Found, find};
use super::output::{Format, for_people, print};

/// Validate policies, and the tests beside them
///
/// Shows every error at once, each with its path in the document, its line and column, and the
/// nearest name that exists.
#[derive(clap::Args)]
pub struct Arguments {
    /// Policy files, or folders that hold policy.yaml and tests.yaml
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// `text` for people, with carets under what is wrong; `json` for programs, one object on one
    /// line
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(arguments: &Arguments) -> Result<Exit, CommandError> {
    let mut reports = Vec::new();
    for found in find(&arguments.paths, "policy.yaml or tests.yaml")? {
        reports.push(judge(found)?);
    }
    match arguments.format {
        Format::Json => print(&Render::Json.render(&reports))?,
        Format::Text => print(&[for_people().render(&reports), summary(&reports)].concat())?,
    }
    Ok(if reports.iter().all(Report::is_usable) { Exit::Success } else { Exit::Findings })
}

fn judge(found: Found) -> Result<Report, CommandError> {
    let report = match &found {
        Found::Policy(path) => PolicyFile::read(path).map(|policy| policy.report()),
        Found::Tests(path) => Suite::read(path).map(|suite| Report::new(suite.source, Vec::new())),
    };
    match report {
        Ok(report) | Err(FileError::Invalid(report)) => Ok(report),
        Err(FileError::Unreadable { path, error }) => Err(CommandError::Unreadable { path, error }),
    }
}

fn summary(reports: &[Report]) -> String {
    use gatepost_authoring::Severity::{Error, Warning};
    let count = |severity| reports.iter().map(|report| report.count(severity)).sum::<usize>();
    let several =
        |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (files, errors, warnings) = (reports.len(), count(Error), count(Warning));
    format!(
        "{}: {}, {}\n",
        several(files, "file"),
        several(errors, "error"),
        several(warnings, "warning")
    )
}
