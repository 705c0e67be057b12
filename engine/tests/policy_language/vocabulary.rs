//! The functions that the tests are written with: a policy, a request, and its outcome. Each
//! decision is also carried out as a proxy would do it, and checked against the rules that every
//! decision must keep.

use std::fmt;
use std::ops::{Deref, DerefMut};

use gatepost_engine::{Policy, Reply, Step, compile_json};
use gatepost_invariants::carried::{self, Carried, carry_out, text};
pub use gatepost_invariants::carried::{Header, values};

/// Compiles a policy that is written as JSON. `apiVersion` may be left out.
#[track_caller]
pub fn policy(json: &str) -> Policy {
    match compile_json(versioned(json).as_bytes()) {
        Ok(policy) => policy,
        Err(errors) => panic!(
            "errors in {json}: {}",
            errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        ),
    }
}

/// The errors of a policy, as a person reads them. `apiVersion` may be left out.
#[track_caller]
pub fn errors(json: &str) -> Vec<String> {
    errors_of(versioned(json).as_bytes())
}

/// The errors of a plugin configuration, as a person reads them.
#[track_caller]
pub fn errors_of(configuration: &[u8]) -> Vec<String> {
    match compile_json(configuration) {
        Ok(_) => panic!("no error in {}", String::from_utf8_lossy(configuration)),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

/// The one error of a policy.
#[track_caller]
pub fn error(json: &str) -> String {
    let errors = errors(json);
    assert_eq!(errors.len(), 1, "{errors:#?}");
    errors.concat()
}

fn versioned(json: &str) -> String {
    match json.trim_start().strip_prefix('{') {
        Some(rest) if !json.contains("apiVersion") => {
            let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
            format!("{{\"apiVersion\": \"gatepost/v1\"{comma}{rest}")
        }
        _ => json.to_owned(),
    }
}

pub fn request(method: &str, authority: impl AsRef<[u8]>, path: impl AsRef<[u8]>) -> Arrival {
    Arrival(carried::Arrival { headers: Vec::new(), source: None })
        .header(":method", method)
        .header(":scheme", "https")
        .header(":authority", authority)
        .header(":path", path)
}

/// `GET /` of a host.
pub fn get(authority: impl AsRef<[u8]>) -> Arrival {
    request("GET", authority, "/")
}

/// A request as the gateway receives it, built step by step.
#[derive(Clone)]
pub struct Arrival(carried::Arrival);

impl Deref for Arrival {
    type Target = carried::Arrival;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Arrival {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Arrival {
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.as_bytes().to_vec(), value.as_ref().to_vec()));
        self
    }

    pub fn from(mut self, source: &str) -> Self {
        self.source = Some(source.parse().expect("an IP address"));
        self
    }

    #[track_caller]
    pub fn decided_by(&self, policy: &Policy) -> Outcome {
        Outcome { before: self.headers.clone(), carried: carry_out(policy, self) }
    }
}

/// The outcome of a request. Each assertion returns the outcome, so that a test reads as a
/// sentence.
pub struct Outcome {
    before: Vec<Header>,
    carried: Carried,
}

impl Outcome {
    #[track_caller]
    fn forwarded(&self) -> &[Header] {
        self.upstream()
            .unwrap_or_else(|| panic!("answered by the gateway: {:?}", self.carried.reply))
    }

    #[track_caller]
    fn one(&self, name: &str) -> String {
        let values = values(self.forwarded(), name);
        assert_eq!(values.len(), 1, "{name} has {} values", values.len());
        values.iter().map(|value| String::from_utf8_lossy(value)).collect()
    }

    /// The upstream receives this authority.
    #[track_caller]
    pub fn forwards_authority(&self, authority: &str) -> &Self {
        assert_eq!(self.one(":authority"), authority);
        self
    }

    /// The upstream receives this path.
    #[track_caller]
    pub fn forwards_path(&self, path: &str) -> &Self {
        assert_eq!(self.one(":path"), path);
        self
    }

    /// The upstream receives the header with exactly this value, and the client sent another one or
    /// none.
    #[track_caller]
    pub fn sets(&self, name: &str, value: &str) -> &Self {
        assert_eq!(self.one(name), value);
        assert_ne!(values(&self.before, name), [value.as_bytes()], "{name} already had this value");
        self
    }

    /// The upstream receives the header as the client sent it.
    #[track_caller]
    pub fn keeps(&self, name: &str) -> &Self {
        let before = values(&self.before, name);
        assert!(!before.is_empty(), "the client sent no {name}");
        assert_eq!(values(self.forwarded(), name), before);
        self
    }

    /// The client sent the header, and the upstream does not receive it.
    #[track_caller]
    pub fn removes(&self, name: &str) -> &Self {
        assert!(!values(&self.before, name).is_empty(), "the client sent no {name}");
        self.lacks(name)
    }

    /// The upstream does not receive the header.
    #[track_caller]
    pub fn lacks(&self, name: &str) -> &Self {
        assert!(values(self.forwarded(), name).is_empty(), "{name} goes upstream");
        self
    }

    /// The request is forwarded exactly as it came.
    #[track_caller]
    pub fn is_unchanged(&self) -> &Self {
        let after = self.forwarded();
        assert!(self.carried.unchanged, "changed to\n{}", text(after));
        assert_eq!(text(after), text(&self.before));
        self
    }

    /// What a response to the request becomes, the gateway's own answer included: its headers, in
    /// order.
    #[track_caller]
    pub fn response(&self, headers: &[(&str, &str)]) -> Vec<(String, String)> {
        let bytes =
            |(name, value): &(&str, &str)| (name.as_bytes().into(), value.as_bytes().into());
        let headers: Vec<Header> = headers.iter().map(bytes).collect();
        let pairs = headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
        let applied = self.carried.owed.changes(&pairs).applied(&headers);
        let text = |bytes| String::from_utf8(bytes).expect("a text");
        applied.into_iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    /// A response without headers gets exactly these.
    #[track_caller]
    pub fn responds_with(&self, headers: &[(&str, &str)]) -> &Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let expected: Vec<(String, String)> = headers.iter().map(owned).collect();
        assert_eq!(self.response(&[]), expected);
        self
    }

    #[track_caller]
    fn reply(&self) -> &Reply<'_> {
        self.carried.reply.as_ref().expect("an answer")
    }

    /// The gateway answers the request itself.
    #[track_caller]
    pub fn replies(&self, status: u16, details: &str) -> &Self {
        assert_eq!((self.reply().status, &*self.reply().details), (status, details));
        self
    }

    #[track_caller]
    pub fn says(&self, body: &str) -> &Self {
        assert_eq!(self.reply().body, body);
        self
    }

    #[track_caller]
    pub fn with_grpc_status(&self, status: impl Into<Option<u32>>) -> &Self {
        assert_eq!(self.reply().grpc_status, status.into());
        self
    }

    /// Exactly these counters are raised.
    #[track_caller]
    pub fn counts(&self, names: &[&str]) -> &Self {
        assert_eq!(self.carried.counted, names);
        self
    }

    /// How often the source address was read, which is a hostcall in the filter.
    #[track_caller]
    pub fn asked_for_the_source(&self, times: u32) -> &Self {
        assert_eq!(self.carried.asked, times);
        self
    }

    /// The decision carried out, for the invariants of `gatepost-invariants`.
    pub fn carried(&self) -> &Carried {
        &self.carried
    }

    pub fn steps(&self) -> &[Step] {
        &self.carried.steps
    }

    /// The forwarded request; nothing when the gateway answers it itself.
    pub fn upstream(&self) -> Option<&[Header]> {
        self.carried.upstream.as_deref()
    }

    /// The rule by which the gateway answers the request.
    pub fn details(&self) -> Option<&str> {
        self.carried.reply.as_ref().map(|reply| &*reply.details)
    }
}
