//! `pin`, on a query source whose cookie is a source after it: when the query decided a navigation,
//! the environment is set in the cookie unless it is there already. `?env=` forgets it; an unknown
//! value in the cookie expires it.

use gatepost_engine::Policy;

use crate::environments::environments;
use crate::vocabulary::{Arrival, error, policy, request};

fn pinned() -> Policy {
    environments(
        r#""sources": [{ "header": "env" }, { "query": "env", "pin": { "cookie": "env" } },
             { "cookie": "env" }],
           "allow": ["pr-*", "main"], "aliases": { "latest": "pr-17" }, "default": "main",
           "vary": "keep""#,
    )
}

fn page(path: &str) -> Arrival {
    request("GET", "a.test", path)
}

fn with_cookie(path: &str, value: &str) -> Arrival {
    page(path).header("cookie", format!("theme=dark; env={value}"))
}

const PIN: [(&str, &str); 1] =
    [("set-cookie", "env=pr-17; Path=/; Secure; HttpOnly; SameSite=Lax")];
const EXPIRED: [(&str, &str); 1] =
    [("set-cookie", "env=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax")];

#[test]
fn a_link_that_names_an_environment_pins_it() {
    page("/?env=pr-17")
        .decided_by(&pinned())
        .sets("x-env", "pr-17")
        .responds_with(&PIN)
        .counts(&["gatepost.environment.selected", "gatepost.environment.pinned"]);
    let head = request("HEAD", "a.test", "/?env=PR-17");
    head.decided_by(&pinned()).responds_with(&PIN);
}

#[test]
fn an_alias_pins_the_environment_that_it_means_today() {
    page("/?env=latest").decided_by(&pinned()).responds_with(&PIN);
    with_cookie("/?env=latest", "latest").decided_by(&pinned()).responds_with(&PIN);
}

#[test]
fn a_cookie_that_is_there_already_is_not_set_again() {
    let outcome = with_cookie("/?env=pr-17", "PR-17");
    outcome.decided_by(&pinned()).responds_with(&[]).counts(&["gatepost.environment.selected"]);
    with_cookie("/?env=pr-17", "pr-18").decided_by(&pinned()).responds_with(&PIN);
    let two = with_cookie("/?env=pr-17", "pr-17").header("cookie", "env=pr-18");
    two.decided_by(&pinned()).responds_with(&PIN);
}

#[test]
fn only_a_navigation_pins() {
    let policy = pinned();
    let document = page("/?env=pr-17").header("sec-fetch-dest", "document");
    document.decided_by(&policy).responds_with(&PIN);
    for destination in ["image", "empty", "iframe", "Document", ""] {
        let asset = page("/?env=pr-17").header("sec-fetch-dest", destination);
        asset.decided_by(&policy).sets("x-env", "pr-17").responds_with(&[]);
    }
    let post = request("POST", "a.test", "/?env=pr-17");
    post.decided_by(&policy).sets("x-env", "pr-17").responds_with(&[]);
}

#[test]
fn only_what_the_query_decided_is_pinned() {
    let policy = pinned();
    let header = page("/?env=pr-17").header("env", "pr-18");
    header.decided_by(&policy).sets("x-env", "pr-18").responds_with(&[]);
    page("/").decided_by(&policy).sets("x-env", "main").responds_with(&[]);
    with_cookie("/", "pr-17").decided_by(&policy).sets("x-env", "pr-17").responds_with(&[]);
    let unknown = page("/?env=other").decided_by(&policy);
    unknown.replies(404, "gatepost.environment.unknown").responds_with(&[]);
}

#[test]
fn an_empty_value_in_the_query_forgets_the_pin() {
    let policy = pinned();
    let outcome = with_cookie("/?env=", "pr-17");
    outcome.decided_by(&policy).sets("x-env", "main").responds_with(&EXPIRED);
    // For the request itself it counts in any case.
    let call = with_cookie("/?env=", "pr-17").header("sec-fetch-dest", "empty");
    call.decided_by(&policy).sets("x-env", "main").responds_with(&[]);
    page("/?env=").decided_by(&policy).sets("x-env", "main").responds_with(&[]);
    // A parameter without `=` says nothing.
    with_cookie("/?env", "pr-17").decided_by(&policy).sets("x-env", "pr-17").responds_with(&[]);
    with_cookie("/?env=&env=pr-18", "pr-17").decided_by(&policy).sets("x-env", "pr-18");
}

#[test]
fn a_preview_that_is_gone_locks_nobody_out() {
    let gone = with_cookie("/", "removed").header("sec-fetch-dest", "image");
    gone.decided_by(&pinned()).replies(404, "gatepost.environment.unknown").responds_with(&EXPIRED);
    for (unknown, environment) in [("default", Some("main")), ("ignore", None)] {
        let policy = environments(&format!(
            r#""sources": [{{ "query": "env", "pin": {{ "cookie": "env" }} }},
                 {{ "cookie": "env" }}],
               "allow": ["main"], "default": "main", "unknown": "{unknown}", "vary": "keep""#
        ));
        let outcome = with_cookie("/", "removed").decided_by(&policy);
        outcome.responds_with(&EXPIRED);
        match environment {
            Some(environment) => outcome.sets("x-env", environment),
            None => outcome.lacks("x-env"),
        };
    }
}

#[test]
fn a_cookie_that_no_pin_sets_is_never_expired() {
    let policy = environments(
        r#""sources": [{ "query": "env" }, { "cookie": "env" }], "allow": ["main"],
           "vary": "keep""#,
    );
    with_cookie("/", "removed").decided_by(&policy).responds_with(&[]);
    with_cookie("/?env=", "main").decided_by(&policy).sets("x-env", "main").responds_with(&[]);
}

#[test]
fn a_request_that_is_refused_pins_nothing() {
    let policy = policy(
        r#"{
          "environments": {
            "sources": [{ "query": "env", "pin": { "cookie": "env" } }, { "cookie": "env" }],
            "allow": ["pr-17"], "vary": "keep"
          },
          "hosts": { "private": ["*.svc"] }
        }"#,
    );
    let refused = request("GET", "a.svc", "/?env=pr-17");
    refused.decided_by(&policy).replies(404, "gatepost.host.private").responds_with(&[]);
}

#[test]
fn a_pin_may_last() {
    let policy = environments(
        r#""sources": [{ "query": "env", "pin": { "cookie": "__Host-env", "maxAge": 34560000 } },
             { "cookie": "__Host-env" }], "allow": ["pr-17"]"#,
    );
    let cookie = "__Host-env=pr-17; Path=/; Max-Age=34560000; Secure; HttpOnly; SameSite=Lax";
    page("/?env=pr-17").decided_by(&policy).responds_with(&[("set-cookie", cookie)]);
}

#[test]
fn what_an_author_may_say_wrong_has_its_sentence() {
    let of = |sources: &str| {
        let fields = format!(r#""sources": [{sources}], "allow": ["env1"]"#);
        error(&format!(r#"{{ "environments": {{ {fields} }} }}"#))
    };
    let not_read = "environments.sources[0].pin.cookie: no source after this one reads the cookie \
        `env`, so pinning it would do nothing; add `- cookie: env` behind it";
    assert_eq!(of(r#"{ "query": "env", "pin": { "cookie": "env" } }"#), not_read);
    let before = r#"{ "cookie": "env" }, { "query": "env", "pin": { "cookie": "env" } }"#;
    assert_eq!(of(before), not_read.replace("[0]", "[1]"));
    let other = r#"{ "query": "env", "pin": { "cookie": "env" } }, { "cookie": "Env" }"#;
    assert_eq!(of(other), not_read);
    assert_eq!(
        of(r#"{ "header": "env", "pin": { "cookie": "env" } }, { "cookie": "env" }"#),
        "environments.sources[0].pin: only a query source can have a `pin`: a link names the \
         environment; move it to a `query` source"
    );
    let pin =
        |pin: &str| of(&format!(r#"{{ "query": "env", "pin": {pin} }}, {{ "cookie": "env" }}"#));
    assert_eq!(
        pin(r#"{ "maxAge": 60 }"#),
        "environments.sources[0].pin: the field `cookie` is missing"
    );
    for age in ["0", "-1", "34560001"] {
        assert_eq!(
            pin(&format!(r#"{{ "cookie": "env", "maxAge": {age} }}"#)),
            format!(
                "environments.sources[0].pin.maxAge: {age} is no age of a cookie in seconds: 1 to \
                 34560000, which is 400 days; omit `maxAge` for a cookie that ends with the browser"
            )
        );
    }
    assert_eq!(
        pin(r#""env""#),
        "environments.sources[0].pin: expected an object, found the string \"env\"; write `{ \
         cookie: env }`"
    );
    assert_eq!(
        pin(r#"{ "cookie": "a;b" }"#),
        "environments.sources[0].pin.cookie: `a;b` is no valid name for a cookie"
    );
}

#[test]
fn a_pin_that_anybody_can_set_to_anything_is_a_warning() {
    let policy = policy(
        r#"{ "environments": { "sources": [
          { "query": "env", "pin": { "cookie": "env" } }, { "cookie": "env" }
        ] } }"#,
    );
    let warnings: Vec<String> = policy.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["environments.sources[0].pin: anybody's link can pin a visitor's browser to any name; \
          list the environments in `environments.allow`; a name there may hold one `*`, as in \
          `pr-*`"]
    );
}
