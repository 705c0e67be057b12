//! `gatepost fingerprint`: the number by which gateways show a policy.

use std::path::{Path, PathBuf};

use gatepost_authoring::{MAX_TEXT_FILE, PolicyFile};
use gatepost_engine::Mode;
use serde::Serialize;

use super::arguments::read_policy;
use super::exit::{CommandError, Exit};
use super::files::{Found, find};
use super::input::standard_input;
use super::output::{Format, findings, print};

/// Print the number by which gateways show a policy
///
/// The fingerprint is the same for every form of a policy, and another one for every policy that
/// does something else. The filter shows it as the gauge gatepost.policy.<plugin name>.
#[derive(clap::Args)]
pub struct Arguments {
    /// Policy files, manifests that hold a policy, or folders with policy.yaml; `-` is standard
    /// input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// `text` is a line for each file, the number first; `json` one object on one line
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// `gatepost.fingerprint/v1`, for programs.
#[derive(Serialize)]
struct Fingerprints<'p> {
    version: &'static str,
    policies: Vec<Fingerprint<'p>>,
}

#[derive(Serialize)]
struct Fingerprint<'p> {
    file: &'p str,
    fingerprint: u64,
    observes: bool,
}

pub fn run(arguments: &Arguments) -> Result<Exit, CommandError> {
    let mut policies = Vec::new();
    for path in &arguments.paths {
        if path == Path::new("-") {
            let text = standard_input(MAX_TEXT_FILE).map_err(CommandError::other)?;
            policies.push(PolicyFile::parse("standard input", &text).map_err(findings)?);
            continue;
        }
        let what = "policy.yaml";
        let before = policies.len();
        for found in find(std::slice::from_ref(path), what)? {
            if let Found::Policy(path) = found {
                policies.push(read_policy(&path)?);
            }
        }
        if policies.len() == before {
            return Err(CommandError::Nothing { path: path.clone(), what });
        }
    }
    let policies: Vec<Fingerprint<'_>> = policies.iter().map(fingerprint).collect();
    print(&match arguments.format {
        Format::Text => policies
            .iter()
            .map(|policy| format!("{}  {}\n", policy.fingerprint, policy.file))
            .collect::<String>(),
        Format::Json => {
            let all = Fingerprints { version: "gatepost.fingerprint/v1", policies };
            // It has only strings as keys, so writing it does not fail.
            serde_json::to_string(&all).unwrap_or_default() + "\n"
        }
    })?;
    Ok(Exit::Success)
}

fn fingerprint(file: &PolicyFile) -> Fingerprint<'_> {
    Fingerprint {
        file: file.source.name(),
        fingerprint: file.policy.fingerprint(),
        observes: file.policy.mode() == Mode::Observe,
    }
}
