//! The field comments of the actions in `healthChecks`: "rewrite | respond | pass: leave the
//! request as it came".

use crate::health_checks::{check, is_probe};
use crate::vocabulary::{error, get, policy, request};

#[test]
fn rewrite_changes_the_authority_the_path_or_both() {
    let rewriting = |fields: &str| {
        policy(&format!(
            r#"{{ "healthChecks": [{{
              "name": "p",
              "match": {{ "path": {{ "exact": "/up" }} }},
              "rewrite": {{ {fields} }}
            }}] }}"#
        ))
    };
    let probe = request("GET", "A.test", "/up?q");
    probe
        .decided_by(&rewriting(r#""authority": "B.test.:015021""#))
        .forwards_authority("b.test:15021")
        .forwards_path("/up?q");
    probe
        .decided_by(&rewriting(r#""path": "/ready?full=1""#))
        .forwards_authority("A.test")
        .forwards_path("/ready?full=1");
    probe
        .decided_by(&rewriting(r#""authority": "b.test", "path": "/ready""#))
        .forwards_authority("b.test")
        .forwards_path("/ready");
}

#[test]
fn rewrite_needs_an_authority_or_a_path_and_they_must_be_valid() {
    let rewriting = |fields: &str| {
        error(&format!(
            r#"{{ "healthChecks": [{{
              "name": "p",
              "match": {{ "path": {{ "exact": "/" }} }},
              "rewrite": {{ {fields} }}
            }}] }}"#
        ))
    };
    assert!(
        rewriting("").starts_with("healthChecks[0].rewrite: at least one of `authority`, `path`")
    );
    assert!(rewriting(r#""authority": "a b""#).starts_with("healthChecks[0].rewrite.authority: "));
    for path in ["ready", "", "/a b", "/a#b", "/\u{e9}", "/a\\nb"] {
        assert!(
            rewriting(&format!(r#""path": "{path}""#))
                .starts_with("healthChecks[0].rewrite.path: "),
            "{path}"
        );
    }
}

#[test]
fn respond_answers_with_a_status_and_a_body() {
    let responding = |fields: &str| {
        policy(&format!(
            r#"{{ "healthChecks": [{{
              "name": "up",
              "match": {{ "path": {{ "exact": "/up" }} }},
              "respond": {{ {fields} }}
            }}] }}"#
        ))
    };
    let probe = request("GET", "a.test", "/up");
    probe
        .decided_by(&responding(r#""status": 200, "body": "ok\n""#))
        .replies(200, "gatepost.health_check.up")
        .says("ok\n")
        .with_grpc_status(None)
        .counts(&["gatepost.health_check.up"]);
    probe
        .decided_by(&responding(r#""status": 599"#))
        .replies(599, "gatepost.health_check.up")
        .says("");
}

#[test]
fn respond_needs_a_status_of_200_to_599_and_a_body_of_at_most_4096_bytes() {
    let responding = |fields: &str| {
        error(&format!(
            r#"{{ "healthChecks": [{{
              "name": "p",
              "match": {{ "path": {{ "exact": "/" }} }},
              "respond": {{ {fields} }}
            }}] }}"#
        ))
    };
    assert_eq!(responding(""), "healthChecks[0].respond: the field `status` is missing");
    for status in ["199", "600", "-1", "70000", "0", "99999999999999999999"] {
        assert!(
            responding(&format!(r#""status": {status}"#))
                .starts_with("healthChecks[0].respond.status: "),
            "{status}"
        );
    }
    let body = format!(r#""status": 200, "body": "{}""#, "a".repeat(4097));
    assert_eq!(
        responding(&body),
        "healthChecks[0].respond.body: the text is 4097 bytes, more than the limit of 4096"
    );
}

#[test]
fn pass_leaves_the_request_as_it_came() {
    let policy = check(r#""userAgent": { "prefix": "Knative-" }"#);
    is_probe(
        &policy,
        &get("A.Test.:0443")
            .header("user-agent", "Knative-Ingress-Probe")
            .header("k-network-hash", "override"),
    );
}

#[test]
fn a_health_check_does_exactly_one_thing() {
    for actions in ["", r#", "pass": {}, "respond": { "status": 200 }"#] {
        let json = format!(
            r#"{{ "healthChecks": [{{
              "name": "a",
              "match": {{ "path": {{ "exact": "/" }} }}{actions}
            }}] }}"#
        );
        assert!(
            error(&json)
                .starts_with("healthChecks[0]: exactly one of `rewrite`, `respond`, `pass`"),
            "{}",
            error(&json)
        );
    }
}

#[test]
fn a_reply_whose_status_has_no_body_is_given_none() {
    let respond = |respond: &str| {
        format!(
            r#"{{ "healthChecks": [{{
              "name": "up",
              "match": {{ "path": {{ "exact": "/" }} }},
              "respond": {respond}
            }}] }}"#
        )
    };
    for status in [204, 205, 304] {
        assert_eq!(
            error(&respond(&format!(r#"{{ "status": {status}, "body": "alive" }}"#))),
            format!(
                "healthChecks[0].respond.body: a reply with status {status} has no body; remove \
                 the body, or answer with another status, such as 200"
            )
        );
        for respond in [r#"{ "status": 204 }"#, r#"{ "status": 204, "body": "" }"#].map(respond) {
            get("a.test").decided_by(&policy(&respond)).replies(204, "gatepost.health_check.up");
        }
    }
}

#[test]
fn a_grpc_health_check_cannot_be_answered_here_with_success() {
    let responding = |path: &str, status: u16| {
        format!(
            r#"{{ "healthChecks": [{{
              "name": "grpc",
              "match": {{ "path": {path} }},
              "respond": {{ "status": {status} }}
            }}] }}"#
        )
    };
    for path in [
        r#"{ "exact": "/grpc.health.v1.Health/Check" }"#,
        r#"{ "exact": "/grpc.health.v1.Health/Watch" }"#,
        r#"{ "prefix": "/grpc.health.v1.Health/" }"#,
        r#"{ "suffix": "Health/Check" }"#,
    ] {
        assert_eq!(
            error(&responding(path, 200)),
            "healthChecks[0].respond: a gRPC health check cannot be answered here with success: \
             its answer is a message, and a local reply has none; `rewrite` it to a service that \
             answers"
        );
        drop(policy(&responding(path, 503)));
    }
    drop(policy(&responding(r#"{ "exact": "/healthz" }"#, 200)));
    drop(policy(&responding(r#"{ "prefix": "/" }"#, 200)));
}

#[test]
fn the_answer_to_a_grpc_request_says_what_a_grpc_client_understands() {
    for (status, grpc_status) in [(503, 14), (429, 14), (404, 12), (403, 7), (200, 2), (500, 2)] {
        let policy = policy(&format!(
            r#"{{ "healthChecks": [{{
              "name": "probe",
              "match": {{ "path": {{ "exact": "/" }} }},
              "respond": {{ "status": {status}, "body": "down\n" }}
            }}] }}"#
        ));
        let outcome = get("a.test").header("content-type", "application/grpc").decided_by(&policy);
        outcome.with_grpc_status(grpc_status).says("down");
        let outcome = get("a.test").decided_by(&policy);
        outcome.with_grpc_status(None).says("down\n");
    }
}
