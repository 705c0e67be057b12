//! "Unknown fields are errors that name the field, its path and the nearest known name. Integral
//! floats are integers (an Istio Struct holds doubles). An empty document is no policy."

use gatepost_engine::{PolicyErrorKind, compile_json};

use crate::vocabulary::{error, errors, errors_of, get, policy, request};

#[test]
fn an_unknown_field_names_itself_its_path_and_the_nearest_known_name() {
    for (json, expected) in [
        (
            r#"{ "helthChecks": [] }"#,
            "helthChecks: unknown field `helthChecks`; did you mean `healthChecks`?",
        ),
        (
            r#"{ "hosts": { "mapping": [] } }"#,
            "hosts.mapping: unknown field `mapping`; did you mean `mappings`?",
        ),
        (
            r#"{ "hosts": { "mappings": [{
              "host": "a.test",
              "authority": "b.test",
              "authorty": "c"
            }] } }"#,
            "hosts.mappings[0].authorty: unknown field `authorty`; did you mean `authority`?",
        ),
        (
            r#"{ "environments": {
              "default": "a",
              "hints": { "header": {}, "authority": "a.test" }
            } }"#,
            "environments.hints.header: unknown field `header`; did you mean `headers`?",
        ),
        (
            r#"{ "healthChecks": [{
              "name": "a",
              "match": { "path": { "exact": "/" }, "user_agent": { "exact": "x" } },
              "pass": {}
            }] }"#,
            "healthChecks[0].match.user_agent: unknown field `user_agent`; did you mean \
             `userAgent`?",
        ),
        (
            r#"{ "healthChecks": [{
              "name": "a",
              "match": { "path": { "exact": "/", "regex": "" } },
              "pass": {}
            }] }"#,
            "healthChecks[0].match.path.regex: unknown field `regex`; known here: exact, prefix, \
             suffix",
        ),
        (
            r#"{ "healthChecks": [{
              "name": "a",
              "match": { "path": { "exact": "/" } },
              "pass": { "x": 1 }
            }] }"#,
            "healthChecks[0].pass.x: unknown field `x`; nothing may stand here",
        ),
        (
            r#"{ "timeout": "1s" }"#,
            "timeout: unknown field `timeout`; known here: apiVersion, mode, healthChecks, strip, \
             environments, hosts",
        ),
    ] {
        assert_eq!(error(json), expected);
    }
}

#[test]
fn all_errors_are_reported_at_once_each_with_its_path() {
    let errors = errors(
        r#"{
          "mode": "watch",
          "healthChecks": [
            {
              "name": "No",
              "match": { "path": { "exact": "x" } },
              "rewrite": { "authority": "a b" }
            },
            { "match": { "sources": ["x"], "absentHeaders": [""] }, "respond": { "status": 1 } }
          ],
          "strip": ["host", 3],
          "environments": {
            "sources": [{ "header": "a b" }, { "cokie": "env" }],
            "allow": ["a_b"],
            "unknown": "default",
            "hints": {}
          },
          "hosts": {
            "invalid": "drop",
            "private": ["a..b"],
            "mappings": [{ "host": "{x.test" }, { "host": "a.test", "authority": "{y}.test" }],
            "originalHost": ":path"
          }
        }"#,
    );
    let paths: Vec<&str> =
        errors.iter().filter_map(|error| error.split_once(": ")).map(|(path, _)| path).collect();
    assert_eq!(
        paths,
        [
            "mode",
            "healthChecks[0].name",
            "healthChecks[0].match.path.exact",
            "healthChecks[0].rewrite.authority",
            "healthChecks[1].match.sources[0]",
            "healthChecks[1].match.absentHeaders[0]",
            "healthChecks[1].respond.status",
            "healthChecks[1]",
            "strip[0]",
            "strip[1]",
            "environments.sources[0].header",
            "environments.sources[1].cokie",
            "environments.allow[0]",
            "environments.hints",
            "environments.unknown",
            "hosts.invalid",
            "hosts.private[0]",
            "hosts.mappings[0].host",
            "hosts.mappings[0]",
            "hosts.mappings[1].authority",
            "hosts.originalHost",
        ],
        "{errors:#?}"
    );
}

#[test]
fn a_document_with_more_than_a_thousand_errors_says_how_many_more_there_are() {
    let bad = vec![r#""a..b""#; 1_500].join(",");
    let errors = errors(&format!(r#"{{ "hosts": {{ "private": [{bad}] }} }}"#));
    assert_eq!(errors.len(), 1_001);
    assert_eq!(errors.last().map(String::as_str), Some(".: 500 more errors are not shown"));
}

#[test]
fn a_document_with_an_error_gives_no_policy() {
    let json =
        br#"{ "apiVersion": "gatepost/v1", "hosts": { "private": ["*.svc"], "prot": "keep" } }"#;
    assert!(compile_json(json).is_err());
}

#[test]
fn integral_floats_are_integers() {
    let status = |number: &str| {
        format!(
            r#"{{ "healthChecks": [{{
              "name": "up",
              "match": {{ "path": {{ "exact": "/" }} }},
              "respond": {{ "status": {number} }}
            }}] }}"#
        )
    };
    for number in ["200", "200.0", "2e2", "2.00E+2"] {
        request("GET", "a.test", "/")
            .decided_by(&policy(&status(number)))
            .replies(200, "gatepost.health_check.up");
    }
    assert_eq!(
        error(&status("200.5")),
        "healthChecks[0].respond.status: expected an integer, found a number with a fraction"
    );
    for number in ["1e300", "-0.0"] {
        assert!(error(&status(number)).starts_with("healthChecks[0].respond.status: "));
    }
}

#[test]
fn an_empty_document_is_no_policy() {
    for nothing in ["", " \n\t", "{}", " { \n } ", "null", " null\n"] {
        assert_eq!(
            errors_of(nothing.as_bytes()),
            [".: the document is empty, and an empty document is no policy; write `apiVersion: \
                 gatepost/v1` and the rules"],
            "{nothing:?}"
        );
    }
    for other in ["nu ll", "{", "[]", "0"] {
        let errors = errors_of(other.as_bytes());
        assert!(!errors.concat().contains("empty"), "{other:?}: {errors:?}");
    }
}

#[test]
fn a_policy_that_holds_only_its_version_is_a_policy() {
    let policy = policy("{}");
    get("A.test").decided_by(&policy).forwards_authority("a.test");
    get("a b").decided_by(&policy).replies(400, "gatepost.host.invalid");
}

#[test]
fn the_version_must_be_given_and_known() {
    for (json, version) in [
        (r#"{ "hosts": {} , "x": 0 }"#, "missing"),
        (r#"{ "apiVersion": "gatepost/v2" }"#, "`gatepost/v2`"),
        (r#"{ "apiVersion": "" }"#, "``"),
    ] {
        let errors = errors_of(json.as_bytes());
        let wanted =
            format!("this is not a policy of version `gatepost/v1`: apiVersion is {version}");
        assert!(
            errors.iter().any(|error| error.contains(wanted.trim_end_matches("missing"))),
            "{errors:#?}"
        );
    }
    assert_eq!(
        error(r#"{ "apiVersion": 1 }"#),
        "apiVersion: expected a string, found the number 1"
    );
}

#[test]
fn a_value_of_another_type_is_named_with_what_was_found() {
    for (json, expected) in [
        (r#"{ "mode": true }"#, "mode: expected a string, found `true`"),
        (
            r#"{ "mode": null }"#,
            "mode: expected a string, found nothing; write a value, or delete the line",
        ),
        (r#"{ "hosts": [] }"#, "hosts: expected an object, found a list"),
        (r#"{ "hosts": "x" }"#, "hosts: expected an object, found the string \"x\""),
        (r#"{ "strip": "x" }"#, "strip: expected a list, found the string \"x\"; write `[x]`"),
        (r#"{ "strip": {} }"#, "strip: expected a list, found an object"),
        (
            r#"{ "hosts": { "mappings": [["a", "b"]] } }"#,
            "hosts.mappings[0]: expected an object, found a list",
        ),
        (r#"{ "hosts": { "port": 443 } }"#, "hosts.port: expected a string, found the number 443"),
        (
            r#"{ "environments": { "default": "a", "aliases": ["a"] } }"#,
            "environments.aliases: expected an object, found a list",
        ),
    ] {
        assert_eq!(error(json), expected);
    }
    assert_eq!(errors_of(b"[]"), [".: expected an object, found a list"]);
    assert_eq!(errors_of(b"\"x\""), [".: expected an object, found the string \"x\""]);
}

#[test]
fn a_field_that_is_given_twice_is_an_error() {
    assert_eq!(error(r#"{ "mode": "enforce", "mode": "observe" }"#), "mode: `mode` is given twice");
    assert_eq!(
        error(r#"{ "environments": { "default": "a", "aliases": { "x": "a", "X": "b" } } }"#),
        "environments.aliases.X: `x` is given twice"
    );
    assert_eq!(
        error(
            r#"{ "environments": {
              "default": "a",
              "hints": { "headers": { "x-a": "{env}", "X-A": "b" } }
            } }"#
        ),
        "environments.hints.headers.X-A: `x-a` is given twice"
    );
}

#[test]
fn an_environment_that_is_allowed_twice_is_an_error() {
    let json = r#"{ "environments": { "default": "a", "allow": ["a", "b", "B"] } }"#;
    assert_eq!(error(json), "environments.allow[2]: `b` is already given at environments.allow[1]");
}

#[test]
fn a_source_names_exactly_one_place() {
    for source in ["{}", r#"{ "header": "env", "cookie": "env" }"#] {
        let json = format!(r#"{{ "environments": {{ "sources": [{source}], "default": "a" }} }}"#);
        assert!(
            error(&json).starts_with("environments.sources[0]: exactly one of `header`, `cookie`"),
            "{}",
            error(&json)
        );
    }
}

#[test]
fn a_source_that_could_never_yield_a_value_is_an_error() {
    for (source, reason) in [
        (r#""header": ":path""#, "it is a pseudo-header"),
        (r#""header": "host""#, "the gateway keeps it as the request's authority"),
        (r#""cookie": "a=b""#, "is no valid name for a cookie"),
        (r#""query": "a&b""#, "is no valid name for a query parameter"),
        (r#""baggage": """#, "is no valid name for a baggage member"),
        (r#""subdomain": "dev.test""#, "it must capture the environment as `{env}`"),
        (r#""subdomain": "{name}.dev.test""#, "it must capture the environment as `{env}`"),
    ] {
        let json =
            format!(r#"{{ "environments": {{ "sources": [{{ {source} }}], "default": "a" }} }}"#);
        assert!(error(&json).contains(reason), "{}", error(&json));
    }
}

#[test]
fn a_text_that_is_no_json_is_one_error_with_its_line_and_column() {
    for text in ["{", "{ \"apiVersion\": \"gatepost/v1\" } x", "apiVersion: gatepost/v1", "\u{0}"] {
        let errors = errors_of(text.as_bytes());
        assert!(
            errors
                .iter()
                .any(|error| error.starts_with(".: not valid JSON: ") && error.contains("line 1")),
            "{errors:?}"
        );
    }
    assert!(
        errors_of(b"{ \"mode\": \"\xff\" }").iter().any(|error| error.contains("not valid JSON"))
    );
}

#[test]
fn a_document_that_is_nested_without_end_is_refused() {
    let deep = "[".repeat(100_000);
    assert!(!errors_of(deep.as_bytes()).is_empty());
    let inside = format!(r#"{{ "apiVersion": "gatepost/v1", "x": {deep} "#);
    assert!(!errors_of(inside.as_bytes()).is_empty());
}

#[test]
fn an_error_has_a_kind_that_code_can_match() {
    let errors = compile_json(br#"{ "apiVersion": "gatepost/v1", "hosts": { "prot": "keep" } }"#)
        .expect_err("an error");
    let [error] = &errors[..] else { panic!("{errors:?}") };
    let PolicyErrorKind::UnknownField { name, .. } = &error.kind else { panic!("{error:?}") };
    assert_eq!(name, "prot");
}

#[test]
fn an_earlier_place_is_named_by_its_number_in_the_document_even_behind_an_invalid_one() {
    assert_eq!(
        errors(r#"{ "hosts": { "private": ["a..b", "*.svc", "*.svc"] } }"#)[1],
        "hosts.private[2]: `*.svc` is already given at hosts.private[1]"
    );
    assert_eq!(
        errors(r#"{ "environments": { "default": "a", "allow": ["a_b", "a", "a"] } }"#)[1],
        "environments.allow[2]: `a` is already given at environments.allow[1]"
    );
}

#[test]
fn environments_that_nothing_selects_are_an_error_beside_the_others() {
    let found = errors(r#"{ "mode": "x", "environments": { "allow": ["a"] } }"#);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[1].starts_with("environments: no environment can ever be selected"), "{found:?}");
}

#[test]
fn an_error_is_one_line_whatever_the_document_holds() {
    let errors = errors(
        r#"{
          "ho\u0000sts": 1,
          "strip": ["a\nb"],
          "hosts": { "private": ["a\r\n\u001b[31m.test", "\u0085"] }
        }"#,
    );
    assert_eq!(errors.len(), 4, "{errors:#?}");
    for error in &errors {
        assert!(!error.contains(char::is_control), "{error:?}");
    }
    assert!(errors[1].contains(r"`a\nb`"), "{errors:#?}");
}

#[test]
fn no_proper_prefix_of_a_document_is_a_policy() {
    let documents = [
        r#"{ "apiVersion": "gatepost/v1", "strip": ["x-a"], "hosts": { "private": ["*.svc"] } }"#,
        r#"{"apiVersion":"gatepost/v1"}"#,
    ];
    for document in documents {
        assert!(compile_json(document.as_bytes()).is_ok());
        for length in 0..document.len() {
            assert!(compile_json(&document.as_bytes()[..length]).is_err(), "{length}");
        }
    }
}

#[test]
fn a_list_that_is_left_empty_counts_as_omitted_with_a_warning() {
    let warnings = |json: &str| -> Vec<String> {
        policy(json).warnings().iter().map(ToString::to_string).collect()
    };
    let advice = "so it counts as omitted; delete the line, or write its entries";
    assert_eq!(
        warnings(
            r#"{
              "strip": null,
              "environments": { "default": "a", "aliases": null },
              "hosts": { "mappings": null }
            }"#
        ),
        [
            format!("strip: nothing stands behind `strip`, {advice}"),
            format!("environments.aliases: nothing stands behind `aliases`, {advice}"),
            format!("hosts.mappings: nothing stands behind `mappings`, {advice}"),
        ]
    );
}

#[test]
fn a_protection_that_is_left_empty_is_an_error() {
    for (json, expected) in [
        (
            r#"{ "hosts": { "private": null } }"#,
            "hosts.private: expected a list, found nothing; write `[]`, or delete the line",
        ),
        (
            r#"{ "environments": { "default": "a", "allow": null } }"#,
            "environments.allow: expected a list, found nothing; write `[]`, or delete the line",
        ),
        (
            r#"{ "environments": { "default": "a", "sources": null } }"#,
            "environments.sources: expected a list, found nothing; write `[]`, or delete the line",
        ),
        (
            r#"{ "healthChecks": [{ "name": "a", "pass": {}, "match": null }] }"#,
            "healthChecks[0].match: expected an object, found nothing; write a value, or delete \
             the line",
        ),
    ] {
        assert_eq!(error(json), expected);
    }
    let condition = |condition: &str| {
        error(&format!(
            r#"{{ "healthChecks": [{{
              "name": "a", "pass": {{}},
              "match": {{ {condition}: null, "method": {{ "exact": "GET" }} }}
            }}] }}"#
        ))
    };
    for name in ["userAgent", "path", "host", "sources", "absentHeaders"] {
        let expected = format!("healthChecks[0].match.{name}: expected ");
        assert!(condition(&format!("{name:?}")).starts_with(&expected), "{name}");
    }
}

#[test]
fn both_parts_of_a_mapping_are_judged_at_once() {
    assert_eq!(
        errors(
            r#"{ "hosts": { "mappings": [
              { "host": "a..test", "authority": "a b" },
              { "host": "{x}.*.test", "authority": "{x}..svc" },
              { "host": "{x}.test:80", "authority": "{x}.{y}.svc" },
              { "host": "b.test", "authority": "b:x" },
              { "host": "B.test", "authority": "c" }
            ] } }"#
        ),
        [
            "hosts.mappings[0].host: `a..test` is no valid host pattern: it has an empty label",
            "hosts.mappings[0].authority: `a b` is no valid authority: it holds the byte ` `, \
             which no host has",
            "hosts.mappings[1].host: `{x}.*.test` is no valid host pattern: `*` may only be the \
             whole first label, as in `*.example.com`",
            "hosts.mappings[1].authority: `{x}..svc` is no valid template: it would give no valid \
             authority: it has an empty label",
            "hosts.mappings[2].host: `{x}.test:80` is no valid host pattern: it has a port, and \
             the port is ignored for matching; remove the port",
            "hosts.mappings[3].authority: `b:x` is no valid authority: its port is no number \
             from 0 to 65535",
            "hosts.mappings[4].host: `b.test` is already given at hosts.mappings[3].host",
        ]
    );
}

#[test]
fn the_names_of_entries_are_compared_even_where_the_rest_of_an_entry_is_wrong() {
    assert_eq!(
        errors(
            r#"{
              "healthChecks": [
                { "name": "a", "match": { "path": { "exact": "/" } }, "respond": { "status": 1 } },
                { "name": "a", "match": { "path": { "exact": "/" } }, "pass": {} }
              ],
              "environments": {
                "default": "e",
                "hints": { "headers": { "x-env": "{nv}" } }
              },
              "hosts": { "originalHost": "x-env" }
            }"#
        ),
        [
            "healthChecks[0].respond.status: 1 is no status code for a reply: 200 to 599",
            "healthChecks[1].name: `a` is already given at healthChecks[0].name",
            "environments.hints.headers.x-env: `{nv}` is no valid template: unknown placeholder \
             `{nv}`; did you mean `env`?",
            "hosts.originalHost: `x-env` is already given at environments.hints.headers",
        ]
    );
}

#[test]
fn a_misspelt_field_is_not_missing_as_well() {
    assert_eq!(
        errors_of(br#"{ "apiversion": "gatepost/v1" }"#),
        [".apiversion: unknown field `apiversion`; did you mean `apiVersion`?"
            .trim_start_matches('.')]
    );
    assert_eq!(
        errors(r#"{ "hosts": { "mappings": [{ "hosts": "a.test", "x": 1 }] } }"#),
        [
            "hosts.mappings[0].hosts: unknown field `hosts`; did you mean `host`?",
            "hosts.mappings[0].x: unknown field `x`; known here: host, authority",
            "hosts.mappings[0]: the field `authority` is missing",
        ]
    );
    assert_eq!(
        errors_of(br#"{ "zzzzzz": 1 }"#),
        [
            "zzzzzz: unknown field `zzzzzz`; known here: apiVersion, mode, healthChecks, strip, \
             environments, hosts",
            ".: this is not a policy of version `gatepost/v1`: apiVersion is missing; write \
             `apiVersion: gatepost/v1`",
        ]
    );
}

#[test]
fn a_text_in_place_of_an_object_or_a_list_is_answered_with_what_to_write() {
    for (json, expected) in [
        (
            r#"{ "healthChecks": [{ "name": "a", "pass": {}, "match": { "path": "/" } }] }"#,
            "write `{ exact: / }`",
        ),
        (
            r#"{ "healthChecks": [{ "name": "a", "match": { "path": { "exact": "/" } },
               "rewrite": "/healthz" }] }"#,
            "write `{ path: /healthz }`",
        ),
        (
            r#"{ "healthChecks": [{ "name": "a", "match": { "path": { "exact": "/" } },
               "respond": 200 }] }"#,
            "write `{ status: 200 }`",
        ),
        (r#"{ "environments": { "sources": ["env"] } }"#, "write `{ header: env }`"),
        (r#"{ "environments": { "default": "a", "allow": "a" } }"#, "write `[a]`"),
        (r#"{ "hosts": { "private": "*.svc" } }"#, "write `[\"*.svc\"]`"),
    ] {
        assert!(error(json).ends_with(expected), "{}", error(json));
    }
}
