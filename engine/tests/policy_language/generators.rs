//! Policies and requests for the property tests: documents that use each field of the language, and
//! requests that hold likely values, odd spellings, and arbitrary bytes in every header that the
//! engine reads.

use std::net::Ipv6Addr;

use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::{Value, json};

use crate::vocabulary::{Arrival, Header, request};

/// Headers that a client may not set if a generated policy names them.
const GUARDED: [&str; 4] = ["x-env", "x-key", "x-original", "k-hash"];

const PATTERNS: [&str; 14] = [
    "a.test",
    "b.a.test",
    "*.test",
    "{x}.test",
    "{x}.a.test",
    "dev.test",
    "*.dev.test",
    "*.svc",
    "a.svc",
    "{x}.{y}.svc",
    "{x}.b.{y}.test",
    "[2001:db8::1]",
    "10.0.0.1",
    "a_b.test",
];

const SOURCES: [(&str, &str); 6] = [
    ("header", "env"),
    ("cookie", "env"),
    ("query", "env"),
    ("baggage", "env"),
    ("subdomain", "{env}.dev.test"),
    ("subdomain", "{env}.{x}.a.test"),
];

/// Which parts of the language a generated policy may use.
#[derive(Clone, Copy)]
pub struct Parts {
    pub health_checks: bool,
    /// Mappings, authority hints and subdomain sources, which change the host of a request.
    pub rewrites: bool,
}

pub const ALL: Parts = Parts { health_checks: true, rewrites: true };

/// A field and its value.
type Named = (&'static str, Value);

fn health_checks() -> impl Strategy<Value = Vec<Value>> {
    let conditions = subsequence(
        vec![
            ("userAgent", json!({ "prefix": "GoogleHC" })),
            ("method", json!({ "exact": "GET" })),
            ("path", json!({ "exact": "/" })),
            ("host", json!({ "suffix": ".svc" })),
            ("sources", json!(["10.0.0.0/8"])),
            ("absentHeaders", json!(["via"])),
        ],
        1..=3,
    );
    let actions = select(vec![
        ("rewrite", json!({ "authority": "ready.svc:15021", "path": "/ready" })),
        ("rewrite", json!({ "path": "/ready" })),
        ("respond", json!({ "status": 200 })),
        ("pass", json!({})),
    ]);
    prop::collection::vec((conditions, actions), 0..3).prop_map(|checks| {
        let check = |(number, (conditions, (action, does))): (usize, (Vec<Named>, Named))| {
            let conditions: serde_json::Map<_, _> =
                conditions.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            json!({ "name": format!("c{number}"), "match": conditions, action: does })
        };
        checks.into_iter().enumerate().map(check).collect()
    })
}

fn environments(parts: Parts) -> impl Strategy<Value = Value> {
    let sources = subsequence(SOURCES[..if parts.rewrites { 6 } else { 4 }].to_vec(), 1..=4);
    let hints = subsequence(vec![("x-env", "{env}"), ("x-key", "{env}/{host}")], 1..=2);
    let authority = select(vec![None, Some("app.{env}.svc"), Some("{env}.{host}:80")]);
    let unknown = select(vec!["reject", "ignore", "default"]);
    (sources, any::<bool>(), any::<bool>(), unknown, hints, authority).prop_map(
        move |(sources, listed, default, unknown, hints, authority)| {
            let sources: Vec<Value> =
                sources.into_iter().map(|(kind, name)| json!({ kind: name })).collect();
            let hints: serde_json::Map<_, _> =
                hints.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
            let mut environments = json!({
                "sources": sources,
                "aliases": { "stg": "env1" },
                "hints": { "headers": hints },
            });
            if listed {
                environments["allow"] = json!(["env1", "env2"]);
            }
            if default || unknown == "default" {
                environments["default"] = json!("env2");
            }
            environments["unknown"] = json!(unknown);
            if let Some(authority) = authority.filter(|_| parts.rewrites) {
                environments["hints"]["authority"] = json!(authority);
            }
            environments
        },
    )
}

fn hosts(parts: Parts) -> impl Strategy<Value = Value> {
    let targets = vec![
        "s.svc",
        "t.test:80",
        "a.test",
        "{host}.svc",
        "{env}.svc",
        "{x}.svc:8080",
        "[::1]:80",
        "10.0.0.9",
    ];
    let mappings = subsequence(PATTERNS.to_vec(), 0..=5).prop_flat_map(move |hosts| {
        prop::collection::vec(select(targets.clone()), hosts.len())
            .prop_map(move |to| (hosts.clone(), to))
    });
    let words = (select(vec!["keep", "strip"]), select(vec!["pass", "reject"]));
    (subsequence(PATTERNS.to_vec(), 0..=4), mappings, words, any::<bool>()).prop_map(
        move |(private, (patterns, targets), (port, unmapped), original)| {
            let mut hosts = json!({ "private": private, "port": port });
            if parts.rewrites {
                let mapping = |(host, authority): (&str, &str)| {
                    let authority = if host.contains("{x}") {
                        authority
                    } else {
                        authority.trim_start_matches("{x}.")
                    };
                    json!({ "host": host, "authority": authority })
                };
                hosts["mappings"] = patterns.into_iter().zip(targets).map(mapping).collect();
                hosts["unmapped"] = json!(unmapped);
            }
            if original {
                hosts["originalHost"] = json!("x-original");
            }
            hosts
        },
    )
}

/// Documents of policies with these parts.
pub fn policies(parts: Parts) -> impl Strategy<Value = Value> {
    let checks =
        if parts.health_checks { health_checks().boxed() } else { Just(Vec::new()).boxed() };
    (checks, prop::option::of(environments(parts)), hosts(parts), any::<bool>()).prop_map(
        |(checks, environments, hosts, strip)| {
            let mut policy =
                json!({ "apiVersion": "gatepost/v1", "healthChecks": checks, "hosts": hosts });
            match environments {
                Some(environments) => policy["environments"] = environments,
                // A mapping to `{env}` needs environments.
                None => policy["environments"] = json!({ "default": "env1" }),
            }
            if strip {
                policy["strip"] = json!(["k-hash"]);
            }
            policy
        },
    )
}

/// Writes a host in one of its equivalent spellings.
fn spelt(host: &'static str) -> impl Strategy<Value = String> {
    let port = select(vec!["", ":", ":80", ":0080", ":0", ":65535", ":000000000000000000000080"]);
    (prop::collection::vec(any::<bool>(), 64), any::<bool>(), port, any::<bool>()).prop_map(
        move |(upper, dot, port, long)| {
            let cased = host
                .chars()
                .zip(upper)
                .map(|(c, upper)| if upper { c.to_ascii_uppercase() } else { c });
            let mut text: String = cased.collect();
            match host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'))
                .and_then(|host| host.parse::<Ipv6Addr>().ok())
            {
                Some(address) if long => {
                    let groups: Vec<String> =
                        address.segments().iter().map(|group| format!("{group:04X}")).collect();
                    text = format!("[{}]", groups.join(":"));
                }
                Some(_) => {}
                None if dot => text.push('.'),
                None => {}
            }
            text + port
        },
    )
}

const HOSTS: [&str; 16] = [
    "a.test",
    "b.a.test",
    "x.b.y.test",
    "dev.test",
    "env1.dev.test",
    "stg.dev.test",
    "a.dev.test",
    "env1.b.a.test",
    "a.svc",
    "b.a.svc",
    "x.y.z.svc",
    "a_b.test",
    "[2001:db8::1]",
    "10.0.0.1",
    "10.0.0.9",
    "other.example",
];

pub fn any_spelling() -> impl Strategy<Value = String> {
    select(HOSTS.to_vec()).prop_flat_map(spelt)
}

pub fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..80)
}

fn authorities() -> impl Strategy<Value = Vec<u8>> {
    let odd = (any_spelling(), any::<Index>(), any::<u8>()).prop_map(|(host, at, byte)| {
        let mut host = host.into_bytes();
        let at = at.index(host.len());
        host[at] = byte;
        host
    });
    prop_oneof![6 => any_spelling().prop_map(String::into_bytes), 2 => odd, 1 => bytes()]
}

/// Headers that a generated policy reads or guards, and some others, repeated or absent, with any
/// value.
pub fn headers() -> impl Strategy<Value = Vec<Header>> {
    let names: Vec<&str> =
        ["env", "cookie", "baggage", "user-agent", "via", "content-type", "accept"]
            .into_iter()
            .chain(GUARDED)
            .collect();
    let likely = [
        "env1",
        "ENV2",
        "stg",
        "env=env1",
        "a=b; env=stg",
        "GoogleHC/1.0",
        "application/grpc",
        "",
        "nonsense",
        "a.test",
    ];
    let likely = select(likely.to_vec()).prop_map(|value| value.as_bytes().to_vec());
    let value = prop_oneof![5 => likely, 1 => bytes()];
    prop::collection::vec(
        (select(names), value).prop_map(|(name, value)| (name.into(), value)),
        0..9,
    )
}

pub fn requests() -> impl Strategy<Value = Arrival> {
    let likely = select(vec!["/", "/?q", "/a?env=env1", "/?env=stg&env=env2", "", "*"])
        .prop_map(|path| path.as_bytes().to_vec());
    let paths = prop_oneof![4 => likely, 1 => bytes()];
    let source = select(vec![None, Some("10.0.0.1"), Some("::ffff:10.0.0.1"), Some("2001:db8::1")]);
    (select(vec!["GET", "POST", "get"]), authorities(), paths, headers(), source).prop_map(
        |(method, authority, path, headers, source)| {
            let request = headers.into_iter().fold(
                request(method, authority, path),
                |mut request, header| {
                    request.headers.push(header);
                    request
                },
            );
            source.into_iter().fold(request, Arrival::from)
        },
    )
}
