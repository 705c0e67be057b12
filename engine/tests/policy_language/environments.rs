//! "An environment value is a DNS label, compared exactly after ASCII lower-casing. An absent or
//! empty value is no value, and the next source is asked; any other that is not allowed, however
//! malformed, is unknown. Two different values of one `env` header are unknown, never the first by
//! luck. When both an environment's `authority` hint and a host mapping apply, the hint of an
//! environment that the request named wins; a default's does not."
//!
//! And the other fields of `environments`; `sources.rs` has its sources.

use gatepost_engine::Policy;

use crate::vocabulary::{Arrival, Outcome, error, get, policy, request};

/// A policy with these environments, which writes the environment to `x-env`.
pub fn environments(fields: &str) -> Policy {
    policy(&format!(
        r#"{{ "environments": {{
          {fields},
          "hints": {{ "headers": {{ "x-env": "{{env}}" }} }}
        }} }}"#
    ))
}

fn by_header() -> Policy {
    environments(
        r#""sources": [{ "header": "env" }], "allow": ["env1", "env2"], "default": "env2""#,
    )
}

fn with_env(value: impl AsRef<[u8]>) -> Arrival {
    get("a.test").header("env", value)
}

#[track_caller]
fn is_unknown(outcome: &Outcome) {
    outcome
        .replies(404, "gatepost.environment.unknown")
        .says("unknown environment\n")
        .counts(&["gatepost.environment.rejected"]);
}

#[test]
fn a_value_is_compared_exactly_after_ascii_lower_casing() {
    for value in ["env1", "ENV1", "Env1", " env1\t"] {
        with_env(value)
            .decided_by(&by_header())
            .sets("x-env", "env1")
            .counts(&["gatepost.environment.selected"]);
    }
    for value in ["env", "env11", "env-1", "env1.", "xenv1", "env\u{ff11}"] {
        is_unknown(&with_env(value).decided_by(&by_header()));
    }
}

#[test]
fn an_absent_or_empty_value_is_no_value() {
    for request in [get("a.test"), with_env(""), with_env(" \t "), with_env("").header("env", "")] {
        request
            .decided_by(&by_header())
            .sets("x-env", "env2")
            .counts(&["gatepost.environment.default"]);
    }
}

#[test]
fn any_other_value_that_is_not_allowed_is_unknown_however_malformed() {
    let long = "a".repeat(60 * 1024);
    let values: [&[u8]; 10] = [
        b"env3",
        b"env1,env2",
        b"env1, env1",
        b"../env1",
        b"\xff",
        b"env1\0",
        b"{env}",
        b"-",
        b"env 1",
        long.as_bytes(),
    ];
    for value in values {
        is_unknown(&with_env(value).decided_by(&by_header()));
    }
}

#[test]
fn a_malformed_value_never_falls_through_to_the_next_source() {
    let policy =
        environments(r#""sources": [{ "header": "env" }, { "query": "env" }], "allow": ["env1"]"#);
    let request = request("GET", "a.test", "/?env=env1");
    request.decided_by(&policy).sets("x-env", "env1");
    request.clone().header("env", "").decided_by(&policy).sets("x-env", "env1");
    is_unknown(&request.clone().header("env", "nonsense").decided_by(&policy));
    is_unknown(&request.clone().header("env", "\u{a0}").decided_by(&policy));
}

#[test]
fn two_different_values_of_one_env_header_are_unknown() {
    is_unknown(&with_env("env1").header("env", "env2").decided_by(&by_header()));
    is_unknown(&with_env("env1").header("env", "nonsense").decided_by(&by_header()));
    is_unknown(
        &with_env("env1").header("env", "env2").header("env", "env1").decided_by(&by_header()),
    );
}

#[test]
fn equal_values_of_one_env_header_are_one_value() {
    with_env("env1")
        .header("env", "ENV1")
        .header("env", "")
        .decided_by(&by_header())
        .sets("x-env", "env1");
}

#[test]
fn two_different_values_of_one_cookie_parameter_or_baggage_member_are_unknown_too() {
    let policy = environments(
        r#""sources": [{ "cookie": "env" }, { "query": "env" }, { "baggage": "env" }]"#,
    );
    is_unknown(&get("a.test").header("cookie", "env=a; env=b").decided_by(&policy));
    is_unknown(
        &get("a.test").header("cookie", "env=a").header("cookie", "env=b").decided_by(&policy),
    );
    is_unknown(&request("GET", "a.test", "/?env=a&env=b").decided_by(&policy));
    is_unknown(&get("a.test").header("baggage", "env=a,env=b").decided_by(&policy));
}

const HINT_AND_MAPPING: &str = r#"{
  "environments": {
    "sources": [{ "header": "env" }],
    "allow": ["env1", "env2"],
    "default": "env1",
    "unknown": "default",
    "hints": { "authority": "app.{env}.svc" }
  },
  "hosts": { "mappings": [{ "host": "shop.test", "authority": "shop.svc" }] }
}"#;

#[test]
fn the_hint_of_an_environment_that_the_request_named_wins_over_a_mapping() {
    let request = get("shop.test").header("env", "env2");
    request
        .decided_by(&policy(HINT_AND_MAPPING))
        .forwards_authority("app.env2.svc")
        .counts(&["gatepost.environment.selected"]);
}

#[test]
fn naming_the_default_environment_is_naming_one() {
    get("shop.test")
        .header("env", "env1")
        .decided_by(&policy(HINT_AND_MAPPING))
        .forwards_authority("app.env1.svc");
}

#[test]
fn the_hint_of_a_default_does_not_win_over_a_mapping() {
    let policy = policy(HINT_AND_MAPPING);
    get("shop.test")
        .decided_by(&policy)
        .forwards_authority("shop.svc")
        .counts(&["gatepost.environment.default", "gatepost.host.mapped"]);
    get("shop.test")
        .header("env", "nonsense")
        .decided_by(&policy)
        .forwards_authority("shop.svc")
        .counts(&["gatepost.environment.unknown", "gatepost.host.mapped"]);
}

#[test]
fn the_hint_of_a_default_serves_a_host_that_no_mapping_knows() {
    get("other.test").decided_by(&policy(HINT_AND_MAPPING)).forwards_authority("app.env1.svc");
}

#[test]
fn allow_omitted_means_any_dns_label() {
    let policy = environments(r#""sources": [{ "header": "env" }]"#);
    let longest = "a".repeat(63);
    for value in ["pr-123", "7", "A", longest.as_str()] {
        with_env(value).decided_by(&policy).sets("x-env", &value.to_ascii_lowercase());
    }
    for value in ["-a", "a-", "a_b", "a.b", "\u{e9}", "a".repeat(64).as_str()] {
        is_unknown(&with_env(value).decided_by(&policy));
    }
}

#[test]
fn an_empty_allow_list_allows_nothing() {
    let policy = environments(r#""sources": [{ "header": "env" }], "allow": []"#);
    is_unknown(&with_env("env1").decided_by(&policy));
}

#[test]
fn aliases_are_written_by_people_and_mean_an_environment() {
    let policy = environments(
        r#"
          "sources": [{ "header": "env" }],
          "allow": ["env2"],
          "aliases": { "stg": "env2", "Staging": "ENV2" }
        "#,
    );
    for value in ["stg", "STG", "staging", "env2"] {
        with_env(value)
            .decided_by(&policy)
            .sets("x-env", "env2")
            .counts(&["gatepost.environment.selected"]);
    }
}

#[test]
fn an_alias_hides_the_environment_of_its_name() {
    let policy = environments(
        r#"
          "sources": [{ "header": "env" }],
          "allow": ["env1", "env2"],
          "aliases": { "env1": "env2" },
          "default": "env1"
        "#,
    );
    with_env("env1").decided_by(&policy).sets("x-env", "env2");
    get("a.test").decided_by(&policy).sets("x-env", "env2");
}

#[test]
fn aliases_are_not_followed_twice() {
    let policy =
        environments(r#""sources": [{ "header": "env" }], "aliases": { "a": "b", "b": "c" }"#);
    with_env("a").decided_by(&policy).sets("x-env", "b");
}

#[test]
fn an_alias_and_a_default_must_name_an_allowed_environment() {
    let alias = r#"{ "environments": {
      "sources": [{ "header": "env" }],
      "allow": ["env1"],
      "aliases": { "stg": "env2" }
    } }"#;
    assert!(error(alias).starts_with(
        "environments.aliases.stg: the environment `env2` is not in `environments.allow`"
    ));
    let default = r#"{ "environments": { "allow": ["env1"], "default": "env2" } }"#;
    assert!(error(default).starts_with(
        "environments.default: the environment `env2` is not in `environments.allow`"
    ));
}

#[test]
fn without_a_default_there_is_no_hint() {
    let policy = environments(r#""sources": [{ "header": "env" }]"#);
    get("a.test").decided_by(&policy).is_unchanged().counts(&[]);
    get("a.test").header("x-env", "forged").decided_by(&policy).removes("x-env").counts(&[]);
}

#[test]
fn unknown_reject_answers_404_and_is_what_an_omitted_field_means() {
    for unknown in ["", r#", "unknown": "reject""#] {
        let policy = environments(&format!(
            r#""sources": [{{ "header": "env" }}], "allow": ["env1"], "default": "env1"{unknown}"#
        ));
        is_unknown(&with_env("nonsense").decided_by(&policy));
    }
}

#[test]
fn unknown_default_gives_the_default() {
    let policy = environments(
        r#"
          "sources": [{ "header": "env" }, { "subdomain": "{env}.dev.test" }],
          "allow": ["env1"],
          "default": "env1",
          "unknown": "default"
        "#,
    );
    with_env("nonsense")
        .decided_by(&policy)
        .sets("x-env", "env1")
        .counts(&["gatepost.environment.unknown"]);
    get("nonsense.dev.test")
        .decided_by(&policy)
        .forwards_authority("dev.test")
        .sets("x-env", "env1");
}

#[test]
fn unknown_ignore_goes_on_without_an_environment_and_without_the_default() {
    let policy = environments(
        r#"
          "sources": [{ "header": "env" }, { "subdomain": "{env}.dev.test" }],
          "allow": ["env1"],
          "default": "env1",
          "unknown": "ignore"
        "#,
    );
    with_env("nonsense")
        .decided_by(&policy)
        .is_unchanged()
        .counts(&["gatepost.environment.unknown"]);
    with_env("nonsense").header("x-env", "env1").decided_by(&policy).removes("x-env");
    get("nonsense.dev.test").decided_by(&policy).is_unchanged();
}

#[test]
fn unknown_default_needs_a_default() {
    let json = r#"{ "environments": { "sources": [{ "header": "env" }], "unknown": "default" } }"#;
    assert!(
        error(json)
            .starts_with("environments.unknown: `unknown: default` needs `environments.default`")
    );
}

#[test]
fn environments_that_nothing_can_select_are_an_error() {
    assert!(
        error(r#"{ "environments": { "allow": ["env1"] } }"#)
            .contains("no environment can ever be selected")
    );
}

#[test]
fn the_hint_may_be_the_header_that_names_the_environment() {
    let policy = policy(
        r#"{ "environments": {
          "sources": [{ "header": "env" }],
          "hints": { "headers": { "env": "{env}" } }
        } }"#,
    );
    with_env("ENV1").decided_by(&policy).sets("env", "env1");
    with_env("env1").decided_by(&policy).is_unchanged();
    with_env("env1").header("env", "env1").decided_by(&policy).sets("env", "env1");
}

#[test]
fn first_middle_and_last_of_ten_thousand_environments_are_all_found() {
    let allow: Vec<String> = (0..10_000).map(|n| format!(r#""env{n}""#)).collect();
    let aliases: Vec<String> = (0..10_000).map(|n| format!(r#""e{n}": "env{n}""#)).collect();
    let policy = environments(&format!(
        r#""sources": [{{ "header": "env" }}], "allow": [{}], "aliases": {{ {} }}"#,
        allow.join(","),
        aliases.join(",")
    ));
    for n in [0, 1, 4_999, 5_000, 9_998, 9_999] {
        with_env(format!("env{n}")).decided_by(&policy).sets("x-env", &format!("env{n}"));
        with_env(format!("E{n}")).decided_by(&policy).sets("x-env", &format!("env{n}"));
    }
    is_unknown(&with_env("env10000").decided_by(&policy));
}

#[test]
fn an_unmapped_host_is_refused_even_where_a_hint_would_apply() {
    let policy = policy(
        r#"{
          "environments": {
            "sources": [{ "header": "env" }],
            "hints": { "authority": "app.{env}.svc" }
          },
          "hosts": {
            "unmapped": "reject",
            "mappings": [{ "host": "a.test", "authority": "b.svc" }]
          }
        }"#,
    );
    get("other.test")
        .header("env", "env1")
        .decided_by(&policy)
        .replies(404, "gatepost.host.unmapped");
    get("a.test").header("env", "env1").decided_by(&policy).forwards_authority("app.env1.svc");
}

#[test]
fn a_default_may_be_an_alias_and_means_its_environment() {
    let policy = environments(
        r#""sources": [{ "header": "env" }], "aliases": { "stg": "env2" }, "default": "stg""#,
    );
    get("a.test").decided_by(&policy).sets("x-env", "env2");
    with_env("stg").decided_by(&policy).sets("x-env", "env2");
}

/// Previews that come and go, beside two environments that stay.
fn previews() -> Policy {
    environments(
        r#""sources": [{ "header": "env" }],
           "allow": ["prod", "pr-*", "*-canary", "pr-7"],
           "aliases": { "live": "prod", "pr-1": "prod", "newest": "pr-99" },
           "default": "pr-0""#,
    )
}

#[test]
fn a_star_in_a_name_stands_for_one_or_more_letters_digits_and_hyphens() {
    for (value, environment) in
        [("pr-17", "pr-17"), ("PR-Fix-x", "pr-fix-x"), ("eu-canary", "eu-canary"), ("pr-7", "pr-7")]
    {
        with_env(value)
            .decided_by(&previews())
            .sets("x-env", environment)
            .counts(&["gatepost.environment.selected"]);
    }
    for value in ["pr-", "pr", "kube-system", "-canary", "pr-a.b", "pr-a_b", "pr-1-", "xpr-1", "*"]
    {
        is_unknown(&with_env(value).decided_by(&previews()));
    }
    is_unknown(&with_env("pr-".to_owned() + &"a".repeat(61)).decided_by(&previews()));
    let longest = "pr-".to_owned() + &"a".repeat(60);
    with_env(&longest).decided_by(&previews()).sets("x-env", &longest);
}

#[test]
fn an_alias_wins_over_a_pattern_and_its_target_and_the_default_may_be_names_of_a_pattern() {
    for (value, environment) in [("pr-1", "prod"), ("newest", "pr-99"), ("live", "prod")] {
        with_env(value).decided_by(&previews()).sets("x-env", environment);
    }
    get("a.test").decided_by(&previews()).sets("x-env", "pr-0");
}

#[test]
fn what_is_no_pattern_of_names_says_why() {
    let allow = |entry: &str| {
        error(&format!(r#"{{ "environments": {{ "default": "a", "allow": ["a", "{entry}"] }} }}"#))
    };
    for (entry, reason) in [
        ("*", "`*` alone allows every name; omit `allow` for that"),
        ("a*b*", "it has more than one `*`"),
        ("a_*", "it may hold a-z, 0-9, `-` and one `*`"),
        ("-*", "no name begins or ends with `-`"),
    ] {
        assert_eq!(
            allow(entry),
            format!("environments.allow[1]: `{entry}` is no valid pattern of names: {reason}")
        );
    }
    assert_eq!(
        error(r#"{ "environments": { "default": "pr-1", "allow": ["pr-*", "x", "PR-*"] } }"#),
        "environments.allow[2]: `pr-*` is already given at environments.allow[0]"
    );
    assert_eq!(
        error(
            r#"{ "environments": {
              "default": "pr-1", "allow": ["pr-*"], "aliases": { "x": "kube-system" }
            } }"#
        ),
        "environments.aliases.x: the environment `kube-system` is not in `environments.allow`; add \
         it to the list, or name an environment of the list"
    );
}

#[test]
fn an_open_environment_in_an_authority_is_a_warning() {
    let warnings = |json: &str| -> Vec<String> {
        policy(json).warnings().iter().map(ToString::to_string).collect()
    };
    let advice = "any client may put any name in the place of `{env}`, such as `kube-system`; list \
                  the environments in `environments.allow`; a name there may hold one `*`, as in \
                  `pr-*`";
    let hint = r#""hints": { "authority": "app.{env}.svc" }"#;
    let source = r#""sources": [{ "header": "env" }]"#;
    assert_eq!(
        warnings(&format!(r#"{{ "environments": {{ {source}, {hint} }} }}"#)),
        [format!("environments.hints.authority: {advice}")]
    );
    assert_eq!(
        warnings(&format!(
            r#"{{
              "environments": {{ {source} }},
              "hosts": {{ "mappings": [
                {{ "host": "b.test", "authority": "b.svc" }},
                {{ "host": "a.test", "authority": "a.{{env}}.svc" }}
              ] }}
            }}"#
        )),
        [format!("hosts.mappings[1].authority: {advice}")]
    );
    let header = r#""hints": { "headers": { "x-env": "{env}" } }"#;
    for closed in [
        format!(r#""allow": ["pr-*"], {source}, {hint}"#),
        format!(r#""default": "prod", {hint}"#),
        format!("{source}, {header}"),
    ] {
        assert_eq!(warnings(&format!(r#"{{ "environments": {{ {closed} }} }}"#)), [""; 0]);
    }
}
