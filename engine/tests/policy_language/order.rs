//! "Order of a decision: authority parsed and normalised; health checks; environment; private
//! hosts; host mapping; writes. A health check that matches ends it. `private` is judged on the
//! client's host, never on a mapping's result."
//!
//! "Writes happen once, only where the value changes": `vocabulary.rs` checks this for every
//! decision, and one test here is named after it.

use gatepost_engine::Step;

use crate::vocabulary::{get, policy, request};

const EVERYTHING: &str = r#"{
  "healthChecks": [{
    "name": "probe",
    "match": { "userAgent": { "prefix": "GoogleHC" } },
    "rewrite": { "path": "/ready" }
  }],
  "strip": ["knative-serving-namespace"],
  "environments": {
    "sources": [{ "header": "env" }],
    "allow": ["env1"],
    "hints": { "headers": { "x-env": "{env}" } }
  },
  "hosts": {
    "private": ["*.svc.cluster.local"],
    "mappings": [{ "host": "shop.test", "authority": "shop.default.svc.cluster.local" }],
    "unmapped": "reject",
    "originalHost": "x-forwarded-host"
  }
}"#;

#[test]
fn the_steps_are_taken_in_the_order_of_the_language() {
    let outcome = get("shop.test").header("env", "env1").decided_by(&policy(EVERYTHING));
    let order: Vec<&str> = outcome
        .steps()
        .iter()
        .map(|step| match step {
            Step::Authority { .. } => "authority",
            Step::HealthCheck { .. } => "health check",
            Step::EnvironmentSource { .. } => "source",
            Step::Environment { .. } => "environment",
            Step::Private { .. } => "private",
            Step::Mapping { .. } => "mapping",
            Step::Upstream { .. } => "upstream",
            _ => "another",
        })
        .collect();
    assert_eq!(
        order,
        ["authority", "health check", "source", "environment", "private", "mapping", "upstream"]
    );
}

#[test]
fn a_health_check_sees_the_normalised_host() {
    let policy = policy(
        r#"{ "healthChecks": [{
          "name": "up",
          "match": { "host": { "exact": "status.test" } },
          "respond": { "status": 200 }
        }] }"#,
    );
    get("Status.Test.:8080").decided_by(&policy).replies(200, "gatepost.health_check.up");
}

#[test]
fn a_health_check_that_matches_ends_the_decision() {
    let policy = policy(EVERYTHING);
    let probe = get("shop.test").header("user-agent", "GoogleHC/1.0").header("env", "nonsense");
    probe
        .decided_by(&policy)
        .forwards_authority("shop.test")
        .forwards_path("/ready")
        .lacks("x-env")
        .lacks("x-forwarded-host")
        .counts(&["gatepost.health_check.probe"]);
}

#[test]
fn a_health_check_comes_before_the_refusal_of_private_unmapped_and_invalid_hosts() {
    let policy = policy(EVERYTHING);
    for host in ["a.svc.cluster.local", "unmapped.test", "a b", ""] {
        let probe = get(host).header("user-agent", "GoogleHC/1.0");
        probe.decided_by(&policy).forwards_path("/ready").counts(&["gatepost.health_check.probe"]);
    }
}

#[test]
fn an_invalid_host_is_refused_before_its_environment_is_looked_at() {
    let policy = policy(EVERYTHING);
    get("a b")
        .header("env", "nonsense")
        .decided_by(&policy)
        .replies(400, "gatepost.host.invalid")
        .counts(&["gatepost.host.invalid"]);
}

#[test]
fn an_unknown_environment_is_refused_before_a_private_host() {
    let policy = policy(EVERYTHING);
    let request = get("a.svc.cluster.local").header("env", "nonsense");
    request
        .decided_by(&policy)
        .replies(404, "gatepost.environment.unknown")
        .counts(&["gatepost.environment.rejected"]);
}

#[test]
fn a_private_host_is_refused_before_any_mapping_is_looked_up() {
    let policy = policy(
        r#"{ "hosts": {
          "private": ["*.internal.test"],
          "mappings": [{ "host": "a.internal.test", "authority": "a.public.test" }]
        } }"#,
    );
    get("a.internal.test")
        .decided_by(&policy)
        .replies(404, "gatepost.host.private")
        .counts(&["gatepost.host.private"]);
}

#[test]
fn private_is_judged_on_the_clients_host_and_never_on_a_mappings_result() {
    let policy = policy(EVERYTHING);
    get("shop.test")
        .decided_by(&policy)
        .forwards_authority("shop.default.svc.cluster.local")
        .counts(&["gatepost.host.mapped"]);
    get("shop.default.svc.cluster.local").decided_by(&policy).replies(404, "gatepost.host.private");
}

#[test]
fn private_is_never_judged_on_the_result_of_a_hint_either() {
    let policy = policy(
        r#"{
          "environments": {
            "sources": [{ "header": "env" }],
            "hints": { "authority": "app.{env}.svc.cluster.local" }
          },
          "hosts": { "private": ["*.svc.cluster.local"] }
        }"#,
    );
    get("api.test")
        .header("env", "env1")
        .decided_by(&policy)
        .forwards_authority("app.env1.svc.cluster.local");
}

#[test]
fn writes_happen_once_and_only_where_the_value_changes() {
    let policy = policy(EVERYTHING);
    let request = get("shop.test")
        .header("env", "env1")
        .header("x-env", "forged")
        .header("x-forwarded-host", "forged");
    let first = request.decided_by(&policy);
    first.sets("x-env", "env1").sets("x-forwarded-host", "shop.test").keeps("env");

    let right_already = request_with_right_hint();
    right_already.decided_by(&crate::vocabulary::policy(HINT_ONLY)).is_unchanged();
}

const HINT_ONLY: &str = r#"{ "environments": {
  "sources": [{ "header": "env" }],
  "hints": { "headers": { "x-env": "{env}" } }
} }"#;

fn request_with_right_hint() -> crate::vocabulary::Arrival {
    request("POST", "api.test", "/a?b").header("env", "env1").header("x-env", "env1")
}

#[test]
fn a_health_check_that_rewrites_to_what_the_request_has_writes_nothing() {
    let policy = policy(
        r#"{ "healthChecks": [{
          "name": "p",
          "match": { "path": { "exact": "/ready" } },
          "rewrite": { "authority": "a.test", "path": "/ready" }
        }] }"#,
    );
    request("GET", "a.test", "/ready")
        .decided_by(&policy)
        .is_unchanged()
        .counts(&["gatepost.health_check.p"]);
}

#[test]
fn the_source_address_is_asked_for_only_after_every_cheaper_condition_held() {
    let policy = policy(
        r#"{ "healthChecks": [{
          "name": "p",
          "match": {
            "sources": ["35.191.0.0/16"],
            "userAgent": { "prefix": "GoogleHC" },
            "method": { "exact": "GET" },
            "path": { "exact": "/" },
            "absentHeaders": ["via"]
          },
          "pass": {}
        }] }"#,
    );
    let probe = get("a.test").header("user-agent", "GoogleHC/1.0").from("35.191.0.1");
    probe.decided_by(&policy).counts(&["gatepost.health_check.p"]).asked_for_the_source(1);
    probe
        .clone()
        .header("via", "1.1 google")
        .decided_by(&policy)
        .counts(&[])
        .asked_for_the_source(0);
    get("a.test")
        .header("user-agent", "curl")
        .from("35.191.0.1")
        .decided_by(&policy)
        .asked_for_the_source(0);
}
