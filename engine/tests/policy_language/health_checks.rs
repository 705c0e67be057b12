//! The field comments of `healthChecks`: "ordered; the first match wins and ends the decision";
//! "name: unique in the policy, [a-z0-9-]{1,63}"; "match: every condition given must hold; at least
//! one must be given"; "exact | prefix | suffix"; "path: compared without its query"; "sources:
//! CIDRs of source.address, v4 and v6"; "absentHeaders: a client's request that passed the load
//! balancer carries it; a probe does not". The actions are tested in `health_check_actions.rs`.

use gatepost_engine::Policy;

use crate::vocabulary::{Arrival, error, get, policy, request};

/// A policy with one health check `p` that passes the requests that these conditions match.
pub fn check(conditions: &str) -> Policy {
    policy(&format!(
        r#"{{ "healthChecks": [{{ "name": "p", "match": {{ {conditions} }}, "pass": {{}} }}] }}"#
    ))
}

#[track_caller]
pub fn is_probe(policy: &Policy, request: &Arrival) {
    request.decided_by(policy).counts(&["gatepost.health_check.p"]).is_unchanged();
}

#[track_caller]
fn is_request(policy: &Policy, request: &Arrival) {
    request.decided_by(policy).counts(&[]);
}

fn gclb() -> Policy {
    policy(
        r#"{ "healthChecks": [{
          "name": "gclb",
          "match": {
            "userAgent": { "prefix": "GoogleHC" },
            "method": { "exact": "GET" },
            "path": { "exact": "/" }
          },
          "rewrite": {
            "authority": "istio-ingress.gke-system.svc.cluster.local:15020",
            "path": "/healthz/ready"
          }
        }] }"#,
    )
}

#[test]
fn the_balancers_probe_reaches_the_readiness_endpoint() {
    for (host, path) in [("10.0.0.7", "/"), ("my-service.test.com", "/?q"), ("not a host", "/")] {
        request("GET", host, path)
            .header("user-agent", "GoogleHC/1.0")
            .decided_by(&gclb())
            .forwards_authority("istio-ingress.gke-system.svc.cluster.local:15020")
            .forwards_path("/healthz/ready")
            .counts(&["gatepost.health_check.gclb"]);
    }
}

#[test]
fn conditions_that_probes_hardly_meet_are_accepted_with_a_warning() {
    let warnings = |conditions: &str| -> Vec<String> {
        check(conditions).warnings().iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        warnings(r#""method": { "exact": "Get" }"#),
        ["healthChecks[0].match.method.exact: methods are compared in their own case, and probes \
             send none like `Get`; write `GET`"]
    );
    for (condition, text) in [("userAgent", "GoogleHC.*"), ("path", "/health/*"), ("host", "*.a")] {
        assert_eq!(
            warnings(&format!(r#""{condition}": {{ "prefix": "{text}" }}"#)),
            [format!(
                "healthChecks[0].match.{condition}.prefix: the `*` in `{text}` is compared as it \
                 stands, and is no wildcard; give what comes before it as `prefix`, or after it as \
                 `suffix`"
            )]
        );
    }
    let usual = r#""userAgent": { "prefix": "GoogleHC" }, "method": { "exact": "GET" }"#;
    assert!(warnings(usual).is_empty());
}

#[test]
fn near_misses_of_the_probe_stay_requests() {
    let probe =
        |method, path, agent: &str| request(method, "a.test", path).header("user-agent", agent);
    for request in [
        probe("HEAD", "/", "GoogleHC/1.0"),
        probe("get", "/", "GoogleHC/1.0"),
        probe("GET", "/x", "GoogleHC/1.0"),
        probe("GET", "//", "GoogleHC/1.0"),
        probe("GET", "/", "googlehc/1.0"),
        probe("GET", "/", "Mozilla GoogleHC/1.0"),
        probe("GET", "/", ""),
        get("a.test"),
    ] {
        request.decided_by(&gclb()).is_unchanged().counts(&[]);
    }
}

#[test]
fn the_first_health_check_that_matches_wins() {
    let policy = policy(
        r#"{ "healthChecks": [
          { "name": "one", "match": { "path": { "prefix": "/a" } }, "respond": { "status": 201 } },
          { "name": "two", "match": { "path": { "exact": "/ab" } }, "respond": { "status": 202 } },
          { "name": "three", "match": { "path": { "suffix": "b" } }, "respond": { "status": 203 } }
        ] }"#,
    );
    request("GET", "a.test", "/ab").decided_by(&policy).replies(201, "gatepost.health_check.one");
    request("GET", "a.test", "/b").decided_by(&policy).replies(203, "gatepost.health_check.three");
    request("GET", "a.test", "/c").decided_by(&policy).is_unchanged();
}

#[test]
fn a_name_is_unique_in_the_policy() {
    let json = r#"{ "healthChecks": [
      { "name": "a", "match": { "path": { "exact": "/" } }, "pass": {} },
      { "name": "a", "match": { "path": { "exact": "/b" } }, "pass": {} }
    ] }"#;
    assert_eq!(error(json), "healthChecks[1].name: `a` is already given at healthChecks[0].name");
}

#[test]
fn a_name_is_1_to_63_of_a_to_z_0_to_9_and_hyphens() {
    let named = |name: &str| {
        format!(
            r#"{{ "healthChecks": [{{
              "name": "{name}",
              "match": {{ "path": {{ "exact": "/" }} }},
              "pass": {{}}
            }}] }}"#
        )
    };
    for name in ["a", "0-9", "-", &"a".repeat(63)] {
        let counters = policy(&named(name)).counters();
        assert!(
            counters.iter().any(|(_, counter)| *counter == format!("gatepost.health_check.{name}"))
        );
    }
    for name in ["", "A", "a.b", "a_b", "\u{e9}", &"a".repeat(64)] {
        assert!(error(&named(name)).starts_with("healthChecks[0].name: "), "{name}");
    }
}

#[test]
fn every_condition_given_must_hold() {
    let policy = check(
        r#"
          "userAgent": { "prefix": "HC" },
          "method": { "exact": "GET" },
          "path": { "exact": "/up" },
          "host": { "exact": "a.test" },
          "sources": ["10.0.0.0/8"],
          "absentHeaders": ["via"]
        "#,
    );
    let probe = request("GET", "a.test", "/up").header("user-agent", "HC").from("10.1.2.3");
    is_probe(&policy, &probe);
    is_request(
        &policy,
        &request("POST", "a.test", "/up").header("user-agent", "HC").from("10.1.2.3"),
    );
    is_request(
        &policy,
        &request("GET", "b.test", "/up").header("user-agent", "HC").from("10.1.2.3"),
    );
    is_request(
        &policy,
        &request("GET", "a.test", "/down").header("user-agent", "HC").from("10.1.2.3"),
    );
    is_request(
        &policy,
        &request("GET", "a.test", "/up").header("user-agent", "H").from("10.1.2.3"),
    );
    is_request(&policy, &probe.clone().header("via", "1.1 google"));
    is_request(&policy, &probe.clone().from("11.1.2.3"));
}

#[test]
fn at_least_one_condition_must_be_given() {
    let json = r#"{ "healthChecks": [{ "name": "a", "match": {}, "pass": {} }] }"#;
    assert!(error(json).starts_with("healthChecks[0].match: at least one of "), "{}", error(json));
}

#[test]
fn a_text_is_compared_exactly_or_by_its_beginning_or_its_end() {
    let agent = |value: &str| get("a.test").header("user-agent", value);
    for (condition, matching, others) in [
        (r#""exact": "HC/1.0""#, ["HC/1.0", "HC/1.0"], ["HC/1.0 ", "hc/1.0", "xHC/1.0"]),
        (r#""prefix": "HC""#, ["HC", "HC/1.0"], ["hc", "xHC", "H"]),
        (r#""suffix": "/1.0""#, ["/1.0", "HC/1.0"], ["HC/1.00", "1.0", ""]),
    ] {
        let policy = check(&format!(r#""userAgent": {{ {condition} }}"#));
        matching.iter().for_each(|value| is_probe(&policy, &agent(value)));
        others.iter().for_each(|value| is_request(&policy, &agent(value)));
    }
}

#[test]
fn a_text_condition_has_exactly_one_way_to_compare() {
    for condition in ["{}", r#"{ "exact": "/a", "prefix": "/b" }"#] {
        let json = format!(
            r#"{{ "healthChecks": [{{
              "name": "a",
              "match": {{ "path": {condition} }},
              "pass": {{}}
            }}] }}"#
        );
        assert!(
            error(&json).starts_with(
                "healthChecks[0].match.path: exactly one of `exact`, `prefix`, `suffix`"
            )
        );
    }
}

#[test]
fn a_condition_that_could_never_hold_or_always_would_is_an_error() {
    for (condition, reason) in [
        (r#""path": { "exact": "healthz" }"#, "can never match"),
        (r#""path": { "exact": "/?q" }"#, "can never match"),
        (r#""path": { "prefix": "" }"#, "the text to compare with is empty"),
        (r#""userAgent": { "prefix": "" }"#, "the text to compare with is empty"),
        (r#""host": { "exact": "a.test:80" }"#, "ports are not compared"),
        (r#""host": { "exact": "a b" }"#, "is no valid authority"),
        (r#""sources": []"#, "the list is empty"),
        (r#""sources": ["35.191.0.0/33"]"#, "is no CIDR block"),
        (r#""absentHeaders": []"#, "the list is empty"),
        (r#""absentHeaders": ["a b"]"#, "is no valid header name"),
    ] {
        let json = format!(
            r#"{{ "healthChecks": [{{ "name": "a", "match": {{ {condition} }}, "pass": {{}} }}] }}"#
        );
        assert!(error(&json).contains(reason), "{}", error(&json));
    }
}

#[test]
fn the_path_is_compared_without_its_query() {
    let policy = check(r#""path": { "exact": "/up" }"#);
    for path in ["/up", "/up?", "/up?a=b", "/up??"] {
        is_probe(&policy, &request("GET", "a.test", path));
    }
    for path in ["/up/", "/up%3F", "/Up", "/x?/up"] {
        is_request(&policy, &request("GET", "a.test", path));
    }
}

#[test]
fn the_host_is_compared_in_normal_form_and_without_its_port() {
    let policy = check(r#""host": { "exact": "Status.Test." }"#);
    is_probe(&policy, &get("status.test"));
    is_probe(&policy, &get("STATUS.test.:8080"));
    is_request(&policy, &get("status.test.com"));
    get("status test").decided_by(&policy).replies(400, "gatepost.host.invalid");
    is_probe(&check(r#""host": { "suffix": ".Health.test" }"#), &get("a.health.TEST:80"));
    is_probe(&check(r#""host": { "exact": "10.0.0.1" }"#), &get("10.0.0.1:15021"));
    is_probe(&check(r#""host": { "exact": "[0::1]" }"#), &get("[::1]:15021"));
}

#[test]
fn sources_are_blocks_of_ipv4_and_ipv6_addresses() {
    let policy = check(
        r#""sources": ["35.191.0.0/16", "130.211.3.7/22", "2600:2d00:1:1::/64", "10.9.8.7"]"#,
    );
    for address in [
        "35.191.0.1",
        "35.191.255.255",
        "130.211.0.0",
        "130.211.3.255",
        "2600:2d00:1:1::5",
        "10.9.8.7",
        "::ffff:35.191.0.1",
    ] {
        is_probe(&policy, &get("a.test").from(address));
    }
    for address in ["35.192.0.0", "130.211.4.0", "2600:2d00:1:2::5", "10.9.8.8", "::1"] {
        is_request(&policy, &get("a.test").from(address));
    }
}

#[test]
fn a_request_whose_address_is_not_known_meets_no_source() {
    is_request(&check(r#""sources": ["0.0.0.0/0", "::/0"]"#), &get("a.test"));
}

#[test]
fn a_request_with_a_header_that_must_be_absent_is_no_probe() {
    let policy = check(r#""path": { "exact": "/" }, "absentHeaders": ["Via", "x-forwarded-for"]"#);
    is_probe(&policy, &get("a.test"));
    is_request(&policy, &get("a.test").header("via", "1.1 google"));
    is_request(&policy, &get("a.test").header("via", ""));
    is_request(&policy, &get("a.test").header("x-forwarded-for", "\u{ff}"));
}

#[test]
fn absent_headers_belong_to_their_own_check_even_to_the_sixty_fourth() {
    let checks: Vec<String> = (0..64)
        .map(|n| {
            format!(
                r#"{{
                  "name": "c{n}",
                  "match": {{ "path": {{ "prefix": "/" }}, "absentHeaders": ["h{n}"] }},
                  "pass": {{}}
                }}"#
            )
        })
        .collect();
    let policy = policy(&format!(r#"{{ "healthChecks": [{}] }}"#, checks.join(",")));
    for n in 0..64 {
        let request = (0..n)
            .fold(get("a.test"), |request, absent| request.header(&format!("h{absent}"), "1"));
        request.decided_by(&policy).counts(&[&format!("gatepost.health_check.c{n}")]);
    }
}

#[test]
fn a_request_with_two_user_agents_is_no_probe() {
    let policy = check(r#""userAgent": { "prefix": "HC" }"#);
    is_probe(&policy, &get("a.test").header("user-agent", "HC"));
    is_request(&policy, &get("a.test").header("user-agent", "HC").header("user-agent", "HC"));
    is_request(&policy, &get("a.test").header("user-agent", "HC").header("user-agent", "curl"));
}

#[test]
fn bytes_that_are_not_utf_8_are_compared_like_any_others() {
    let agent = [b"GoogleHC\xff".as_slice(), b"\xffGoogleHC"];
    agent.iter().zip([true, false]).for_each(|(agent, probe)| {
        let outcome = get("a.test").header("user-agent", agent).decided_by(&gclb());
        if probe {
            outcome.forwards_path("/healthz/ready")
        } else {
            outcome.is_unchanged()
        };
    });
}
