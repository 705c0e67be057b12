//! "Rejects are local replies with `details` naming the rule, and a proper `grpc-status` when the
//! request is gRPC." And the counters, whose names are bounded and never taken from a request.

use gatepost_engine::Policy;

use crate::vocabulary::{Arrival, get, policy, request};

const REFUSING: &str = r#"{
  "environments": { "sources": [{ "header": "env" }], "allow": ["env1"] },
  "hosts": {
    "private": ["*.svc"],
    "unmapped": "reject",
    "mappings": [
      { "host": "shop.test", "authority": "shop.svc" },
      { "host": "{a}.{b}.test", "authority": "{a}{b}.test" }
    ]
  }
}"#;

const INVALID_ARGUMENT: u32 = 3;
const UNIMPLEMENTED: u32 = 12;

fn refusals() -> Vec<(Arrival, u16, &'static str, u32)> {
    let long = ["a".repeat(40), "b".repeat(40), "test".into()].join(".");
    vec![
        (get("a b"), 400, "gatepost.host.invalid", INVALID_ARGUMENT),
        (get(long), 400, "gatepost.host.unmappable", INVALID_ARGUMENT),
        (get("a.svc"), 404, "gatepost.host.private", UNIMPLEMENTED),
        (get("other.test"), 404, "gatepost.host.unmapped", UNIMPLEMENTED),
        (
            get("shop.test").header("env", "env2"),
            404,
            "gatepost.environment.unknown",
            UNIMPLEMENTED,
        ),
    ]
}

#[test]
fn a_reject_is_a_local_reply_whose_details_name_the_rule() {
    let policy = policy(REFUSING);
    for (request, status, details, _) in refusals() {
        request.decided_by(&policy).replies(status, details).with_grpc_status(None);
    }
}

#[test]
fn a_reject_of_a_grpc_request_has_a_proper_grpc_status() {
    let policy = policy(REFUSING);
    for content_type in ["application/grpc", "application/grpc+proto"] {
        for (request, status, details, grpc) in refusals() {
            let request = request.header("content-type", content_type);
            request.decided_by(&policy).replies(status, details).with_grpc_status(grpc);
        }
    }
}

#[test]
fn what_only_resembles_grpc_gets_no_grpc_status() {
    let policy = policy(REFUSING);
    for content_type in [
        "application/grpc;charset=utf-8",
        "application/grpc-web",
        "application/grpcx",
        "application/json",
        "",
        "x application/grpc",
    ] {
        get("a.svc")
            .header("content-type", content_type)
            .decided_by(&policy)
            .with_grpc_status(None);
    }
}

#[test]
fn a_reply_reveals_nothing_about_the_policy() {
    let policy = policy(REFUSING);
    get("secret.svc").decided_by(&policy).says("not found\n");
    get("nothing.test").decided_by(&policy).says("not found\n");
}

#[test]
fn the_names_of_counters_are_bounded_by_the_policy() {
    let names =
        |policy: &Policy| policy.counters().into_iter().map(|(_, name)| name).collect::<Vec<_>>();
    let hosts = [
        "gatepost.host.mapped",
        "gatepost.host.private",
        "gatepost.host.invalid",
        "gatepost.host.unmapped",
        "gatepost.response.restored",
    ];
    assert_eq!(names(&policy("{}")), hosts);
    let environments = [
        "gatepost.environment.selected",
        "gatepost.environment.default",
        "gatepost.environment.unknown",
        "gatepost.environment.rejected",
        "gatepost.environment.preflight",
        "gatepost.environment.pinned",
    ];
    assert_eq!(
        names(&policy(r#"{ "environments": { "default": "a" } }"#)),
        [&environments[..], &hosts].concat()
    );
    let check = r#"{ "healthChecks": [{
      "name": "gclb",
      "match": { "path": { "exact": "/" } },
      "pass": {}
    }] }"#;
    assert_eq!(names(&policy(check)), [&["gatepost.health_check.gclb"][..], &hosts].concat());
}

#[test]
fn at_most_one_counter_of_each_family_is_raised() {
    let policy = policy(REFUSING);
    request("GET", "shop.test", "/")
        .header("env", "env1")
        .decided_by(&policy)
        .counts(&["gatepost.environment.selected", "gatepost.host.mapped"]);
}
