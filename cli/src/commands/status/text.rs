//! The report for people: a line for each gateway, what it runs and decided below it, and a sum.

use std::fmt::Write as _;

use super::report::{Gateway, Report, State};

pub fn of(report: &Report) -> String {
    let mut text = String::new();
    for gateway in &report.gateways {
        text.push_str(&of_gateway(gateway, report.policy.is_some()));
    }
    text + &sum(report)
}

fn of_gateway(gateway: &Gateway, is_wanted: bool) -> String {
    let (good, bad, off) = ("\u{1b}[32m", "\u{1b}[31m", "\u{1b}[0m");
    let state = match gateway.state {
        State::Runs if is_wanted => format!("{good}runs the policy{off}"),
        State::Runs => format!("{good}runs a policy{off}"),
        State::RunsAnother => format!("{bad}runs another policy{off}"),
        State::RunsNone => format!("{bad}runs no policy{off}"),
        State::NotReady => format!("{bad}is not ready{off}"),
        State::Silent => format!("{bad}does not answer{off}"),
    };
    let mut lines = vec![format!("{} {state}", gateway.name)];
    lines.extend(gateway.error.clone());
    for plugin in &gateway.plugins {
        let mode = if plugin.observes { "observes" } else { "enforces" };
        lines.push(format!("{} {mode} {}", plugin.name, plugin.fingerprint));
    }
    lines.extend(decided(gateway));
    let failures = gateway.failures.iter().filter(|(_, count)| **count > 0);
    let failures: Vec<String> = failures.map(|(what, count)| format!("{what} {count}")).collect();
    if !failures.is_empty() {
        lines.push(format!("answered with 500: {}", failures.join(", ")));
    }
    lines.extend(refused(gateway));
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{}{line}", if number > 0 { "  " } else { "" });
    }
    text
}

/// What was decided, rule by rule. The counters are those of all plugins.
fn decided(gateway: &Gateway) -> Option<String> {
    let observing = gateway.plugins.iter().filter(|plugin| plugin.observes).count();
    let how = match observing {
        _ if gateway.plugins.is_empty() => return None,
        0 => "enforced",
        all if all == gateway.plugins.len() => "observed",
        _ => "enforced or observed",
    };
    // A health check that matched nobody yet is what one looks for.
    let counts = gateway.counts.iter().filter(|one| one.count > 0 || one.rule == "healthCheck");
    let counts: Vec<String> = counts
        .map(|one| match one.rule {
            "healthCheck" => format!("health check {} {}", one.name, one.count),
            rule => format!("{rule} {} {}", one.name, one.count),
        })
        .collect();
    let counts = if counts.is_empty() { "nothing yet".to_owned() } else { counts.join(", ") };
    Some(format!("{how}: {counts}"))
}

/// What was refused or failed since the gateway runs, which may be over.
fn refused(gateway: &Gateway) -> Vec<String> {
    let runs_none = gateway.plugins.is_empty() && gateway.error.is_none();
    let was_sent = runs_none && gateway.failed_fetches == 0 && gateway.sent_plugins > 0;
    let lines = [
        (
            gateway.refused_policies > 0,
            format!(
                "refused {}; its log says why",
                several(gateway.refused_policies, "policy", "policies")
            ),
        ),
        (
            gateway.refused_listeners > 0,
            format!("refused {}", several(gateway.refused_listeners, "listener", "listeners")),
        ),
        (
            gateway.failed_fetches > 0,
            format!("could not fetch {}", several(gateway.failed_fetches, "module", "modules")),
        ),
        (
            was_sent,
            "Istio sent it a plugin, which is gone or was refused; its log says which".to_owned(),
        ),
        (runs_none && gateway.sent_plugins == 0, "no such plugin is there".to_owned()),
    ];
    lines.into_iter().filter(|(holds, _)| *holds).map(|(_, line)| line).collect()
}

fn sum(report: &Report) -> String {
    let all = report.gateways.len();
    let run = report.gateways.iter().filter(|gateway| gateway.state == State::Runs).count();
    let what = report.policy.map_or("a policy".to_owned(), |policy| format!("policy {policy}"));
    let differ = if report.agree { "" } else { ", and they differ" };
    let gateways = several(all as u64, "gateway", "gateways");
    format!("{gateways}: {run} with {what}, {} without{differ}\n", all - run)
}

fn several(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
