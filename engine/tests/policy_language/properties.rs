//! What holds for every policy and every request, tried with thousands of both.

use gatepost_engine::{Authority, EnvironmentReason, HostKind, Policy, Step, compile_json};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::generators::{ALL, Parts, any_spelling, bytes, headers, policies, requests};
use crate::vocabulary::{Header, get, values};

fn compile(document: &Value) -> Policy {
    compile_json(document.to_string().as_bytes()).unwrap_or_else(|faults| panic!("{document}: {faults:?}"))
}

fn authority_of(headers: &[Header]) -> &[u8] {
    values(headers, ":authority").first().copied().unwrap_or_default()
}

/// Whether a canonical host matches a pattern, written as plainly as it can be.
fn matches(pattern: &str, host: &str, kind: HostKind) -> bool {
    if kind == HostKind::IpLiteral || pattern.starts_with('[') {
        return pattern == host;
    }
    let (pattern, host): (Vec<&str>, Vec<&str>) = (pattern.rsplit('.').collect(), host.rsplit('.').collect());
    let star = pattern.last() == Some(&"*");
    let wanted = pattern.len() - usize::from(star);
    let fits = if star { host.len() > wanted } else { host.len() == wanted };
    fits && pattern.iter().take(wanted).zip(&host).all(|(wanted, label)| wanted.starts_with('{') || wanted == label)
}

fn is_private(document: &Value, authority: &[u8]) -> bool {
    let Ok(authority) = Authority::parse(authority) else { return false };
    let patterns = document["hosts"]["private"].as_array().into_iter().flatten().filter_map(Value::as_str);
    patterns.into_iter().any(|pattern| matches(pattern, authority.host(), authority.kind()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    // The vocabulary holds each decision to its rules: the same with and without an explanation, and no needless write.
    #[test]
    fn no_request_panics_under_any_policy(document in policies(ALL), requests in prop::collection::vec(requests(), 1..6)) {
        let policy = compile(&document);
        requests.iter().for_each(|request| drop(request.decided_by(&policy)));
    }

    #[test]
    fn no_bytes_are_too_odd_for_a_configuration(text in bytes(), document in policies(ALL), at in any::<Index>(), byte in any::<u8>()) {
        let _ = compile_json(&text);
        let mut text = document.to_string().into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        if let Ok(policy) = compile_json(&text) {
            get("a.test").decided_by(&policy);
        }
    }

    // A health check without a new authority, and an invalid host that may pass, leave what the client wrote.
    #[test]
    fn an_authority_that_goes_upstream_is_valid_and_in_normal_form(document in policies(ALL), request in requests()) {
        let outcome = request.decided_by(&compile(&document));
        if let Some(upstream) = outcome.upstream() {
            let (before, after) = (authority_of(&request.headers), authority_of(upstream));
            let probe = matches!(outcome.steps().last(), Some(Step::HealthCheck { failed: None, .. }));
            let left_alone = before == after && (probe || Authority::parse(before).is_err());
            if !left_alone {
                let parsed = Authority::parse(after);
                prop_assert_eq!(parsed.as_ref().map(|parsed| parsed.as_str().as_bytes()), Ok(after));
            }
        }
    }

    #[test]
    fn a_private_host_is_not_reachable_by_any_spelling(
        document in policies(Parts { health_checks: false, invalid_hosts: false, ..ALL }),
        spelling in any_spelling(),
        headers in headers(),
    ) {
        let request = headers.into_iter().fold(get(&spelling), |mut request, header| {
            request.headers.push(header);
            request
        });
        prop_assert!(Authority::parse(spelling.as_bytes()).is_ok(), "{}", spelling);
        if is_private(&document, spelling.as_bytes()) {
            let outcome = request.decided_by(&compile(&document));
            prop_assert!(matches!(outcome.details(), Some("gatepost.host.private" | "gatepost.environment.unknown")));
        }
    }

    #[test]
    fn no_shortening_ends_at_a_private_host(document in policies(Parts { health_checks: false, invalid_hosts: false, ..ALL }), request in requests()) {
        let mut document = document;
        document["hosts"]["mappings"] = json!([]);
        if let Some(hints) = document.pointer_mut("/environments/hints").and_then(Value::as_object_mut) {
            hints.remove("authority");
        }
        if let Some(upstream) = request.decided_by(&compile(&document)).upstream() {
            prop_assert!(!is_private(&document, authority_of(upstream)), "{:?}", authority_of(upstream).escape_ascii().to_string());
        }
    }

    // Whatever a client sends under a guarded name, the upstream sees what it would see had the client not sent it.
    #[test]
    fn nothing_that_a_client_sends_under_a_guarded_name_makes_a_difference(document in policies(ALL), request in requests()) {
        let policy = compile(&document);
        let guarded = |name: &[u8]| {
            let hints = document.pointer("/environments/hints/headers").and_then(Value::as_object);
            let is = |known: &str| name == known.as_bytes();
            hints.is_some_and(|hints| hints.keys().any(|known| is(known)))
                || document["hosts"]["originalHost"].as_str().is_some_and(is)
                || document["strip"][0].as_str().is_some_and(is)
        };
        let mut honest = request.clone();
        honest.headers.retain(|(name, _)| !guarded(name));
        let (forged, honest) = (request.decided_by(&policy), honest.decided_by(&policy));
        let passed = matches!(forged.steps().last(), Some(Step::HealthCheck { name, failed: None }) if passes(&document, name));
        if !passed {
            prop_assert_eq!(sorted(forged.upstream()), sorted(honest.upstream()));
            prop_assert_eq!(forged.details(), honest.details());
        }
    }

    #[test]
    fn normalisation_is_idempotent(
        document in policies(Parts { health_checks: false, rewrites: false, ..ALL }),
        request in requests(),
    ) {
        let policy = compile(&document);
        if let Some(upstream) = request.decided_by(&policy).upstream() {
            let mut again = request.clone();
            again.headers = upstream.to_vec();
            again.decided_by(&policy).is_unchanged();
        }
    }

    #[test]
    fn a_decision_carried_out_is_what_the_last_step_of_its_explanation_says(document in policies(ALL), request in requests()) {
        let outcome = request.decided_by(&compile(&document));
        let last = outcome.steps().last().expect("a policy takes steps");
        match (outcome.upstream(), last) {
            (Some(upstream), Step::Upstream { authority, .. }) => prop_assert_eq!(authority_of(upstream), authority.as_bytes()),
            (Some(_), Step::HealthCheck { failed: None, .. }) => {}
            // An invalid host that may pass stays as it is.
            (Some(upstream), _) => {
                prop_assert!(Authority::parse(authority_of(&request.headers)).is_err());
                prop_assert_eq!(authority_of(upstream), authority_of(&request.headers));
            }
            (None, last) => {
                let details = outcome.details().unwrap_or_default();
                let said = match last {
                    Step::HealthCheck { name, failed: None } => details == format!("gatepost.health_check.{name}"),
                    Step::Environment { reason: EnvironmentReason::UnknownRejected, .. } => details == "gatepost.environment.unknown",
                    Step::Private { pattern: Some(_), .. } => details == "gatepost.host.private",
                    _ => matches!(details, "gatepost.host.invalid" | "gatepost.host.unmapped" | "gatepost.host.unmappable"),
                };
                prop_assert!(said, "{} after {:?}", details, last);
            }
        }
    }

    #[test]
    fn the_mapping_that_applies_is_one_whose_pattern_matches(document in policies(Parts { health_checks: false, ..ALL }), request in requests()) {
        for step in request.decided_by(&compile(&document)).steps() {
            if let Step::Mapping { host, pattern: Some(pattern), .. } = step {
                let kind = Authority::parse(host.as_bytes()).map(|authority| authority.kind()).expect("a valid host");
                prop_assert!(matches(pattern, host, kind), "{} does not match {}", pattern, host);
            }
        }
    }
}

fn passes(document: &Value, name: &str) -> bool {
    let checks = document["healthChecks"].as_array();
    checks.into_iter().flatten().any(|check| check["name"] == name && check.get("pass").is_some())
}

/// Where a header stands among others of another name means nothing.
fn sorted(headers: Option<&[Header]>) -> Option<Vec<String>> {
    let headers = headers?.iter().map(|(name, value)| format!("{}: {}", name.escape_ascii(), value.escape_ascii()));
    let mut headers: Vec<String> = headers.collect();
    headers.sort();
    Some(headers)
}
