//! `environments.vary: add`, the default: `Vary` gains the headers of the sources that were asked,
//! in order, up to the one that yielded, on every response after the environment was looked for,
//! refusals too; nothing twice, nothing beside `*`, never for a probe or an invalid authority.

use crate::environments::environments;
use crate::vocabulary::{error, get, policy, request};

const SOURCES: &str = r#""sources": [
    { "header": "env" }, { "query": "env" }, { "cookie": "env" }, { "baggage": "env" }
  ], "allow": ["env1"]"#;

#[test]
fn a_response_says_which_headers_chose_its_environment() {
    let policy = environments(SOURCES);
    for (request, vary) in [
        (get("a.test").header("env", "env1"), "env"),
        (request("GET", "a.test", "/?env=env1"), "env"),
        (get("a.test").header("cookie", "env=env1"), "env, cookie"),
        (get("a.test").header("baggage", "env=env1"), "env, cookie, baggage"),
        (get("a.test"), "env, cookie, baggage"),
    ] {
        request.decided_by(&policy).responds_with(&[("vary", vary)]);
    }
}

#[test]
fn what_a_url_says_needs_no_vary() {
    let policy = environments(r#""sources": [{ "query": "env" }, { "header": "env" }]"#);
    request("GET", "a.test", "/?env=env1").decided_by(&policy).responds_with(&[]);
    get("a.test").decided_by(&policy).responds_with(&[("vary", "env")]);
    let policy = environments(r#""sources": [{ "subdomain": "{env}.dev.test" }]"#);
    get("env1.dev.test").decided_by(&policy).responds_with(&[]);
    let policy = environments(r#""default": "env1""#);
    get("a.test").decided_by(&policy).responds_with(&[]);
}

#[test]
fn an_unknown_environment_is_refused_for_the_same_headers() {
    let outcome = get("a.test").header("cookie", "env=env9");
    outcome
        .decided_by(&environments(SOURCES))
        .replies(404, "gatepost.environment.unknown")
        .responds_with(&[("vary", "env, cookie")]);
}

#[test]
fn a_host_that_is_refused_after_the_environment_says_so_too() {
    let policy = policy(
        r#"{
          "environments": { "sources": [{ "header": "env" }] },
          "hosts": { "private": ["*.svc"] }
        }"#,
    );
    get("a.svc")
        .decided_by(&policy)
        .replies(404, "gatepost.host.private")
        .responds_with(&[("vary", "env")]);
    get("a b").decided_by(&policy).replies(400, "gatepost.host.invalid").responds_with(&[]);
}

#[test]
fn a_probe_has_no_environment() {
    let policy = policy(
        r#"{
          "healthChecks": [
            { "name": "gclb", "match": { "path": { "exact": "/" } }, "respond": { "status": 200 } },
            { "name": "own", "match": { "path": { "exact": "/own" } }, "rewrite": { "path": "/r" } }
          ],
          "environments": { "sources": [{ "header": "env" }] }
        }"#,
    );
    get("a.test").decided_by(&policy).replies(200, "gatepost.health_check.gclb").responds_with(&[]);
    request("GET", "a.test", "/own").decided_by(&policy).forwards_path("/r").responds_with(&[]);
}

#[test]
fn names_join_those_that_the_response_has() {
    let policy = environments(SOURCES);
    let outcome = get("a.test").header("cookie", "env=env1").decided_by(&policy);
    let vary = |lines: &[&str]| {
        let headers: Vec<(&str, &str)> = lines.iter().map(|line| ("vary", *line)).collect();
        let headers = outcome.response(&headers).into_iter();
        headers.map(|(_, line)| line).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(vary(&["accept-encoding"]), "accept-encoding, env, cookie");
    assert_eq!(vary(&["Cookie", "origin"]), "Cookie; origin, env");
    assert_eq!(vary(&["*"]), "*");
}

#[test]
fn responses_are_kept_where_the_policy_says_so() {
    let policy = environments(&format!(r#"{SOURCES}, "vary": "keep""#));
    get("a.test").header("env", "env1").decided_by(&policy).responds_with(&[]);
    let error = error(r#"{ "environments": { "default": "a", "vary": "drop" } }"#);
    assert_eq!(error, "environments.vary: `drop` is no choice here; known here: add, keep");
}
