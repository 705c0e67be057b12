//! A case is a policy, a request and the response to it as text. It is the input of the fuzz
//! targets, and a person can read the inputs that fail:
//!
//! ```text
//! private port-strip
//! 35.191.0.1:4711
//! :method: GET
//! :authority: Shop.test.:80
//! env: env1
//!
//! location: https://written.test/
//! ```
//!
//! The first line names a policy and changes to it, the second is the source address, and each
//! further line is a header: of the request, and behind an empty line of the response. The record
//! separator (0x1e) means a line end inside a header. Any bytes are a valid case.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use gatepost_engine::{Policy, compile_json, parse_source_address};
use serde_json::{Value, json};

use crate::carried::{Arrival, Header};
use crate::decision;
use crate::document::Document;
use crate::response;

/// The policies that a case can name: those that ship, and some written for these tests.
pub const POLICIES: [(&str, &str); 9] = [
    ("knative-gclb", include_str!("../../../policies/knative-gclb/policy.yaml")),
    ("asm-grpc-env", include_str!("../../../policies/asm-grpc-env/policy.yaml")),
    ("external-mesh", include_str!("../../../policies/external-mesh/policy.yaml")),
    ("neg-shared-vpc", include_str!("../../../policies/neg-shared-vpc/policy.yaml")),
    ("all-in-one", include_str!("../../../policies/all-in-one/policy.yaml")),
    ("private", include_str!("../policies/private.yaml")),
    ("sources", include_str!("../policies/sources.yaml")),
    ("templates", include_str!("../policies/templates.yaml")),
    ("version", "apiVersion: gatepost/v1"),
];

/// The name of a change, and the function that makes it.
pub type Change = (&'static str, fn(&mut Value));

/// The changes that a case can name. A change that does not apply to a policy does nothing.
pub const CHANGES: [Change; 9] = [
    ("port-strip", |policy| set(policy, "hosts", "port", json!("strip"))),
    ("unmapped-reject", |policy| set(policy, "hosts", "unmapped", json!("reject"))),
    ("no-mappings", |policy| set(policy, "hosts", "mappings", json!([]))),
    ("no-checks", |policy| {
        drop(policy.as_object_mut().and_then(|policy| policy.remove("healthChecks")));
    }),
    ("unknown-ignore", |policy| set(policy, "environments", "unknown", json!("ignore"))),
    ("vary-keep", |policy| set(policy, "environments", "vary", json!("keep"))),
    ("responses-keep", |policy| set(policy, "hosts", "responses", json!("keep"))),
    ("no-authority-hint", |policy| {
        drop(
            policy
                .pointer_mut("/environments/hints")
                .and_then(Value::as_object_mut)
                .and_then(|hints| hints.remove("authority")),
        );
    }),
    ("observe", |policy| {
        if policy.get("apiVersion").is_some() {
            policy["mode"] = json!("observe");
        }
    }),
];

fn set(policy: &mut Value, section: &str, field: &str, value: Value) {
    if let Some(section) = policy.get_mut(section).and_then(Value::as_object_mut) {
        section.insert(field.to_owned(), value);
    }
}

/// A policy of a case.
#[derive(Debug)]
pub struct Known {
    /// Its plugin configuration.
    pub configuration: String,
    /// Its document.
    pub document: Document,
    /// The compiled policy.
    pub policy: Policy,
}

/// The number of a policy, and its changes as bits.
type Choice = (usize, u32);

/// The policies compiled so far. Their number is bounded, and they are never freed.
static KNOWN: LazyLock<Mutex<HashMap<Choice, &'static Known>>> = LazyLock::new(Mutex::default);

/// The policy that a case's first line names. Unknown words are ignored, and a line that names no
/// policy means the first one.
#[must_use]
pub fn policy(line: &[u8]) -> &'static Known {
    let words = || line.split(u8::is_ascii_whitespace);
    let number = words()
        .find_map(|word| POLICIES.iter().position(|(name, _)| name.as_bytes() == word))
        .unwrap_or(0);
    let wanted = |at: &usize| words().any(|word| word == CHANGES[*at].0.as_bytes());
    let changes: u32 = (0..CHANGES.len()).filter(wanted).map(|at| 1 << at).sum();
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known
        .entry((number, changes))
        .or_insert_with(|| Box::leak(Box::new(compiled((number, changes)))))
}

fn compiled((number, changes): Choice) -> Known {
    let (name, text) = POLICIES[number];
    let mut document: Value =
        serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    CHANGES
        .iter()
        .enumerate()
        .filter(|(at, _)| changes & 1 << at != 0)
        .for_each(|(_, (_, change))| change(&mut document));
    let configuration = document.to_string();
    let policy = compile_json(configuration.as_bytes())
        .unwrap_or_else(|errors| panic!("{configuration}: {errors:?}"));
    Known { configuration, document: Document(document), policy }
}

/// A policy, a request for it, and the response to the request.
#[derive(Debug)]
pub struct Case {
    /// The policy.
    pub known: &'static Known,
    /// The request.
    pub arrival: Arrival,
    /// The headers of the response, as an upstream sends them.
    pub response: Vec<Header>,
}

impl Case {
    /// Reads a case.
    #[must_use]
    pub fn read(text: &[u8]) -> Self {
        let mut lines = text.split(|byte| *byte == b'\n');
        let known = policy(lines.next().unwrap_or_default());
        let source = parse_source_address(lines.next().unwrap_or_default());
        let headers = lines.by_ref().take_while(|line| !line.is_empty()).map(header).collect();
        let response = lines.filter(|line| !line.is_empty()).map(header).collect();
        Self { known, arrival: Arrival { headers, source }, response }
    }
}

fn header(line: &[u8]) -> Header {
    // The first byte may be the colon of a pseudo-header.
    let colon = line.windows(2).skip(1).position(|two| two == b": ").map(|at| at + 1);
    let (name, value) =
        colon.map_or((line, &b""[..]), |colon| (&line[..colon], &line[colon + 2..]));
    (unescaped(&name.to_ascii_lowercase()), unescaped(value))
}

fn unescaped(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| if *byte == 0x1e { b'\n' } else { *byte }).collect()
}

/// Checks every invariant of a decision, for the case in these bytes.
///
/// # Panics
/// When one is broken.
pub fn holds(text: &[u8]) {
    let Case { known: Known { document, policy, .. }, arrival, .. } = Case::read(text);
    decision::holds(document, policy, &arrival);
}

/// Checks every invariant of a response, for the case in these bytes.
///
/// # Panics
/// When one is broken.
pub fn response_holds(text: &[u8]) {
    let Case { known, arrival, response } = Case::read(text);
    response::holds(&known.policy, &arrival, &response);
}
