//! `preflight`: an `OPTIONS` with `Origin` and `Access-Control-Request-Method` for which no source
//! yields a value counts as naming that environment. An unknown value still follows `unknown`.
//! Without sources it is a fault.

use crate::environments::environments;
use crate::vocabulary::{Arrival, error, get, policy, request};

const FIELDS: &str = r#""sources": [{ "header": "env" }], "allow": ["env1", "env2"],
    "aliases": { "stg": "env2" }"#;

/// What a browser sends before a page of another origin may send a request with a header of its
/// own.
fn preflight(host: &str) -> Arrival {
    request("OPTIONS", host, "/orders")
        .header("origin", "https://app.test")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "env")
}

#[test]
fn a_preflight_gets_the_environment_that_takes_them() {
    let policy = environments(&format!(r#"{FIELDS}, "preflight": "stg", "default": "env1""#));
    preflight("a.test")
        .decided_by(&policy)
        .sets("x-env", "env2")
        .counts(&["gatepost.environment.preflight"]);
    get("a.test").decided_by(&policy).sets("x-env", "env1");
    let named = preflight("a.test").header("env", "env1");
    named.decided_by(&policy).sets("x-env", "env1").counts(&["gatepost.environment.selected"]);
}

#[test]
fn what_is_no_preflight_does_not() {
    let policy = environments(&format!(r#"{FIELDS}, "preflight": "env2""#));
    let without = |name: &str| {
        let mut request = preflight("a.test");
        request.headers.retain(|(known, _)| known != name.as_bytes());
        request
    };
    without("origin").decided_by(&policy).lacks("x-env");
    without("access-control-request-method").decided_by(&policy).lacks("x-env");
    without("access-control-request-headers").decided_by(&policy).sets("x-env", "env2");
    let mut post = preflight("a.test");
    post.headers[0].1 = b"POST".to_vec();
    post.decided_by(&policy).lacks("x-env");
}

#[test]
fn an_unknown_value_follows_unknown_in_a_preflight_too() {
    let policy = environments(&format!(r#"{FIELDS}, "preflight": "env2""#));
    let unknown = preflight("a.test").header("env", "env9");
    unknown.decided_by(&policy).replies(404, "gatepost.environment.unknown");
}

#[test]
fn its_authority_beats_a_mapping_as_that_of_the_request_that_follows() {
    let policy = policy(
        r#"{
          "environments": {
            "sources": [{ "header": "env" }],
            "default": "env1",
            "preflight": "env2",
            "hints": { "authority": "app.{env}.svc" }
          },
          "hosts": { "mappings": [{ "host": "a.test", "authority": "mapped.test" }] }
        }"#,
    );
    preflight("a.test").decided_by(&policy).forwards_authority("app.env2.svc");
    get("a.test").decided_by(&policy).forwards_authority("mapped.test");
}

#[test]
fn without_it_a_preflight_gets_the_default() {
    let policy = environments(&format!(r#"{FIELDS}, "default": "env1""#));
    preflight("a.test").decided_by(&policy).sets("x-env", "env1");
}

#[test]
fn what_an_author_may_say_wrong_has_its_sentence() {
    let of = |fields: &str| error(&format!(r#"{{ "environments": {{ {fields} }} }}"#));
    assert_eq!(
        of(r#""default": "env1", "preflight": "env1""#),
        "environments.preflight: without `sources` no request names an environment, preflight or \
         not; remove `preflight`, or add `sources`"
    );
    assert_eq!(
        of(&format!(r#"{FIELDS}, "preflight": "env9""#)),
        "environments.preflight: the environment `env9` is not in `environments.allow`; add it to \
         the list, or name an environment of the list"
    );
    assert!(of(&format!(r#"{FIELDS}, "preflight": true"#)).contains("expected a string"));
}
