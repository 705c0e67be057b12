//! The fingerprint is one number for what a policy means. Documents that mean the same have the
//! same number, and a policy that decides, answers or counts otherwise has another one.

use gatepost_engine::compile_json;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::generators::{ALL, policies};

fn fingerprint(text: &str) -> u64 {
    compile_json(text.as_bytes())
        .unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
        .fingerprint()
}

/// Lists whose order decides nothing.
const SETS: [&str; 6] = ["strip", "absentHeaders", "allow", "private", "mappings", "sources"];

/// Fields with their defaults, by the section that they are in.
const DEFAULTS: [(&str, &str, &str); 7] = [
    ("", "mode", "enforce"),
    ("environments", "vary", "add"),
    ("environments", "unknown", "reject"),
    ("hosts", "port", "keep"),
    ("hosts", "unmapped", "pass"),
    ("hosts", "responses", "restore"),
    ("respond", "body", ""),
];

/// Writes a document in another way that means the same.
struct Respelt<'r> {
    random: &'r mut fastrand::Rng,
}

impl Respelt<'_> {
    /// The text of a value in the field `name` of the section `section`.
    fn write(&mut self, section: &str, name: &str, value: &Value) -> String {
        match value {
            Value::Object(fields) => {
                let mut fields: Vec<(String, Value)> =
                    fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
                for (_, field, default) in DEFAULTS.iter().filter(|(of, ..)| *of == name) {
                    if fields.iter().all(|(known, _)| known != field) && self.random.bool() {
                        fields.push(((*field).to_owned(), json!(default)));
                    }
                    let written =
                        |(known, value): &(String, Value)| known == field && value == default;
                    if self.random.bool() {
                        fields.retain(|field| !written(field));
                    }
                }
                self.random.shuffle(&mut fields);
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(field, value)| {
                        format!("{}: {}", json!(field), self.write(name, field, value))
                    })
                    .collect();
                format!("{{ {} }}", fields.join(", "))
            }
            Value::Array(entries) => {
                let mut entries = entries.clone();
                // The order of environment sources counts, that of a check's blocks does not.
                if SETS.contains(&name) && (name, section) != ("sources", "environments") {
                    self.random.shuffle(&mut entries);
                }
                let entries: Vec<String> =
                    entries.iter().map(|entry| self.write(section, name, entry)).collect();
                format!("[{}]", entries.join(" ,\n"))
            }
            Value::Number(number) => {
                let number = number.as_i64().expect("an integer");
                let spellings = [number.to_string(), format!("{number}.0"), format!("{number}e0")];
                self.random.choice(spellings).expect("one")
            }
            // Names of hosts and headers have no case.
            Value::String(text)
                if matches!(
                    name,
                    "private" | "strip" | "absentHeaders" | "allow" | "originalHost"
                ) && !text.contains('{')
                    && self.random.bool() =>
            {
                json!(text.to_ascii_uppercase()).to_string()
            }
            value => value.to_string(),
        }
    }
}

/// Each field of the language with a value that is not its default.
fn whole() -> Value {
    json!({
        "apiVersion": "gatepost/v1",
        "mode": "observe",
        "healthChecks": [
            {
                "name": "one",
                "match": {
                    "userAgent": { "prefix": "GoogleHC" },
                    "method": { "exact": "GET" },
                    "path": { "suffix": "/healthz" },
                    "host": { "exact": "a.test" },
                    "sources": ["35.191.0.0/16", "fc00::/7"],
                    "absentHeaders": ["via", "x-key"],
                },
                "rewrite": { "authority": "ready.svc:15020", "path": "/ready" },
            },
            {
                "name": "two",
                "match": { "path": { "exact": "/two" } },
                "respond": { "status": 201, "body": "two" },
            },
            { "name": "three", "match": { "path": { "exact": "/three" } }, "pass": {} },
        ],
        "strip": ["x-one", "x-two"],
        "environments": {
            "sources": [
                { "header": "env" },
                { "query": "env", "pin": { "cookie": "env", "maxAge": 3600 } },
                { "cookie": "env" },
                { "baggage": "env" },
                { "subdomain": "{env}.{x}.dev.test" },
            ],
            "allow": ["env1", "env2", "pr-*"],
            "aliases": { "stg": "env2" },
            "default": "env1",
            "preflight": "env2",
            "vary": "keep",
            "unknown": "ignore",
            "hints": {
                "headers": { "x-env": "{env}", "x-host": "{host}/{env}" },
                "authority": "app.{env}.svc:80",
            },
        },
        "hosts": {
            "private": ["*.svc", "10.0.0.0/8", "[::1]", "{x}.inside.test"],
            "port": "strip",
            "mappings": [
                { "host": "a.test", "authority": "a.svc" },
                { "host": "*.shop.test", "authority": "shop.svc" },
                { "host": "{a}.{b}.mesh.test", "authority": "{b}.{a}.svc" },
            ],
            "unmapped": "reject",
            "originalHost": "x-original",
            "responses": "keep",
        },
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn a_document_written_in_another_way_has_the_same_fingerprint(
        document in prop_oneof![policies(ALL), Just(whole())],
        seed in any::<u64>(),
    ) {
        let mut respelt = Respelt { random: &mut fastrand::Rng::with_seed(seed) };
        let respelt = respelt.write("", "", &document);
        prop_assert_eq!(fingerprint(&respelt), fingerprint(&document.to_string()), "{}", respelt);
    }
}

/// The document with the value at a place replaced.
fn with(document: &Value, place: &str, value: Value) -> Value {
    let mut document = document.clone();
    *document.pointer_mut(place).unwrap_or_else(|| panic!("no {place}")) = value;
    document
}

#[test]
fn every_value_of_a_policy_counts() {
    let whole = whole();
    let known = fingerprint(&whole.to_string());
    let mut fingerprints = vec![known];
    for (place, value) in [
        ("/mode", json!("enforce")),
        ("/healthChecks/0/name", json!("first")),
        ("/healthChecks/0/match/userAgent", json!({ "exact": "GoogleHC" })),
        ("/healthChecks/0/match/userAgent", json!({ "prefix": "kube-probe" })),
        ("/healthChecks/0/match/method", json!({ "exact": "HEAD" })),
        ("/healthChecks/0/match/path", json!({ "exact": "/healthz" })),
        ("/healthChecks/0/match/host", json!({ "suffix": "a.test" })),
        ("/healthChecks/0/match/sources", json!(["35.191.0.0/16"])),
        ("/healthChecks/0/match/absentHeaders", json!(["via"])),
        ("/healthChecks/0/rewrite/authority", json!("ready.svc:15021")),
        ("/healthChecks/0/rewrite/path", json!("/healthz")),
        ("/healthChecks/1/respond/status", json!(202)),
        ("/healthChecks/1/respond/body", json!("three")),
        ("/healthChecks/2/match/path", json!({ "exact": "/2" })),
        ("/strip", json!(["x-one"])),
        ("/environments/sources/0", json!({ "header": "x-choose" })),
        ("/environments/sources/1/pin", json!({ "cookie": "env", "maxAge": 3601 })),
        ("/environments/sources/1/pin", json!({ "cookie": "env" })),
        ("/environments/sources/3", json!({ "baggage": "environment" })),
        ("/environments/sources/4", json!({ "subdomain": "{x}.{env}.dev.test" })),
        ("/environments/sources/4", json!({ "subdomain": "{env}.dev.test" })),
        ("/environments/allow", json!(["env1", "env2"])),
        ("/environments/allow", json!(["env1", "env2", "pr*"])),
        ("/environments/aliases", json!({ "stg": "env1" })),
        ("/environments/aliases", json!({})),
        ("/environments/default", json!("env2")),
        ("/environments/preflight", json!("env1")),
        ("/environments/vary", json!("add")),
        ("/environments/unknown", json!("reject")),
        ("/environments/unknown", json!("default")),
        ("/environments/hints/headers", json!({ "x-env": "{env}" })),
        ("/environments/hints/headers/x-env", json!("{host}")),
        ("/environments/hints/authority", json!("app.{env}.svc:81")),
        ("/environments/hints/authority", json!("app.{host}.svc:80")),
        ("/hosts/private", json!(["*.svc", "10.0.0.0/8", "[::1]"])),
        ("/hosts/private/1", json!("10.0.0.0/9")),
        ("/hosts/private/3", json!("*.inside.test")),
        ("/hosts/port", json!("keep")),
        ("/hosts/mappings/0/authority", json!("b.svc")),
        ("/hosts/mappings/1/host", json!("shop.test")),
        ("/hosts/mappings/2/authority", json!("{a}.{b}.svc")),
        ("/hosts/unmapped", json!("pass")),
        ("/hosts/originalHost", json!("x-forwarded-host")),
        ("/hosts/responses", json!("restore")),
    ] {
        let changed = with(&whole, place, value.clone());
        fingerprints.push(fingerprint(&changed.to_string()));
        let count = fingerprints.len();
        fingerprints.sort_unstable();
        fingerprints.dedup();
        assert_eq!(fingerprints.len(), count, "{place}: {value}");
    }
}

#[test]
fn the_order_of_health_checks_and_of_sources_counts() {
    let whole = whole();
    let known = fingerprint(&whole.to_string());
    for place in ["/healthChecks", "/environments/sources"] {
        let mut list = whole.pointer(place).and_then(Value::as_array).expect(place).clone();
        list.rotate_left(1);
        assert_ne!(fingerprint(&with(&whole, place, list.into()).to_string()), known, "{place}");
    }
}

#[test]
fn a_list_that_allows_no_environment_is_not_one_that_is_omitted() {
    let policy = |more: &str| {
        fingerprint(&format!(
            r#"{{ "apiVersion": "gatepost/v1", "environments": {{
                "sources": [{{ "header": "env" }}],
                "hints": {{ "headers": {{ "x-env": "{{env}}" }} }}
                {more}
            }} }}"#
        ))
    };
    assert_ne!(policy(r#", "allow": []"#), policy(""));
}

/// Other spellings than those of the property above.
#[test]
fn what_means_the_same_has_the_same_fingerprint() {
    let whole = whole();
    let known = fingerprint(&whole.to_string());
    for (place, value) in [
        // Names of captures, and what IPv6 addresses hold.
        ("/hosts/mappings/2", json!({ "host": "{p}.{q}.mesh.test", "authority": "{q}.{p}.svc" })),
        ("/environments/sources/4", json!({ "subdomain": "{env}.{name}.dev.test" })),
        ("/hosts/private/1", json!("::ffff:10.9.0.0/104")),
        ("/hosts/private/2", json!("::1")),
        ("/hosts/mappings/0", json!({ "host": "A.Test.", "authority": "A.svc.:" })),
        // Entries that say what another one says, and spellings that are one for upstreams.
        ("/strip", json!(["x-two", "x_one", "X-One", "x-env"])),
        ("/healthChecks/0/match/absentHeaders", json!(["x_key", "VIA", "x-key"])),
        ("/healthChecks/0/match/sources", json!(["fc00::1/7", "35.191.9.9/16", "fc00::/7"])),
        ("/environments/default", json!("ENV1")),
        ("/environments/preflight", json!("stg")),
    ] {
        let changed = with(&whole, place, value.clone());
        assert_eq!(fingerprint(&changed.to_string()), known, "{place}: {value}");
    }
    let nothing = fingerprint(r#"{ "apiVersion": "gatepost/v1" }"#);
    let empty = r#"{ "apiVersion": "gatepost/v1", "healthChecks": [], "strip": [], "hosts": {} }"#;
    assert_eq!(fingerprint(empty), nothing);
}

#[test]
fn a_fingerprint_is_a_number_that_a_double_holds() {
    let number = fingerprint(&whole().to_string());
    assert!((1..1 << 52).contains(&number));
    assert_eq!(number as f64 as u64, number);
}
