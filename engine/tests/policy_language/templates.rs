//! "Templates put captures, `{env}` and `{host}` into an authority or a header value. An unknown
//! placeholder is a compile error. Only validated labels are substituted, so a result is always a
//! valid host."

use crate::vocabulary::{error, get, policy};

#[test]
fn a_capture_goes_into_the_authority_of_its_mapping() {
    let policy = policy(
        r#"{ "hosts": { "mappings": [
          {
            "host": "{service}.mesh.private",
            "authority": "{service}.default.svc.cluster.local:8000"
          },
          { "host": "{a}.{b}.swap.test", "authority": "{b}-{a}.{a}.test" }
        ] } }"#,
    );
    get("Ads.mesh.private.")
        .decided_by(&policy)
        .forwards_authority("ads.default.svc.cluster.local:8000");
    get("x.y.swap.test").decided_by(&policy).forwards_authority("y-x.x.test");
}

#[test]
fn the_environment_goes_into_authorities_and_header_values() {
    let policy = policy(
        r#"{
          "environments": {
            "sources": [{ "header": "env" }],
            "hints": { "headers": { "x-env": "env={env}; v=1" } }
          },
          "hosts": { "mappings": [{
            "host": "{service}.test",
            "authority": "{service}.{env}.svc.cluster.local"
          }] }
        }"#,
    );
    get("ads.test")
        .header("env", "ENV1")
        .decided_by(&policy)
        .forwards_authority("ads.env1.svc.cluster.local")
        .sets("x-env", "env=env1; v=1");
}

#[test]
fn a_mapping_that_needs_an_environment_does_not_apply_without_one() {
    let policy = policy(
        r#"{
          "environments": { "sources": [{ "header": "env" }] },
          "hosts": { "mappings": [
            { "host": "{service}.test", "authority": "{service}.{env}.svc.cluster.local" },
            { "host": "*.test", "authority": "never.asked" }
          ] }
        }"#,
    );
    get("ads.test").decided_by(&policy).is_unchanged().counts(&["gatepost.host.unmapped"]);
}

#[test]
fn the_host_goes_into_authorities_and_header_values_without_its_port() {
    let policy = policy(
        r#"{
          "environments": {
            "default": "prod",
            "hints": { "headers": { "x-key": "{env}/{host}" } }
          },
          "hosts": { "mappings": [{ "host": "*.test", "authority": "{host}.internal" }] }
        }"#,
    );
    get("A.test.:443")
        .decided_by(&policy)
        .forwards_authority("a.test.internal")
        .sets("x-key", "prod/a.test");
}

#[test]
fn a_capture_hides_the_placeholder_of_its_name() {
    let policy = policy(
        r#"{
          "environments": { "default": "prod" },
          "hosts": { "mappings": [{
            "host": "{env}.{host}.test",
            "authority": "{host}.{env}.svc"
          }] }
        }"#,
    );
    get("a.b.test").decided_by(&policy).forwards_authority("b.a.svc");
}

#[test]
fn a_value_without_placeholders_is_set_for_every_environment() {
    let policy = policy(
        r#"{ "environments": {
          "default": "prod",
          "hints": { "headers": { "x-edge": "gatepost" } }
        } }"#,
    );
    get("a.test").decided_by(&policy).sets("x-edge", "gatepost");
}

#[test]
fn an_unknown_placeholder_is_a_compile_error_that_names_the_nearest_known_one() {
    let in_mapping = r#"{ "hosts": { "mappings": [{
      "host": "{service}.test",
      "authority": "{servcie}.svc"
    }] } }"#;
    assert_eq!(
        error(in_mapping),
        "hosts.mappings[0].authority: `{servcie}.svc` is no valid template: unknown placeholder \
         `{servcie}`; did you mean `service`?"
    );
    let in_header =
        r#"{ "environments": { "default": "a", "hints": { "headers": { "x-env": "{enw}" } } } }"#;
    assert_eq!(
        error(in_header),
        "environments.hints.headers.x-env: `{enw}` is no valid template: unknown placeholder \
         `{enw}`; did you mean `env`?"
    );
    let in_hint =
        r#"{ "environments": { "default": "a", "hints": { "authority": "{service}.svc" } } }"#;
    assert!(error(in_hint).starts_with("environments.hints.authority: "), "{}", error(in_hint));
}

#[test]
fn braces_without_a_partner_are_a_compile_error() {
    for template in ["a.{env", "a.env}", "{{env}}"] {
        let json = format!(
            r#"{{ "environments": {{
              "default": "a",
              "hints": {{ "authority": "{template}" }}
            }} }}"#
        );
        assert!(error(&json).contains("a `{` or `}` has no partner"), "{}", error(&json));
    }
}

#[test]
fn an_environment_in_a_mapping_of_a_policy_without_environments_is_a_compile_error() {
    let json = r#"{ "hosts": { "mappings": [{ "host": "a.test", "authority": "{env}.test" }] } }"#;
    assert_eq!(
        error(json),
        "hosts.mappings[0].authority: `{env}` has no value: the policy has no `environments`; add \
         `environments`, or remove the placeholder"
    );
}

#[test]
fn a_template_that_never_gives_a_valid_authority_is_a_compile_error() {
    for template in
        ["{service}..svc", "{service}:http", "{service}/x", "{service}@svc", "a:{service}"]
    {
        let json = format!(
            r#"{{ "hosts": {{ "mappings": [{{
              "host": "{{service}}.test",
              "authority": "{template}"
            }}] }} }}"#
        );
        assert!(error(&json).contains("it would give no valid authority"), "{}", error(&json));
    }
}

#[test]
fn a_result_that_grows_beyond_what_a_host_may_be_is_refused_and_never_sent() {
    let policy = policy(
        r#"{ "hosts": { "mappings": [{ "host": "{a}.{b}.test", "authority": "{a}{b}.test" }] } }"#,
    );
    let (half, whole) = ("a".repeat(32), "b".repeat(63));
    get(format!("{}.x.test", &whole[..62])).decided_by(&policy).counts(&["gatepost.host.mapped"]);
    get(format!("{half}.{half}.test"))
        .decided_by(&policy)
        .replies(400, "gatepost.host.unmappable")
        .counts(&["gatepost.host.invalid"]);
}

#[test]
fn the_literal_text_of_a_template_is_brought_to_normal_form() {
    let policy = policy(
        r#"{ "hosts": { "mappings": [
          { "host": "{s}.a.test", "authority": "{s}.Default.SVC.:0080" },
          { "host": "b.test", "authority": "B.SVC.:" }
        ] } }"#,
    );
    get("x.a.test").decided_by(&policy).forwards_authority("x.default.svc:80");
    get("b.test").decided_by(&policy).forwards_authority("b.svc");
}

#[test]
fn an_ipv6_literal_where_a_label_should_stand_is_refused_and_never_sent() {
    let policy = policy(
        r#"{ "environments": { "default": "prod", "hints": { "authority": "{env}.{host}" } } }"#,
    );
    get("[::1]:80")
        .decided_by(&policy)
        .replies(400, "gatepost.host.unmappable")
        .counts(&["gatepost.environment.default", "gatepost.host.invalid"]);
    get("10.0.0.1").decided_by(&policy).forwards_authority("prod.10.0.0.1");
}

#[test]
fn the_host_is_the_one_that_a_subdomain_source_left() {
    let policy = policy(
        r#"{ "environments": {
          "sources": [{ "subdomain": "{env}.dev.test" }],
          "hints": { "headers": { "x-key": "{env}/{host}" } }
        } }"#,
    );
    get("Env1.dev.test.:80").decided_by(&policy).sets("x-key", "env1/dev.test");
}
