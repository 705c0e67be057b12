//! "Limits, each with its own error: configuration 8 MiB, 200,000 mappings, 50,000 environments,
//! 64 health checks, 16 hint headers."

use gatepost_engine::compile_json;

use crate::vocabulary::{error, errors_of, get, policy};

#[test]
fn a_configuration_over_8_mib_is_refused_before_it_is_read() {
    let mut text = String::from(r#"{ "apiVersion": "gatepost/v1" }"#);
    text.push_str(&" ".repeat(8 * 1024 * 1024 - text.len()));
    assert!(compile_json(text.as_bytes()).is_ok());
    text.push(' ');
    assert_eq!(
        errors_of(text.as_bytes()),
        [".: the configuration is 8388609 bytes, more than the limit of 8388608"]
    );
}

fn numbered(count: usize, each: impl Fn(usize) -> String) -> String {
    (0..count).map(each).collect::<Vec<_>>().join(",")
}

#[test]
fn there_may_be_200_000_mappings_and_no_more() {
    let mappings = |count| {
        let list = numbered(count, |n| format!(r#"{{"host":"{n:x}.t","authority":"b"}}"#));
        format!(r#"{{"apiVersion":"gatepost/v1","hosts":{{"mappings":[{list}]}}}}"#)
    };
    assert!(compile_json(mappings(200_000).as_bytes()).is_ok());
    assert_eq!(error(&mappings(200_001)), "hosts.mappings: more than 200000 mappings");
}

#[test]
fn there_may_be_50_000_environments_and_as_many_aliases_and_no_more() {
    let allow = |count| {
        format!(
            r#"{{ "environments": {{ "default": "e0", "allow": [{}] }} }}"#,
            numbered(count, |n| format!(r#""e{n}""#))
        )
    };
    drop(policy(&allow(50_000)));
    assert_eq!(error(&allow(50_001)), "environments.allow: more than 50000 environments");
    let aliases = |count| {
        format!(
            r#"{{ "environments": {{ "default": "e", "aliases": {{ {} }} }} }}"#,
            numbered(count, |n| format!(r#""a{n}":"e""#))
        )
    };
    drop(policy(&aliases(50_000)));
    assert_eq!(error(&aliases(50_001)), "environments.aliases: more than 50000 aliases");
}

#[test]
fn there_may_be_64_health_checks_and_no_more() {
    let checks = |count| {
        let list = numbered(count, |n| {
            format!(
                r#"{{
                  "name": "c{n}",
                  "match": {{ "path": {{ "exact": "/{n}" }} }},
                  "pass": {{}}
                }}"#
            )
        });
        format!(r#"{{ "healthChecks": [{list}] }}"#)
    };
    assert_eq!(policy(&checks(64)).counters().len(), 64 + 5);
    assert_eq!(error(&checks(65)), "healthChecks: more than 64 health checks");
}

#[test]
fn there_may_be_16_hint_headers_and_no_more() {
    let hints = |count| {
        let list = numbered(count, |n| format!(r#""x-h{n}": "{{env}}""#));
        format!(
            r#"{{ "environments": {{ "default": "a", "hints": {{ "headers": {{ {list} }} }} }} }}"#
        )
    };
    let policy = policy(&hints(16));
    let outcome = get("a.test").decided_by(&policy);
    (0..16).for_each(|n| {
        outcome.sets(&format!("x-h{n}"), "a");
    });
    assert_eq!(error(&hints(17)), "environments.hints.headers: more than 16 hint headers");
}

#[test]
fn the_smaller_limits_have_their_own_errors_too() {
    let sources = format!(
        r#"{{ "environments": {{ "sources": [{}] }} }}"#,
        numbered(17, |n| format!(r#"{{ "header": "h{n}" }}"#))
    );
    assert_eq!(error(&sources), "environments.sources: more than 16 environment sources");
    let strip = format!(r#"{{ "strip": [{}] }}"#, numbered(1025, |n| format!(r#""h{n}""#)));
    assert_eq!(error(&strip), "strip: more than 1024 headers to strip");
    for (list, what, entry) in
        [("sources", "source blocks", "10.0.0.1"), ("absentHeaders", "absent headers", "via")]
    {
        let entries = numbered(1025, |_| format!(r#""{entry}""#));
        let json = format!(
            r#"{{ "healthChecks": [{{
              "name": "a",
              "match": {{ "{list}": [{entries}] }},
              "pass": {{}}
            }}] }}"#
        );
        assert_eq!(error(&json), format!("healthChecks[0].match.{list}: more than 1024 {what}"));
    }
    let private = format!(
        r#"{{ "hosts": {{ "private": [{}] }} }}"#,
        numbered(10_001, |n| format!(r#""h{n}.test""#))
    );
    assert_eq!(error(&private), "hosts.private: more than 10000 private hosts");
}

#[test]
fn there_may_be_255_arrangements_of_labels_captures_and_stars_and_no_more() {
    // Bit n of a number says whether label n is a capture: 256 numbers are 256 arrangements.
    let pattern = |number: usize| {
        let label = |bit: usize| {
            if number >> bit & 1 == 1 { format!("{{c{bit}}}") } else { format!("l{bit}") }
        };
        format!(r#""*.{}.test""#, (0..8).map(label).collect::<Vec<_>>().join("."))
    };
    let private =
        |count| format!(r#"{{ "hosts": {{ "private": [{}] }} }}"#, numbered(count, pattern));
    let policy = policy(&private(255));
    get("a.l0.x.x.x.x.x.x.x.test").decided_by(&policy).replies(404, "gatepost.host.private");
    assert_eq!(
        error(&private(256)),
        "hosts.private[255]: more than 255 different arrangements of labels, captures and `*`"
    );
}

#[test]
fn a_text_has_at_most_4096_bytes() {
    let long = "a".repeat(4097);
    for (json, path) in [
        (format!(r#"{{ "mode": "{long}" }}"#), "mode"),
        (format!(r#"{{ "strip": ["{long}"] }}"#), "strip[0]"),
        (format!(r#"{{ "hosts": {{ "private": ["{long}"] }} }}"#), "hosts.private[0]"),
        (
            format!(r#"{{ "environments": {{ "sources": [{{ "cookie": "{long}" }}] }} }}"#),
            "environments.sources[0].cookie",
        ),
    ] {
        assert_eq!(
            error(&json),
            format!("{path}: the text is 4097 bytes, more than the limit of 4096")
        );
    }
}

#[test]
fn a_template_has_at_most_1024_bytes_and_16_placeholders() {
    let hint = |template: &str| {
        format!(
            r#"{{ "environments": {{
              "default": "e", "hints": {{ "headers": {{ "x-env": "{template}" }} }}
            }} }}"#
        )
    };
    drop(policy(&hint(&"a".repeat(1024))));
    drop(policy(&hint(&"{host}".repeat(16))));
    assert_eq!(
        error(&hint(&"a".repeat(1025))),
        "environments.hints.headers.x-env: the text is 1025 bytes, more than the limit of 1024"
    );
    assert!(error(&hint(&"{env}".repeat(17))).ends_with("it has more than 16 placeholders"));
    let authority = format!(
        r#"{{ "environments": {{ "default": "e", "hints": {{ "authority": "{}" }} }} }}"#,
        "{env}".repeat(17)
    );
    assert!(error(&authority).ends_with("it has more than 16 placeholders"));
}

#[test]
fn the_name_of_a_header_has_at_most_256_bytes() {
    let strip = |length| format!(r#"{{ "strip": ["{}"] }}"#, "a".repeat(length));
    drop(policy(&strip(256)));
    assert_eq!(error(&strip(257)), "strip[0]: the text is 257 bytes, more than the limit of 256");
}

#[test]
fn there_may_be_64_patterns_of_environments_and_no_more() {
    let allow = |count| {
        let list = numbered(count, |n| format!(r#""e{n}-*""#));
        format!(r#"{{ "environments": {{ "default": "e0-a", "allow": [{list}] }} }}"#)
    };
    drop(policy(&allow(64)));
    assert_eq!(error(&allow(65)), "environments.allow[64]: more than 64 patterns of environments");
}

#[test]
fn an_error_repeats_no_more_than_the_beginning_of_a_long_name() {
    let name = "z".repeat(1_000_000);
    let message = error(&format!(r#"{{ "{name}": 1 }}"#));
    assert!(message.contains("unknown field `zzz") && message.contains("zzz…`"));
}

/// The reading of a policy with these names takes as long as with others: names of one length, with
/// one last letter, and names that hash tables with known seeds put into one place.
#[test]
fn no_set_of_header_names_makes_a_policy_slow_to_read() {
    let checks = numbered(64, |check| {
        let names = numbered(1024, |n| format!(r#""x-{check:02}-{n:04}-a""#));
        format!(
            r#"{{ "name": "c{check}", "match": {{ "absentHeaders": [{names}] }}, "pass": {{}} }}"#
        )
    });
    let policy = policy(&format!(r#"{{ "healthChecks": [{checks}] }}"#));
    get("a.test")
        .header("x-00-0000-a", "")
        .decided_by(&policy)
        .counts(&["gatepost.health_check.c1"]);
    get("a.test")
        .header("x_63_1023_a", "")
        .decided_by(&policy)
        .counts(&["gatepost.health_check.c0"]);
}
