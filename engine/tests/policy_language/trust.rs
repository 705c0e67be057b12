//! "Trust: every header that a policy's hints, `originalHost` or `strip` name is removed from the
//! client's request unless the decision sets it or a health check passes it. A hint may not name a
//! pseudo-header, `host`, `content-length`, a hop-by-hop header, or one that begins with
//! `x-envoy-`."

use gatepost_engine::Policy;

use crate::vocabulary::{Arrival, error, get, policy, request};

fn trusting() -> Policy {
    policy(
        r#"{
          "healthChecks": [
            {
              "name": "rewrites",
              "match": { "path": { "exact": "/rewrites" } },
              "rewrite": { "authority": "ready.svc" }
            },
            { "name": "passes", "match": { "path": { "exact": "/passes" } }, "pass": {} }
          ],
          "strip": ["Knative-Serving-Namespace", "k-network-hash"],
          "environments": {
            "sources": [{ "header": "env" }],
            "hints": { "headers": { "X-Gatepost-Env": "{env}", "x-tier": "edge" } }
          },
          "hosts": {
            "mappings": [{ "host": "shop.test", "authority": "shop.svc" }],
            "originalHost": "x-forwarded-host"
          }
        }"#,
    )
}

const GUARDED: [&str; 5] =
    ["knative-serving-namespace", "k-network-hash", "x-gatepost-env", "x-tier", "x-forwarded-host"];

/// Sends every guarded header in, twice each.
fn forged(request: Arrival) -> Arrival {
    GUARDED
        .iter()
        .fold(request, |request, name| request.header(name, "forged").header(name, "\u{ff}forged"))
}

#[test]
fn headers_of_hints_original_host_and_strip_are_removed_from_a_clients_request() {
    let outcome = forged(get("other.test")).header("user-agent", "curl").decided_by(&trusting());
    GUARDED.iter().for_each(|name| {
        outcome.removes(name);
    });
    outcome.keeps("user-agent");
}

#[test]
fn a_guarded_header_that_the_decision_sets_goes_upstream() {
    let outcome = forged(get("shop.test")).header("env", "env1").decided_by(&trusting());
    outcome
        .sets("x-gatepost-env", "env1")
        .sets("x-tier", "edge")
        .sets("x-forwarded-host", "shop.test")
        .removes("knative-serving-namespace")
        .removes("k-network-hash");
}

#[test]
fn a_client_cannot_keep_its_own_value_beside_one_that_is_set() {
    let request = get("other.test")
        .header("env", "env1")
        .header("x-gatepost-env", "env1")
        .header("x-gatepost-env", "env2");
    request.decided_by(&trusting()).sets("x-gatepost-env", "env1");
    let request = get("other.test")
        .header("env", "env1")
        .header("x-gatepost-env", "env1")
        .header("x-gatepost-env", "env1");
    request.decided_by(&trusting()).sets("x-gatepost-env", "env1");
}

#[test]
fn a_health_check_that_passes_a_request_keeps_the_guarded_headers() {
    forged(request("GET", "Other.test.", "/passes")).decided_by(&trusting()).is_unchanged();
}

#[test]
fn a_health_check_that_rewrites_removes_them() {
    let outcome = forged(request("GET", "other.test", "/rewrites")).decided_by(&trusting());
    GUARDED.iter().for_each(|name| {
        outcome.removes(name);
    });
    outcome.forwards_authority("ready.svc");
}

#[test]
fn a_header_of_a_similar_name_is_not_touched() {
    let names =
        ["x-gatepost-en", "x-gatepost-env2", "x-forwarded-hos", "knative-serving-namespacf"];
    let request = names.iter().fold(get("other.test"), |request, name| request.header(name, "1"));
    request.decided_by(&trusting()).is_unchanged();
}

#[test]
fn a_hint_may_not_name_a_header_that_frames_or_routes_the_request() {
    for (name, reason) in [
        (":authority", "it is a pseudo-header"),
        (":path", "it is a pseudo-header"),
        ("host", "the gateway keeps it as the request's authority"),
        ("Host", "the gateway keeps it as the request's authority"),
        ("content-length", "it frames the body"),
        ("connection", "it is a hop-by-hop header"),
        ("keep-alive", "it is a hop-by-hop header"),
        ("proxy-connection", "it is a hop-by-hop header"),
        ("te", "it is a hop-by-hop header"),
        ("trailer", "it is a hop-by-hop header"),
        ("Transfer-Encoding", "it is a hop-by-hop header"),
        ("upgrade", "it is a hop-by-hop header"),
        ("x-envoy-original-path", "it is one of Envoy's own"),
        ("X-Envoy-Internal", "it is one of Envoy's own"),
    ] {
        let hint = error(&format!(
            r#"{{ "environments": {{
              "default": "a",
              "hints": {{ "headers": {{ "{name}": "{{env}}" }} }}
            }} }}"#
        ));
        assert!(hint.contains("may not be named here") && hint.contains(reason), "{hint}");
        let original = error(&format!(r#"{{ "hosts": {{ "originalHost": "{name}" }} }}"#));
        assert!(
            original.starts_with("hosts.originalHost: ") && original.contains(reason),
            "{original}"
        );
    }
}

#[test]
fn strip_may_name_envoys_own_headers_and_nothing_that_frames_or_routes_the_request() {
    let policy = policy(r#"{ "strip": ["x-envoy-retry-on"] }"#);
    get("a.test").header("x-envoy-retry-on", "5xx").decided_by(&policy).removes("x-envoy-retry-on");
    for name in [":path", "host", "content-length", "transfer-encoding", "connection"] {
        assert!(
            error(&format!(r#"{{ "strip": ["{name}"] }}"#)).starts_with("strip[0]: the header")
        );
    }
}

#[test]
fn an_environment_source_may_be_a_header_that_is_stripped() {
    let policy = policy(
        r#"{
          "strip": ["env"],
          "environments": {
            "sources": [{ "header": "env" }],
            "hints": { "headers": { "x-env": "{env}" } }
          }
        }"#,
    );
    get("a.test").header("env", "env1").decided_by(&policy).sets("x-env", "env1").removes("env");
}

#[test]
fn a_header_of_the_hints_may_not_be_the_one_of_the_original_host() {
    let json = r#"{
      "environments": { "default": "a", "hints": { "headers": { "x-a": "{env}" } } },
      "hosts": { "originalHost": "X-A" }
    }"#;
    assert_eq!(
        error(json),
        "hosts.originalHost: `x-a` is already given at environments.hints.headers"
    );
}

#[test]
fn a_header_value_that_no_header_can_carry_is_an_error() {
    let json = r#"{ "environments": {
      "default": "a",
      "hints": { "headers": { "x-a": "{env}\r\nx-b: 1" } }
    } }"#;
    assert!(error(json).starts_with(
        "environments.hints.headers.x-a: the value holds bytes that a header cannot carry"
    ));
}

/// Spellings that an upstream may take for `k-network-hash`.
const SPELLINGS: [&str; 5] =
    ["k_network_hash", "k-network_hash", "k.network.hash", "K_Network_Hash", "k!network~hash"];

#[test]
fn a_guarded_header_is_removed_in_every_spelling_that_an_upstream_may_take_for_it() {
    for spelling in SPELLINGS {
        let outcome = get("other.test").header(spelling, "forged").decided_by(&trusting());
        outcome.removes(spelling);
        let name = "k-network-hash";
        let both = get("other.test").header(spelling, "forged").header(name, "forged");
        both.decided_by(&trusting()).removes(spelling).removes(name);
    }
}

#[test]
fn a_header_that_the_decision_sets_goes_upstream_without_the_clients_spellings_of_it() {
    let request = forged(get("shop.test")).header("env", "env1");
    let request = request.header("x_gatepost_env", "forged").header("X-Forwarded_Host", "forged");
    request
        .decided_by(&trusting())
        .sets("x-gatepost-env", "env1")
        .sets("x-forwarded-host", "shop.test")
        .removes("x_gatepost_env")
        .removes("X-Forwarded_Host");
}

#[test]
fn a_name_that_only_resembles_a_guarded_one_stays() {
    let names =
        ["knetworkhash", "k-network-hash-", "k--network-hash", "xk-network-hash", "k0network0hash"];
    let request = names.iter().fold(get("other.test"), |request, name| request.header(name, "own"));
    request.decided_by(&trusting()).is_unchanged();
}

#[test]
fn another_spelling_of_a_source_chooses_no_environment() {
    let policy = policy(
        r#"{ "environments": {
          "sources": [{ "header": "x-gatepost-env" }],
          "hints": { "headers": { "x-gatepost-env": "{env}" } }
        } }"#,
    );
    get("a.test")
        .header("x_gatepost_env", "env1")
        .decided_by(&policy)
        .removes("x_gatepost_env")
        .lacks("x-gatepost-env")
        .counts(&[]);
}

#[test]
fn a_check_that_a_header_must_be_absent_for_counts_every_spelling_of_it() {
    let policy = policy(
        r#"{ "healthChecks": [{
          "name": "probe",
          "match": { "path": { "exact": "/" }, "absentHeaders": ["x-forwarded-for"] },
          "respond": { "status": 200 }
        }] }"#,
    );
    get("a.test").decided_by(&policy).replies(200, "gatepost.health_check.probe");
    for name in ["x-forwarded-for", "x_forwarded_for", "X-Forwarded-For"] {
        get("a.test").header(name, "").decided_by(&policy).is_unchanged();
    }
}

#[test]
fn a_policy_says_which_trailers_a_client_may_not_send() {
    let policy = trusting();
    for name in GUARDED.iter().chain(&SPELLINGS) {
        assert!(policy.guards(name.as_bytes()), "{name}");
    }
    for name in [":authority", "grpc-status", "x-checksum", "knetworkhash"] {
        assert!(!policy.guards(name.as_bytes()), "{name}");
    }
}
