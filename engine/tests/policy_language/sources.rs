//! "An absent or empty value is no value, and the next source is asked": the field
//! `environments.sources`, with each kind of source.

use crate::environments::environments;
use crate::vocabulary::{get, policy, request};

#[test]
fn sources_are_tried_in_order_and_the_first_that_yields_a_value_wins() {
    let policy = environments(
        r#"
          "sources": [
            { "header": "env" },
            { "cookie": "env" },
            { "query": "env" },
            { "baggage": "env" },
            { "subdomain": "{env}.dev.test" }
          ]
        "#,
    );
    let all = request("GET", "e.dev.test", "/?env=c")
        .header("baggage", "env=d")
        .header("cookie", "env=b")
        .header("env", "a");
    for (expected, gone) in
        [("a", "env"), ("b", "cookie"), ("c", ":path"), ("d", "baggage"), ("e", "")]
    {
        let mut request = all.clone();
        let earlier = ["env", "cookie", ":path", "baggage"];
        let cut = earlier.iter().position(|name| *name == gone).unwrap_or(earlier.len());
        request.headers.retain(|(name, _)| {
            !earlier[..cut].iter().any(|earlier| earlier.as_bytes() == name.as_slice())
        });
        request.decided_by(&policy).sets("x-env", expected);
    }
}

#[test]
fn every_header_that_is_a_source_is_read_and_not_only_the_first() {
    let policy = environments(r#""sources": [{ "header": "env" }, { "header": "x-preview" }]"#);
    get("a.test").header("x-preview", "b").decided_by(&policy).sets("x-env", "b");
    get("a.test")
        .header("x-preview", "b")
        .header("env", "a")
        .decided_by(&policy)
        .sets("x-env", "a");
    get("a.test")
        .header("env", "")
        .header("env", " ")
        .header("x-preview", "b")
        .decided_by(&policy)
        .sets("x-env", "b");
    get("a.test").header("env", "a").header("env", "A").decided_by(&policy).sets("x-env", "a");
}

#[test]
fn a_header_that_every_policy_reads_may_be_a_source() {
    let policy = environments(r#""sources": [{ "header": "user-agent" }]"#);
    get("a.test").header("user-agent", "pr-1").decided_by(&policy).sets("x-env", "pr-1");
    get("a.test").decided_by(&policy).is_unchanged();
}

#[test]
fn a_cookie_names_the_environment() {
    let policy = environments(r#""sources": [{ "cookie": "env" }]"#);
    for cookie in
        ["env=pr-1", "theme=dark; env=pr-1", "xenv=no;env=\"pr-1\"; envx=no", "env=; env=pr-1"]
    {
        get("a.test").header("cookie", cookie).decided_by(&policy).sets("x-env", "pr-1");
    }
    get("a.test").header("cookie", "a=env=pr-1").decided_by(&policy).is_unchanged();
}

#[test]
fn a_query_parameter_names_the_environment() {
    let policy = environments(r#""sources": [{ "query": "env" }]"#);
    for path in ["/?env=pr-1", "/a/b?x=y&env=pr-1&env=", "/?a=?&env=pr-1"] {
        request("GET", "a.test", path)
            .decided_by(&policy)
            .sets("x-env", "pr-1")
            .forwards_path(path);
    }
    for path in ["/", "/env=pr-1", "/?xenv=pr-1", "/?env", "/?env="] {
        request("GET", "a.test", path).decided_by(&policy).is_unchanged();
    }
}

#[test]
fn a_w3c_baggage_member_names_the_environment() {
    let policy = environments(r#""sources": [{ "baggage": "env" }]"#);
    for baggage in ["env=pr-1", "userId=alice, env = pr-1 ;ttl=30", "env=pr-1;env=no"] {
        get("a.test").header("baggage", baggage).decided_by(&policy).sets("x-env", "pr-1");
    }
    get("a.test").header("baggage", "a=b;env=pr-1").decided_by(&policy).is_unchanged();
}

#[test]
fn a_subdomain_names_the_environment_and_the_host_is_shortened() {
    let policy = environments(r#""sources": [{ "subdomain": "{env}.dev.example.com" }]"#);
    get("Env1.dev.example.com.:8443")
        .decided_by(&policy)
        .forwards_authority("dev.example.com:8443")
        .sets("x-env", "env1");
    for host in ["dev.example.com", "a.env1.dev.example.com", "env1.prod.example.com"] {
        get(host).decided_by(&policy).is_unchanged();
    }
}

#[test]
fn a_shortened_host_is_what_mappings_see() {
    let policy = policy(
        r#"{
          "environments": { "sources": [{ "subdomain": "{env}.dev.test" }] },
          "hosts": {
            "mappings": [{ "host": "dev.test", "authority": "app.{env}.svc" }],
            "originalHost": "x-forwarded-host"
          }
        }"#,
    );
    get("pr-1.dev.test")
        .decided_by(&policy)
        .forwards_authority("app.pr-1.svc")
        .sets("x-forwarded-host", "pr-1.dev.test");
}

#[test]
fn a_private_host_is_refused_before_and_after_shortening() {
    let policy = policy(
        r#"{
          "environments": { "sources": [
            { "subdomain": "{env}.admin.test" },
            { "subdomain": "*.{env}.dev.test" }
          ] },
          "hosts": { "private": ["admin.test", "secret.dev.dev.test", "x.dev.test"] }
        }"#,
    );
    for host in ["admin.test", "env1.admin.test", "secret.dev.dev.test", "x.env1.dev.test"] {
        get(host).decided_by(&policy).replies(404, "gatepost.host.private");
    }
}

#[test]
fn only_the_source_that_names_the_environment_shortens_the_host() {
    let policy =
        environments(r#""sources": [{ "header": "env" }, { "subdomain": "{env}.dev.test" }]"#);
    let request = get("env2.dev.test").header("env", "env1");
    request.decided_by(&policy).forwards_authority("env2.dev.test").sets("x-env", "env1");
}

#[test]
fn the_value_of_a_baggage_member_is_percent_decoded() {
    let policy = environments(r#""sources": [{ "baggage": "env" }]"#);
    for baggage in ["env=pr%2D1", "env=%70%72%2d1;ttl=30", "env=pr-1, env=pr%2D1", "env=%20pr-1"] {
        get("a.test").header("baggage", baggage).decided_by(&policy).sets("x-env", "pr-1");
    }
    for baggage in ["env=pr%", "env=pr%2", "env=pr%zz", "env=a%2Cenv%3Db", "env=pr%2D1,env=pr-2"] {
        get("a.test")
            .header("baggage", baggage)
            .decided_by(&policy)
            .replies(404, "gatepost.environment.unknown");
    }
}

#[test]
fn no_other_source_is_percent_decoded() {
    let policy = environments(
        r#""sources": [{ "header": "env" }, { "cookie": "env" }, { "query": "env" }]"#,
    );
    for request in [
        get("a.test").header("env", "pr%2D1"),
        get("a.test").header("cookie", "env=pr%2D1"),
        request("GET", "a.test", "/?env=pr%2D1"),
    ] {
        request.decided_by(&policy).replies(404, "gatepost.environment.unknown");
    }
}
