//! `gatepost check`: every error in policies and their tests, at once, and with `--manifests` what
//! a cluster's objects and the policies will not do together.

use std::path::{Path, PathBuf};

use gatepost_authoring::{FileError, Policies, PolicyFile, Render, Report, Suite};
use gatepost_manifests::{Manifests, judge};

use super::exit::{CommandError, Exit};
use super::files::{Found, find};
use super::output::{Format, for_people, print};

/// Validate policies, the tests beside them, and the manifests around them
///
/// Shows every error at once, each with its path in the document, its line and column, and the
/// nearest name that exists. With --manifests it also says what a cluster's objects and the
/// policies will not do together; docs/findings.md explains each code.
#[derive(clap::Args)]
pub struct Arguments {
    /// Policy files, manifests that embed one, or folders that hold policy.yaml and tests.yaml
    #[arg(required_unless_present = "manifests", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Kubernetes objects: a folder, a file, or `-` for what `kubectl kustomize`, `helm template`
    /// or `kubectl get -o yaml` prints
    #[arg(long, value_name = "PATH")]
    manifests: Option<PathBuf>,
    /// The namespace of objects that name none, as `kubectl apply --namespace` has it
    #[arg(long, short, requires = "manifests", default_value = "default")]
    namespace: String,
    /// `text` for people, with carets under what is wrong; `json` for programs, one object on one
    /// line
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(arguments: &Arguments) -> Result<Exit, CommandError> {
    let mut reports = Vec::new();
    let mut policies = Vec::new();
    if !arguments.paths.is_empty() {
        for found in find(&arguments.paths, "policy.yaml or tests.yaml")? {
            reports.push(read(found, &mut policies)?);
        }
    }
    let mut files = reports.len();
    if let Some(path) = &arguments.manifests {
        let manifests = read_manifests(path)?.in_namespace(&arguments.namespace);
        files += manifests.files;
        reports.extend(judge(&manifests, &policies));
    }
    match arguments.format {
        Format::Json => print(&Render::Json.render(&reports))?,
        Format::Text => {
            print(&[for_people().render(&reports), summary(files, &reports)].concat())?;
        }
    }
    Ok(if reports.iter().all(Report::is_usable) { Exit::Success } else { Exit::Findings })
}

/// Reads a file, and keeps its policies.
fn read(found: Found, policies: &mut Vec<PolicyFile>) -> Result<Report, CommandError> {
    let report = match &found {
        Found::Policy(path) => Policies::read(path).map(|read| {
            let report = read.report();
            policies.extend(read.policies);
            report
        }),
        Found::Tests(path) => Suite::read(path).map(|suite| Report::new(suite.source, Vec::new())),
    };
    match report {
        Ok(report) | Err(FileError::Invalid(report)) => Ok(report),
        Err(FileError::Unreadable { path, error }) => Err(CommandError::Unreadable { path, error }),
    }
}

/// Reads manifests from a path, or from standard input.
fn read_manifests(path: &Path) -> Result<Manifests, CommandError> {
    let read = match path.as_os_str().as_encoded_bytes() {
        b"-" => Manifests::read_from("standard input", std::io::stdin().lock()),
        _ => Manifests::read(path),
    };
    read.map_err(CommandError::other)
}

fn summary(files: usize, reports: &[Report]) -> String {
    use gatepost_authoring::Severity::{Error, Warning};
    let count = |severity| reports.iter().map(|report| report.count(severity)).sum::<usize>();
    let several =
        |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    format!(
        "{}: {}, {}\n",
        several(files, "file"),
        several(count(Error), "error"),
        several(count(Warning), "warning")
    )
}
