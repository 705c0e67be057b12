//! What a policy's decisions write, as a gateway's routes need it.

use gatepost_engine::{Results, WrittenText, compile_json};

fn results(policy: &str) -> Results {
    compile_json(policy.as_bytes()).expect(policy).results()
}

fn patterns(texts: &[WrittenText]) -> Vec<String> {
    texts.iter().map(WrittenText::pattern).collect()
}

#[test]
fn a_rewriting_check_gives_its_authority_and_path() {
    let results = results(
        r#"{"apiVersion": "gatepost/v1", "healthChecks": [
            {"name": "a", "match": {"path": {"exact": "/"}},
             "rewrite": {"authority": "Status.Example:15021", "path": "/ready"}},
            {"name": "b", "match": {"path": {"exact": "/b"}}, "respond": {"status": 200}},
            {"name": "c", "match": {"path": {"exact": "/c"}}, "pass": {}},
            {"name": "d", "match": {"path": {"exact": "/d"}}, "rewrite": {"path": "/up"}}
        ]}"#,
    );
    let seen: Vec<_> = results
        .rewrites
        .iter()
        .map(|rewrite| (&*rewrite.check, rewrite.authority.as_deref(), rewrite.path.as_deref()))
        .collect();
    let expected = [("a", Some("status.example:15021"), Some("/ready")), ("d", None, Some("/up"))];
    assert_eq!(seen, expected);
    assert!(results.environments.is_none() && results.mapped.is_empty());
    assert!(!results.has_private_hosts);
}

#[test]
fn environments_are_those_that_a_request_can_mean() {
    let results = results(
        r#"{"apiVersion": "gatepost/v1", "environments": {
            "sources": [{"header": "env"}], "allow": ["Env2", "env1", "pr-*"],
            "aliases": {"stg": "env2", "live": "pr-9"}, "default": "env1",
            "hints": {
                "headers": {"x-env": "{env}", "x-cluster": "outbound|80||{env}.svc"},
                "authority": "app.{env}.svc:080"
            }
        }}"#,
    );
    let environments = results.environments.expect("environments");
    assert_eq!(environments.names, ["env1", "env2", "pr-9"]);
    assert!(environments.is_open);
    let authority = environments.authority.expect("an authority");
    assert_eq!(authority.for_environment("env1").as_deref(), Some("app.env1.svc:80"));
    assert_eq!((authority.pattern().as_str(), authority.literal()), ("app.*.svc:80", None));
    let headers: Vec<_> = environments
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.for_environment("env1")))
        .collect();
    assert_eq!(
        headers,
        [
            ("x-env", Some("env1".to_owned())),
            ("x-cluster", Some("outbound|80||env1.svc".to_owned())),
        ]
    );
}

#[test]
fn a_default_without_sources_is_the_only_environment() {
    let results = results(
        r#"{"apiVersion": "gatepost/v1", "environments": {
            "default": "live", "hints": {"authority": "{env}.{host}"}
        }}"#,
    );
    let environments = results.environments.expect("environments");
    assert_eq!((environments.names, environments.is_open), (vec!["live".to_owned()], false));
    let authority = environments.authority.expect("an authority");
    // It depends on the host as well.
    assert_eq!(authority.for_environment("live"), None);
    assert_eq!(authority.pattern(), "*.*");
}

#[test]
fn mapped_authorities_come_once_and_sorted() {
    let results = results(
        r#"{"apiVersion": "gatepost/v1", "hosts": {
            "private": ["*.svc"],
            "mappings": [
                {"host": "b.test", "authority": "shop.internal"},
                {"host": "{service}.mesh", "authority": "{service}.default.svc"},
                {"host": "*.c.test", "authority": "shop.internal"},
                {"host": "a.test", "authority": "Blog.internal:"}
            ]
        }}"#,
    );
    let expected = ["*.default.svc", "blog.internal", "shop.internal"];
    assert_eq!(patterns(&results.mapped), expected);
    assert!(results.has_private_hosts);
}

#[test]
fn a_policy_is_of_probes_alone_when_it_changes_no_clients_request() {
    let checks =
        r#""healthChecks": [{"name": "a", "match": {"path": {"exact": "/"}}, "pass": {}}]"#;
    let of = |rest: &str| {
        results(&format!(r#"{{"apiVersion": "gatepost/v1", {checks}{rest}}}"#)).is_of_probes_alone
    };
    assert!(of("") && of(r#", "hosts": {"unmapped": "pass", "port": "keep"}"#));
    for rest in [
        r#", "strip": ["x-a"]"#,
        r#", "environments": {
            "sources": [{"header": "env"}], "hints": {"headers": {"x-e": "{env}"}}}"#,
        r#", "hosts": {"private": ["*.svc"]}"#,
        r#", "hosts": {"mappings": [{"host": "a.test", "authority": "b.test"}]}"#,
        r#", "hosts": {"port": "strip"}"#,
        r#", "hosts": {"unmapped": "reject"}"#,
    ] {
        assert!(!of(rest), "{rest}");
    }
}
