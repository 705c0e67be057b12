//! "Normalisation of the authority, for matching always and for what goes upstream when no mapping
//! applies: ASCII lower case, exactly one trailing dot off, an empty port off; the port is ignored
//! for matching. Rejected as invalid: … IP literals never match a domain pattern. Underscores
//! are accepted."
//!
//! And the fields `hosts.private`, `hosts.port`, `hosts.unmapped` and `hosts.originalHost`.

use gatepost_engine::Policy;

use crate::vocabulary::{error, get, policy, request};

/// A policy that says nothing but its version.
fn version_only() -> Policy {
    policy("{}")
}

fn mapped() -> Policy {
    policy(
        r#"{ "hosts": { "mappings": [{
          "host": "my-service.test.com",
          "authority": "my-service.default.example.com"
        }] } }"#,
    )
}

#[test]
fn the_authority_goes_upstream_in_ascii_lower_case() {
    get("My-Service.TEST.com")
        .decided_by(&version_only())
        .forwards_authority("my-service.test.com")
        .counts(&[]);
}

#[test]
fn exactly_one_trailing_dot_is_taken_off() {
    get("a.test.").decided_by(&version_only()).forwards_authority("a.test");
    get("a.test.:80").decided_by(&version_only()).forwards_authority("a.test:80");
    get("a.test..").decided_by(&version_only()).replies(400, "gatepost.host.invalid");
}

#[test]
fn an_empty_port_is_taken_off() {
    get("a.test:").decided_by(&version_only()).forwards_authority("a.test");
    get("a.test.:").decided_by(&version_only()).forwards_authority("a.test");
    get("[::1]:").decided_by(&version_only()).forwards_authority("[::1]");
}

#[test]
fn the_port_is_ignored_for_matching() {
    for host in [
        "my-service.test.com:443",
        "my-service.test.com:0",
        "My-Service.test.com.:00443",
        "my-service.test.com:",
    ] {
        get(host)
            .decided_by(&mapped())
            .forwards_authority("my-service.default.example.com")
            .counts(&["gatepost.host.mapped"]);
    }
}

#[test]
fn a_normal_authority_is_left_alone() {
    for host in ["my-service.test.com", "a.test:8080", "10.0.0.1", "[2001:db8::1]:443", "localhost"]
    {
        get(host).decided_by(&version_only()).is_unchanged();
    }
}

#[test]
fn what_is_no_valid_authority_is_rejected() {
    let long_label = format!("{}.test", "a".repeat(64));
    let long_name = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(62)].join(".");
    assert_eq!(long_name.len(), 254);
    let cases: &[(&str, &[u8])] = &[
        ("empty", b""),
        ("only a dot", b"."),
        ("only a port", b":80"),
        ("userinfo", b"user@a.test"),
        ("userinfo with a password", b"user:pass@a.test:80"),
        ("raw non-ASCII", "b\u{fc}cher.test".as_bytes()),
        ("bytes that are no UTF-8", b"a\xff.test"),
        ("NUL", b"a\0.test"),
        ("a tab", b"a\t.test"),
        ("DEL", b"a\x7f.test"),
        ("a line break", b"a.test\r\nx: y"),
        ("a percent sign", b"%61.test"),
        ("two Hosts joined", b"a.test,b.test"),
        ("two Hosts joined with a space", b"a.test, b.test"),
        ("two Hosts with ports", b"a.test:80,b.test:80"),
        ("an empty label", b"a..test"),
        ("an empty first label", b".a.test"),
        ("a label over 63 bytes", long_label.as_bytes()),
        ("a name over 253 bytes", long_name.as_bytes()),
        ("a port over 65535", b"a.test:65536"),
        ("a port of many digits", b"a.test:184467440737095516160080"),
        ("a port that is no number", b"a.test:http"),
        ("a negative port", b"a.test:-1"),
        ("two ports", b"a.test:80:80"),
        ("an unclosed IPv6 literal", b"[::1"),
        ("an IPv6 literal without brackets", b"::1"),
        ("a zoned IPv6 literal", b"[fe80::1%eth0]"),
        ("a zoned IPv6 literal, encoded", b"[fe80::1%25eth0]"),
        ("an IPv6 literal with a tail", b"[::1]a"),
        ("brackets around a name", b"[a.test]"),
        ("a space", b"a .test"),
        ("a path", b"a.test/x"),
        ("a wildcard", b"*.test"),
    ];
    for (what, host) in cases {
        let outcome = get(host).decided_by(&version_only());
        outcome.replies(400, "gatepost.host.invalid").counts(&["gatepost.host.invalid"]);
        assert!(!outcome.steps().is_empty(), "{what}");
    }
}

#[test]
fn the_longest_label_and_the_longest_name_are_valid() {
    let name = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
    assert_eq!(name.len(), 253);
    get(&name).decided_by(&version_only()).is_unchanged();
    get(format!("{name}.:65535"))
        .decided_by(&version_only())
        .forwards_authority(&format!("{name}:65535"));
}

#[test]
fn ip_literals_never_match_a_domain_pattern() {
    let policy = policy(
        r#"{ "hosts": {
          "private": ["*.0.0.1"],
          "mappings": [
            { "host": "{a}.0.0.2", "authority": "x.test" },
            { "host": "10.0.0.3", "authority": "three.test" }
          ]
        } }"#,
    );
    get("10.0.0.1").decided_by(&policy).is_unchanged();
    get("10.0.0.2").decided_by(&policy).is_unchanged();
    get("10.0.0.3:80").decided_by(&policy).forwards_authority("three.test");
}

#[test]
fn an_ipv6_literal_is_one_host_in_all_its_spellings() {
    let policy = policy(r#"{ "hosts": { "private": ["[2001:db8::1]"] } }"#);
    for spelling in
        ["[2001:db8::1]", "[2001:DB8::1]:443", "[2001:0db8:0:0:0:0:0:0001]", "[2001:db8::0.0.0.1]:"]
    {
        get(spelling).decided_by(&policy).replies(404, "gatepost.host.private");
    }
}

#[test]
fn underscores_are_accepted() {
    get("_dmarc.my_service.test").decided_by(&version_only()).is_unchanged();
}

#[test]
fn a_host_that_is_no_valid_authority_is_refused() {
    let policy = policy(r#"{ "strip": ["x-secret"], "hosts": { "unmapped": "pass" } }"#);
    for host in
        [&b""[..], b"a b", b"A..test", b"\xff\xfe", b"u@a.test", b"a.test:99999", b"%61.test"]
    {
        get(host)
            .decided_by(&policy)
            .replies(400, "gatepost.host.invalid")
            .says("invalid Host\n")
            .counts(&["gatepost.host.invalid"]);
    }
}

#[test]
fn hosts_invalid_reject_is_accepted_with_a_warning_and_pass_is_refused() {
    let reject = policy(r#"{ "hosts": { "invalid": "reject" } }"#);
    assert_eq!(
        reject.warnings().iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["hosts.invalid: `invalid` is no field any more: a Host that is no valid authority is \
             always refused; remove the field"]
    );
    get("a b").decided_by(&reject).replies(400, "gatepost.host.invalid");
    assert_eq!(
        error(r#"{ "hosts": { "invalid": "pass" } }"#),
        "hosts.invalid: a request whose Host is no valid authority is always refused, because a \
         proxy that passes it cannot keep private hosts private; remove the field; `mode: \
         observe` counts such requests without refusing them"
    );
}

#[test]
fn a_health_check_takes_a_request_whose_host_is_no_valid_authority() {
    let policy = policy(
        r#"{ "healthChecks": [{
          "name": "up",
          "match": { "path": { "exact": "/up" } },
          "pass": {}
        }] }"#,
    );
    request("GET", "a b", "/up").decided_by(&policy).is_unchanged();
    request("GET", "a b", "/").decided_by(&policy).replies(400, "gatepost.host.invalid");
}

#[test]
fn hosts_private_are_refused_from_outside_with_404_in_every_spelling() {
    let policy = policy(r#"{ "hosts": { "private": ["*.svc.cluster.local", "admin.test"] } }"#);
    let spellings = [
        "a.b.svc.cluster.local",
        "A.B.SVC.Cluster.Local",
        "a.b.svc.cluster.local.:8080",
        "admin.test:",
        "ADMIN.test.",
    ];
    for host in spellings {
        get(host)
            .decided_by(&policy)
            .replies(404, "gatepost.host.private")
            .says("not found\n")
            .counts(&["gatepost.host.private"]);
    }
    for host in ["svc.cluster.local", "a.svc.cluster.local.test", "xadmin.test", "a.admin.test"] {
        get(host).decided_by(&policy).is_unchanged().counts(&[]);
    }
}

#[test]
fn hosts_port_keep_leaves_the_port_of_a_host_that_no_mapping_rewrites() {
    for json in ["{}", r#"{ "hosts": { "port": "keep" } }"#] {
        get("A.test:08080").decided_by(&policy(json)).forwards_authority("a.test:8080");
    }
}

#[test]
fn hosts_port_strip_removes_the_port() {
    let policy = policy(r#"{ "hosts": { "port": "strip" } }"#);
    get("a.test:8080").decided_by(&policy).forwards_authority("a.test");
    get("[::1]:8080").decided_by(&policy).forwards_authority("[::1]");
    get("a.test").decided_by(&policy).is_unchanged();
}

#[test]
fn hosts_port_says_nothing_about_a_mapped_host() {
    let policy = policy(
        r#"{ "hosts": {
          "port": "strip",
          "mappings": [
            { "host": "a.test", "authority": "b.test:9090" },
            { "host": "c.test", "authority": "d.test" }
          ]
        } }"#,
    );
    get("a.test:443").decided_by(&policy).forwards_authority("b.test:9090");
    get("c.test:443").decided_by(&policy).forwards_authority("d.test");
}

#[test]
fn hosts_unmapped_pass_lets_other_hosts_through_and_counts_them() {
    get("Other.test")
        .decided_by(&mapped())
        .forwards_authority("other.test")
        .counts(&["gatepost.host.unmapped"]);
}

#[test]
fn hosts_unmapped_reject_answers_404() {
    let policy = policy(
        r#"{ "hosts": {
          "mappings": [{ "host": "a.test", "authority": "b.test" }],
          "unmapped": "reject"
        } }"#,
    );
    get("other.test")
        .decided_by(&policy)
        .replies(404, "gatepost.host.unmapped")
        .says("not found\n")
        .counts(&["gatepost.host.unmapped"]);
    get("a.test").decided_by(&policy).forwards_authority("b.test");
}

#[test]
fn hosts_original_host_keeps_the_original_of_a_rewritten_host_as_the_client_wrote_it() {
    let policy = policy(
        r#"{ "hosts": {
          "originalHost": "x-forwarded-host",
          "mappings": [
            { "host": "a.test", "authority": "b.test" },
            { "host": "same.test", "authority": "same.test:8080" }
          ]
        } }"#,
    );
    get("A.test.:443")
        .decided_by(&policy)
        .forwards_authority("b.test")
        .sets("x-forwarded-host", "A.test.:443");
    get("Other.test.")
        .decided_by(&policy)
        .forwards_authority("other.test")
        .lacks("x-forwarded-host");
    get("same.test")
        .decided_by(&policy)
        .forwards_authority("same.test:8080")
        .lacks("x-forwarded-host");
}

#[test]
fn first_middle_and_last_of_a_hundred_thousand_mappings_are_all_found() {
    let mappings: Vec<String> = (0..100_000)
        .map(|n| match n % 3 {
            0 => format!(r#"{{"host":"h{n}.test","authority":"s{n}.default.example.com"}}"#),
            1 => format!(r#"{{"host":"*.w{n}.test","authority":"s{n}.default.example.com"}}"#),
            _ => format!(r#"{{"host":"{{x}}.c{n}.test","authority":"{{x}}.s{n}.example.com"}}"#),
        })
        .collect();
    let policy = policy(&format!(r#"{{ "hosts": {{ "mappings": [{}] }} }}"#, mappings.join(",")));
    for n in [0, 1, 2, 49_998, 49_999, 50_000, 99_997, 99_998, 99_999] {
        let (host, authority) = match n % 3 {
            0 => (format!("h{n}.test"), format!("s{n}.default.example.com")),
            1 => (format!("a.b.w{n}.test"), format!("s{n}.default.example.com")),
            _ => (format!("me.c{n}.test"), format!("me.s{n}.example.com")),
        };
        get(&host).decided_by(&policy).forwards_authority(&authority);
    }
    for host in ["h1.test", "h100000.test", "w1.test", "a.b.c2.test"] {
        get(host).decided_by(&policy).is_unchanged().counts(&["gatepost.host.unmapped"]);
    }
}

#[test]
fn an_ip_literal_that_a_shortened_host_turns_out_to_be_matches_no_pattern_either() {
    let policy = policy(
        r#"{
          "environments": { "sources": [{ "subdomain": "*.{env}.0.0.1" }] },
          "hosts": { "mappings": [{ "host": "*.0.0.1", "authority": "b.svc" }] }
        }"#,
    );
    get("10.x.0.0.1")
        .decided_by(&policy)
        .forwards_authority("10.0.0.1")
        .counts(&["gatepost.environment.selected", "gatepost.host.unmapped"]);
}
