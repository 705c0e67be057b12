//! Properties of every policy and every request, tested with thousands of generated ones.

use gatepost_engine::{Authority, EnvironmentReason, Policy, Step, compile_json};
use gatepost_invariants::carried::authority_of;
use gatepost_invariants::decision;
use gatepost_invariants::document::Document;
use gatepost_invariants::pattern::matches;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::generators::{ALL, Parts, any_spelling, bytes, headers, policies, requests};
use crate::vocabulary::get;

fn compile(document: &Value) -> Policy {
    compile_json(document.to_string().as_bytes())
        .unwrap_or_else(|errors| panic!("{document}: {errors:?}"))
}

fn is_private(document: &Value, authority: &[u8]) -> bool {
    Authority::parse(authority)
        .is_ok_and(|authority| Document(document.clone()).is_private(authority.host()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    // Valid authorities, private hosts, hints, idempotence and replies: see
    // `gatepost_invariants::decision`.
    #[test]
    fn every_invariant_of_a_decision_holds_for_any_policy(
        document in policies(ALL),
        requests in prop::collection::vec(requests(), 1..6),
    ) {
        let policy = compile(&document);
        let document = Document(document);
        requests.iter().for_each(|request| decision::holds(&document, &policy, request));
    }

    #[test]
    fn any_bytes_are_accepted_or_refused_as_a_configuration(
        text in bytes(),
        document in policies(ALL),
        at in any::<Index>(),
        byte in any::<u8>(),
    ) {
        let _ = compile_json(&text);
        let mut text = document.to_string().into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        if let Ok(policy) = compile_json(&text) {
            get("a.test").decided_by(&policy);
        }
    }

    #[test]
    fn a_private_host_is_not_reachable_by_any_spelling(
        document in policies(Parts { health_checks: false, ..ALL }),
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
            prop_assert!(matches!(
                outcome.details(),
                Some("gatepost.host.private" | "gatepost.environment.unknown")
            ));
        }
    }

    #[test]
    fn no_shortening_ends_at_a_private_host(
        mut document in policies(Parts { health_checks: false, ..ALL }),
        request in requests(),
    ) {
        document["hosts"]["mappings"] = json!([]);
        let hints = document.pointer_mut("/environments/hints").and_then(Value::as_object_mut);
        if let Some(hints) = hints {
            hints.remove("authority");
        }
        if let Some(upstream) = request.decided_by(&compile(&document)).upstream() {
            let authority = authority_of(upstream);
            prop_assert!(!is_private(&document, authority), "{}", authority.escape_ascii());
        }
    }

    #[test]
    fn normalisation_is_idempotent(
        document in policies(Parts { health_checks: false, rewrites: false }),
        request in requests(),
    ) {
        let policy = compile(&document);
        let outcome = request.decided_by(&policy);
        let document = Document(document);
        prop_assert!(!document.rewrites());
        decision::normalisation_is_idempotent(&document, &policy, &request, outcome.carried());
    }

    #[test]
    fn a_decision_carried_out_is_what_the_last_step_of_its_explanation_says(
        document in policies(ALL),
        request in requests(),
    ) {
        let outcome = request.decided_by(&compile(&document));
        let last = outcome.steps().last().expect("a policy takes steps");
        match (outcome.upstream(), last) {
            (Some(upstream), Step::Upstream { authority, .. }) => {
                prop_assert_eq!(authority_of(upstream), authority.as_bytes());
            }
            (Some(_), Step::HealthCheck { failed: None, .. }) => {}
            (Some(_), last) => prop_assert!(false, "goes on after {:?}", last),
            (None, last) => {
                let details = outcome.details().unwrap_or_default();
                let agrees = match last {
                    Step::HealthCheck { name, failed: None } => {
                        details == format!("gatepost.health_check.{name}")
                    }
                    Step::Environment { reason: EnvironmentReason::UnknownRejected, .. } => {
                        details == "gatepost.environment.unknown"
                    }
                    Step::Private { pattern: Some(_), .. } => details == "gatepost.host.private",
                    _ => ["invalid", "unmapped", "unmappable"]
                        .iter()
                        .any(|rule| details == format!("gatepost.host.{rule}")),
                };
                prop_assert!(agrees, "{} after {:?}", details, last);
            }
        }
    }

    #[test]
    fn the_mapping_that_applies_is_one_whose_pattern_matches(
        document in policies(Parts { health_checks: false, ..ALL }),
        request in requests(),
    ) {
        for step in request.decided_by(&compile(&document)).steps() {
            if let Step::Mapping { host, pattern: Some(pattern), .. } = step {
                prop_assert!(matches(pattern, host), "{} does not match {}", pattern, host);
            }
        }
    }
}
