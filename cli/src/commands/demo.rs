//! `gatepost demo`: every scenario, live on loopback.

use gatepost_authoring::Diagnostic;
use gatepost_authoring::suite::{self, Case};
use gatepost_gateway::FilterModule;
use gatepost_testbed::cases::{Forwarded, Observation, Outcome, Replied, judge, wire};
use gatepost_testbed::shipped::{self, Shipped};
use gatepost_testbed::{GatewayKind, Testbed};

use super::arguments::runtime;
use super::exit::{CommandError, Exit};
use super::output::{findings, print};
use super::{envoy, table};
use crate::cache;

/// Show what the shipped policies do, live on loopback
///
/// Starts echo upstreams and a gateway, sends the requests of every scenario, and prints what was
/// decided and who answered.
#[derive(clap::Args)]
pub struct Arguments {
    /// The gateway that runs the filter
    #[arg(long, value_name = "GATEWAY", value_enum, default_value_t)]
    on: On,
    /// Only this policy; several times for several
    #[arg(long = "policy", value_name = "NAME", value_parser = shipped_names())]
    policies: Vec<String>,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum On {
    /// The gateway that is built into this command
    #[default]
    Gateway,
    /// A real Envoy: the binary that GATEPOST_ENVOY names, else one that is downloaded once
    Envoy,
}

/// A case with its result.
struct Shown {
    case: Case,
    observed: Result<Observation, String>,
    mismatches: Vec<Diagnostic>,
}

impl Shown {
    fn judged(
        case: Case,
        mut observed: Result<Observation, String>,
        details: Option<String>,
    ) -> Self {
        if let Ok(Observation { outcome: Outcome::Replied(replied), .. }) = &mut observed {
            replied.details = details;
        }
        let mismatches = observed
            .as_ref()
            .map(|observed| judge(&case, observed, wire::is_added))
            .unwrap_or_default();
        Self { case, observed, mismatches }
    }

    fn passed(&self) -> bool {
        self.observed.is_ok() && self.mismatches.is_empty()
    }
}

pub fn run(arguments: &Arguments) -> Result<Exit, CommandError> {
    let kind = match arguments.on {
        On::Gateway => {
            let (module, state) =
                FilterModule::load(cache::directory()).map_err(CommandError::other)?;
            cache::report(&state);
            GatewayKind::Embedded(module)
        }
        On::Envoy => GatewayKind::Envoy(envoy::binary()?),
    };
    let wanted = |policy: &&Shipped| {
        arguments.policies.is_empty() || arguments.policies.iter().any(|name| name == policy.name)
    };
    let runtime = runtime()?;
    let (mut passed, mut failed) = (0usize, 0usize);
    for policy in shipped::ALL.iter().filter(wanted) {
        let shown = runtime.block_on(play(&kind, policy))?;
        let rows: Vec<table::Row> = shown.iter().map(row).collect();
        print(&format!("\n{}: {}\n{}\n", policy.name, policy.title(), table::text(&rows)))?;
        for shown in shown.iter().filter(|shown| !shown.passed()) {
            print(&differences(shown))?;
        }
        let good = shown.iter().filter(|shown| shown.passed()).count();
        passed += good;
        failed += shown.len() - good;
    }
    print(&format!("\n{passed} passed, {failed} failed\n"))?;
    Ok(if failed == 0 { Exit::Success } else { Exit::Findings })
}

fn shipped_names() -> Vec<&'static str> {
    shipped::ALL.iter().map(|policy| policy.name).collect()
}

/// Sends the requests of a policy's tests to a gateway with that policy.
async fn play(kind: &GatewayKind, policy: &Shipped) -> Result<Vec<Shown>, CommandError> {
    let (policy, suite) = policy.read().map_err(findings)?;
    let routes: Vec<(&str, &str)> =
        suite.routes.iter().map(|route| (route.host.as_str(), route.upstream.as_str())).collect();
    let testbed = Testbed::start(kind, &policy.json, &routes).await.map_err(CommandError::other)?;
    let mut counted = testbed.counters().await.map_err(CommandError::other)?;
    let mut observed = Vec::new();
    for case in &suite.cases {
        observed.push(testbed.observe(case, &mut counted).await);
    }
    // The response does not carry the response code details. The gateway's access log does, with
    // a line for each request.
    let details = testbed.details(observed.len()).await;
    let shown = suite
        .cases
        .into_iter()
        .zip(observed)
        .zip(details.into_iter().map(Some).chain(std::iter::repeat(None)));
    Ok(shown.map(|((case, observed), details)| Shown::judged(case, observed, details)).collect())
}

fn row(shown: &Shown) -> table::Row {
    let (decision, answered_by) = ending(shown);
    let decision = [vec![decision], response_lines(shown)].concat().join("\n");
    table::Row {
        passed: shown.passed(),
        scenario: shown.case.name.clone(),
        request: request_text(&shown.case),
        decision,
        answered_by,
    }
}

/// The decision on a request, and who answered it.
fn ending(shown: &Shown) -> (String, String) {
    match &shown.observed {
        Ok(Observation { outcome: Outcome::Forwarded(forwarded), .. }) => {
            (forwarded_text(&shown.case, forwarded), forwarded.upstream.clone().unwrap_or_default())
        }
        Ok(Observation { outcome: Outcome::Replied(replied), .. }) => {
            (replied_text(replied), "gateway".to_owned())
        }
        Ok(Observation { outcome: Outcome::Stopped, .. }) => {
            ("stopped".to_owned(), "nobody".to_owned())
        }
        Err(error) => (error.clone(), "nobody".to_owned()),
    }
}

/// A request in a few lines: method, host and path, and its headers.
fn request_text(case: &Case) -> String {
    let request = &case.request;
    let mut text = format!("{} {}", request.method, request.authority);
    // The path gets its own line where both together do not fit into the column.
    if text.len() + request.path.len() > table::REQUEST {
        text.push('\n');
    }
    text += &request.path;
    for (name, value) in request.headers.iter().filter(|(name, _)| name != "te") {
        text += &format!("\n{name}: {value}");
    }
    if request.source != suite::DEFAULT_SOURCE {
        text += &format!("\nfrom {}", request.source);
    }
    text
}

/// The differences between the request that was sent and the one that the upstream received.
fn forwarded_text(case: &Case, forwarded: &Forwarded) -> String {
    let request = &case.request;
    let mut lines = Vec::new();
    if forwarded.authority != request.authority {
        lines.push(format!("host {}", forwarded.authority));
    }
    if forwarded.path != request.path {
        lines.push(format!("path {}", forwarded.path));
    }
    for (name, value) in forwarded.headers.iter().filter(|(name, _)| !wire::is_added(name)) {
        if !request.headers.iter().any(|(sent, was)| sent == name && was == value) {
            lines.push(format!("{name}: {value}"));
        }
    }
    let mut removed: Vec<&str> = Vec::new();
    for (name, _) in &request.headers {
        if !forwarded.headers.iter().any(|(arrived, _)| arrived == name)
            && !removed.contains(&name.as_str())
        {
            removed.push(name);
        }
    }
    lines.extend(removed.into_iter().map(|name| format!("without {name}")));
    if lines.is_empty() { "unchanged".to_owned() } else { lines.join("\n") }
}

/// The headers of the response that the scenario is about.
fn response_lines(shown: &Shown) -> Vec<String> {
    let (Ok(observed), Some(expected)) = (&shown.observed, &shown.case.expect.response) else {
        return Vec::new();
    };
    let is_named = |name: &str| expected.headers.iter().any(|(known, _)| known == name);
    let lines = observed.response.iter().filter(|(name, _)| is_named(name));
    let text = |(name, value): &(String, String)| {
        let line = format!("response {name}: {value}");
        // The value gets its own line where both together do not fit into the column.
        match line.len() > table::DECISION {
            true => format!("response {name}:\n{value}"),
            false => line,
        }
    };
    lines.map(text).collect()
}

fn replied_text(replied: &Replied) -> String {
    let status = match (replied.status, replied.grpc_status) {
        (Some(status), _) => status.to_string(),
        (None, Some(status)) => format!("grpc-status {status}"),
        (None, None) => String::new(),
    };
    format!("{status} {}", replied.details.as_deref().unwrap_or_default())
}

fn differences(shown: &Shown) -> String {
    let mut text = format!("  FAIL {}\n", shown.case.name);
    for mismatch in &shown.mismatches {
        text += &format!("       {mismatch}\n");
    }
    if let Err(error) = &shown.observed {
        text += &format!("       {error}\n");
    }
    text
}
