//! "Host patterns: exact; `*.suffix`, one or more labels as in Envoy and the Gateway API; `{name}`
//! captures exactly one label, and a pattern may hold several. The most specific wins: exact, then
//! the longest literal suffix, then captures before `*`. The same pattern twice is an error."

use gatepost_engine::Policy;

use crate::vocabulary::{error, get, policy};

/// Maps each pattern to an authority with its number: `p0.test`, `p1.test`.
fn mapping(patterns: &[&str]) -> Policy {
    let mappings: Vec<String> = patterns
        .iter()
        .enumerate()
        .map(|(number, pattern)| {
            format!(r#"{{ "host": "{pattern}", "authority": "p{number}.test" }}"#)
        })
        .collect();
    policy(&format!(r#"{{ "hosts": {{ "mappings": [{}] }} }}"#, mappings.join(", ")))
}

#[track_caller]
fn goes_to(policy: &Policy, host: &str, number: usize) {
    get(host)
        .decided_by(policy)
        .forwards_authority(&format!("p{number}.test"))
        .counts(&["gatepost.host.mapped"]);
}

#[track_caller]
fn matches_nothing(policy: &Policy, host: &str) {
    get(host).decided_by(policy).forwards_authority(host).counts(&["gatepost.host.unmapped"]);
}

#[test]
fn an_exact_pattern_matches_that_host_alone() {
    let policy = mapping(&["a.test.com"]);
    goes_to(&policy, "A.test.com.", 0);
    for host in ["b.a.test.com", "test.com", "xa.test.com", "a.test.com.x"] {
        matches_nothing(&policy, host);
    }
}

#[test]
fn a_star_matches_one_or_more_labels() {
    let policy = mapping(&["*.shop.example"]);
    for host in ["a.shop.example", "a.b.shop.example", "a.b.c.d.e.shop.example"] {
        goes_to(&policy, host, 0);
    }
    for host in ["shop.example", "myshop.example", "a.myshop.example", "a.shop.example.com"] {
        matches_nothing(&policy, host);
    }
}

#[test]
fn a_capture_matches_exactly_one_label() {
    let policy = mapping(&["{service}.mesh.private"]);
    goes_to(&policy, "ads.mesh.private", 0);
    for host in ["mesh.private", "a.b.mesh.private", "ads.mesh.private.x"] {
        matches_nothing(&policy, host);
    }
}

#[test]
fn a_pattern_may_hold_several_captures_anywhere() {
    let policy = mapping(&["{service}.{env}.mesh.{zone}.private", "*.{a}.b.test"]);
    goes_to(&policy, "ads.env1.mesh.eu.private", 0);
    goes_to(&policy, "1.2.3.b.test", 1);
    matches_nothing(&policy, "ads.env1.mash.eu.private");
    matches_nothing(&policy, "3.b.test");
}

#[test]
fn a_pattern_is_brought_to_the_same_form_as_a_host() {
    let policy = mapping(&["My-Service.Test.COM.", "*.SHOP.example."]);
    goes_to(&policy, "my-service.test.com", 0);
    goes_to(&policy, "a.shop.example", 1);
}

#[test]
fn an_exact_pattern_is_the_most_specific() {
    for order in [["a.b.test", "{x}.b.test", "*.b.test"], ["*.b.test", "{x}.b.test", "a.b.test"]] {
        let number = |pattern: &str| order.iter().position(|p| *p == pattern).expect("there");
        let policy = mapping(&order);
        goes_to(&policy, "a.b.test", number("a.b.test"));
        goes_to(&policy, "z.b.test", number("{x}.b.test"));
        goes_to(&policy, "z.z.b.test", number("*.b.test"));
    }
}

#[test]
fn of_patterns_that_are_not_exact_the_longest_literal_suffix_wins() {
    let policy = mapping(&["*.test", "{x}.{y}.{z}.test", "*.c.test", "{x}.b.c.test", "*.b.c.test"]);
    goes_to(&policy, "a.b.c.test", 3);
    goes_to(&policy, "a.a.b.c.test", 4);
    goes_to(&policy, "a.z.c.test", 2);
    goes_to(&policy, "a.z.z.test", 1);
    goes_to(&policy, "z.test", 0);
}

#[test]
fn a_longer_literal_suffix_wins_even_with_a_star_against_captures() {
    let policy = mapping(&["{x}.{y}.test", "*.b.test"]);
    goes_to(&policy, "a.b.test", 1);
    goes_to(&policy, "a.c.test", 0);
}

#[test]
fn of_equal_literal_suffixes_captures_win_over_a_star() {
    let policy = mapping(&["*.b.test", "{x}.b.test", "*.{x}.c.test", "{x}.{y}.c.test"]);
    goes_to(&policy, "a.b.test", 1);
    goes_to(&policy, "a.a.c.test", 3);
    goes_to(&policy, "a.a.a.c.test", 2);
}

#[test]
fn the_right_most_label_in_which_two_patterns_differ_decides() {
    let policy = mapping(&["foo.{x}.{y}.test", "{x}.{y}.bar.test", "{x}.foo.{y}.test"]);
    goes_to(&policy, "foo.foo.bar.test", 1);
    goes_to(&policy, "foo.foo.x.test", 2);
    goes_to(&policy, "foo.x.x.test", 0);
}

#[test]
fn the_same_pattern_twice_is_an_error() {
    for (first, second) in [
        ("a.test", "a.test"),
        ("a.test", "A.Test."),
        ("*.a.test", "*.A.test"),
        ("{x}.a.test", "{y}.a.test"),
        ("[::1]", "[0:0::1]"),
    ] {
        let json = format!(
            r#"{{ "hosts": {{ "mappings": [
              {{ "host": "{first}", "authority": "b.test" }},
              {{ "host": "{second}", "authority": "c.test" }}
            ] }} }}"#
        );
        let error = error(&json);
        assert!(error.starts_with("hosts.mappings[1].host: "), "{error}");
        assert!(error.ends_with("is already given at hosts.mappings[0].host"), "{error}");
        let json = format!(r#"{{ "hosts": {{ "private": ["{first}", "{second}"] }} }}"#);
        assert!(crate::vocabulary::error(&json).ends_with("is already given at hosts.private[0]"));
    }
}

#[test]
fn a_duplicate_is_found_behind_invalid_mappings_and_names_its_place_in_the_document() {
    let errors = crate::vocabulary::errors(
        r#"{ "hosts": { "mappings": [
          { "host": "a..test", "authority": "b.test" },
          { "host": "a.test", "authority": "b.test" },
          { "host": "c.test", "authority": "b b" },
          { "host": "a.test", "authority": "b.test" }
        ] } }"#,
    );
    assert_eq!(errors.len(), 3, "{errors:#?}");
    assert_eq!(
        errors[2],
        "hosts.mappings[3].host: `a.test` is already given at hosts.mappings[1].host"
    );
}

#[test]
fn what_is_no_pattern_is_refused_with_its_reason() {
    for (pattern, reason) in [
        ("", "the host is empty"),
        ("*", "`*` may only be the whole first label"),
        ("a.*.test", "`*` may only be the whole first label"),
        ("*a.test", "`*` may only be the whole first label"),
        ("pr-{n}.test", "a capture must be a whole label"),
        ("{.test", "a capture must be a whole label"),
        ("{}.test", "a capture's name is"),
        ("{a}.{a}.test", "the capture `{a}` stands in it twice"),
        ("a.test:443", "it has a port"),
        ("{a}.{b}", "it matches every host of that many labels"),
        ("a b.test", "it holds the byte ` `"),
        ("a..test", "it has an empty label"),
    ] {
        let error = error(&format!(r#"{{ "hosts": {{ "private": ["{pattern}"] }} }}"#));
        assert!(error.starts_with("hosts.private[0]: "), "{error}");
        assert!(error.contains(reason), "{pattern}: {error}");
    }
}
