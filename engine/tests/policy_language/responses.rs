//! - `hosts.responses: restore`, the default: where the authority that went upstream is not the
//!   client's, responses that name it name the client's host again.
//! - Only this request's own host is ever written; everything else stays, to the byte.
//! - Health checks' responses are left alone.

use gatepost_engine::{ChangedHeader, Changes, Owed, Policy, Request};
use proptest::prelude::*;

use crate::vocabulary::{Arrival, get, policy};

const POLICY: &str = r#"{
  "healthChecks": [{
    "name": "gclb",
    "match": { "userAgent": { "prefix": "GoogleHC" } },
    "rewrite": { "authority": "ready.internal" }
  }],
  "environments": {
    "sources": [{ "header": "env" }, { "subdomain": "{env}.dev.example" }],
    "allow": ["env1"],
    "vary": "keep",
    "unknown": "ignore",
    "hints": { "authority": "app.{env}.svc:50051" }
  },
  "hosts": {
    "port": "strip",
    "mappings": [
      { "host": "shop.test", "authority": "shop.example" },
      { "host": "*.shop.test", "authority": "stores.example" },
      { "host": "{name}.mesh.private", "authority": "{name}.default.example" }
    ]
  }
}"#;

/// What the response to a request owes.
fn owed(policy: &Policy, request: &Arrival) -> Option<Owed> {
    let headers = request.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
    let owed = policy.decide(&Request { headers, source: &None }).owed;
    (!owed.is_empty()).then_some(owed)
}

/// The lines of a header that change, as they are to be.
fn changed(owed: &Owed, name: &'static str, lines: &[&[u8]]) -> Option<Vec<String>> {
    let headers = lines.iter().map(|line| (name.as_bytes(), *line));
    let changes = owed.changes(&headers).headers;
    assert!(changes.iter().all(|change| change.name == name), "{changes:?}");
    let lines = changes.into_iter().next()?.lines;
    Some(lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect())
}

fn location(owed: &Owed, url: &str) -> Option<String> {
    changed(owed, "location", &[url.as_bytes()]).map(|lines| lines.concat())
}

#[test]
fn every_way_to_write_another_authority_is_owed_for() {
    let policy = policy(POLICY);
    for (client, environment, upstream) in [
        ("shop.test", None, "shop.example"),
        ("Eu.Shop.test.", None, "stores.example"),
        ("ads.mesh.private", None, "ads.default.example"),
        ("other.test", Some("env1"), "app.env1.svc:50051"),
        ("env1.dev.example", None, "app.env1.svc:50051"),
        ("other.test:8443", None, "other.test"),
    ] {
        let mut request = get(client);
        if let Some(environment) = environment {
            request = request.header("env", environment);
        }
        let owed = owed(&policy, &request).expect(client);
        let restored = location(&owed, &format!("https://{upstream}/login"));
        assert_eq!(restored, Some(format!("https://{client}/login")));
    }
}

#[test]
fn nothing_is_owed_for_what_goes_on_under_its_own_name() {
    let policy = policy(POLICY);
    assert_eq!(owed(&policy, &get("other.test")), None);
    assert_eq!(owed(&policy, &get("Other.Test.")), None, "only its normal form");
    assert_eq!(owed(&policy, &get("shop.test").header("user-agent", "GoogleHC/1.0")), None);
    assert_eq!(owed(&policy, &get("a b")), None);
}

#[test]
fn responses_are_kept_where_the_policy_says_so() {
    let kept = policy(&POLICY.replace(r#""port""#, r#""responses": "keep", "port""#));
    assert_eq!(owed(&kept, &get("shop.test")), None);
    let error = crate::vocabulary::error(r#"{ "hosts": { "responses": "drop" } }"#);
    assert_eq!(error, "hosts.responses: `drop` is no choice here; known here: restore, keep");
}

#[test]
fn the_clients_port_follows_the_scheme_by_which_it_came() {
    let policy = policy(POLICY);
    let came = |scheme: &str| get("shop.test:8443").header("x-forwarded-proto", scheme);
    let owed = |scheme: &str| owed(&policy, &came(scheme)).expect("mapped");
    let https = "https://shop.example/";
    assert_eq!(location(&owed("https"), https).as_deref(), Some("https://shop.test:8443/"));
    assert_eq!(location(&owed("http"), https).as_deref(), Some("https://shop.test/"));
    assert_eq!(location(&owed("gopher"), https).as_deref(), Some("https://shop.test/"));
}

#[test]
fn one_line_of_many_changes_and_the_others_stay() {
    let owed = owed(&policy(POLICY), &get("shop.test")).expect("mapped");
    let lines: [&[u8]; 3] = [b"a=\xff; Path=/", b"b=2; Domain=shop.example", b"c=3"];
    let headers = lines.iter().map(|line| (&b"set-cookie"[..], *line));
    let changed = ChangedHeader {
        name: "set-cookie",
        lines: vec![lines[0].to_vec(), b"b=2; Domain=shop.test".to_vec(), lines[2].to_vec()],
        replaces: true,
    };
    let changes = Changes { headers: vec![changed], is_restored: true };
    assert_eq!(owed.changes(&headers), changes);
}

/// Values that are near to what is restored.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(vec![
        "http:",
        "https:",
        "HTTPS:",
        "//",
        "/",
        "shop.example",
        "SHOP.example.",
        "shop.test",
        "example",
        "evil.test",
        "@",
        ":",
        ":443",
        ":80",
        "?",
        "#",
        "\\",
        "%2f",
        " ",
        ";",
        "=",
        "Domain",
        "domain=",
        "url",
        "url=",
        "'",
        "\"",
        "5",
        ".",
        "[::1]",
        "\u{e9}",
    ]);
    let parts = prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat().into_bytes());
    prop_oneof![4 => parts, 1 => prop::collection::vec(any::<u8>(), 0..64)]
}

const RESTORED: [&str; 5] = ["location", "content-location", "refresh", "set-cookie", "link"];

proptest! {
    /// A changed line is the old one with this request's own host, and without what it replaces.
    #[test]
    fn a_response_gains_no_host_but_the_clients(value in value(), name in 0..RESTORED.len()) {
        let owed = owed(&policy(POLICY), &get("shop.test")).expect("mapped");
        let name = RESTORED[name];
        let headers = [(name.as_bytes(), value.as_slice())].into_iter();
        for change in owed.changes(&headers).headers {
            prop_assert_ne!(name, "link");
            prop_assert_eq!(change.name, name);
            let [line] = &change.lines[..] else { panic!("one line") };
            prop_assert_ne!(line, &value);
            // Every change puts the host in: around its places stands what the old line has there.
            let text = String::from_utf8_lossy(line).into_owned();
            let mut old = String::from_utf8_lossy(&value).into_owned();
            for kept in text.split("shop.test") {
                let at = old.find(kept);
                prop_assert!(at.is_some(), "{:?} of {:?} is not in {:?}", kept, text, old);
                old = old.split_off(at.unwrap_or_default() + kept.len());
            }
        }
    }

    /// What was rewritten is restored to the byte, whatever follows it.
    #[test]
    fn a_written_host_becomes_the_clients_again(
        client in "[a-zA-Z]([a-zA-Z0-9-]{0,8}[a-z])?\\.(test|Example)\\.?(:[1-9][0-9]{0,3})?",
        rest in "(|[/?#][!-~]{0,20})",
    ) {
        let policy = policy(r#"{ "hosts": { "mappings": [
            { "host": "*.test", "authority": "a.written.host" },
            { "host": "*.example", "authority": "a.written.host:8080" }
        ] } }"#);
        let owed = owed(&policy, &get(&client)).expect("mapped");
        for written in ["a.written.host", "A.Written.HOST.", "a.written.host:443"] {
            let restored = location(&owed, &format!("https://{written}{rest}"));
            prop_assert_eq!(restored, Some(format!("https://{client}{rest}")));
        }
    }
}
