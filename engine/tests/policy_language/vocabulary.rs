//! The words that the tests are written in: a policy, a request, and what became of it. Whatever a test asks for, each
//! decision is also carried out as a proxy would, and held to the rules that every decision must keep.

use std::cell::Cell;
use std::fmt;
use std::net::IpAddr;

use gatepost_engine::{Counters, Decision, Policy, Request, SetHeader, SourceAddress, Step, Verdict, Writes, compile_json};

pub type Header = (Vec<u8>, Vec<u8>);

/// Compiles a policy that is written as JSON. `apiVersion` may be left out.
#[track_caller]
pub fn policy(json: &str) -> Policy {
    match compile_json(versioned(json).as_bytes()) {
        Ok(policy) => policy,
        Err(faults) => panic!("faults in {json}: {}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

/// The faults of a policy, as a person reads them. `apiVersion` may be left out.
#[track_caller]
pub fn faults(json: &str) -> Vec<String> {
    faults_of(versioned(json).as_bytes())
}

/// The faults of a plugin configuration, as a person reads them.
#[track_caller]
pub fn faults_of(configuration: &[u8]) -> Vec<String> {
    match compile_json(configuration) {
        Ok(_) => panic!("no fault in {}", String::from_utf8_lossy(configuration)),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

/// The one fault of a policy.
#[track_caller]
pub fn fault(json: &str) -> String {
    let faults = faults(json);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    faults.concat()
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

/// A request as the gateway sees it.
#[derive(Clone)]
pub struct Arrival {
    pub headers: Vec<Header>,
    source: Option<IpAddr>,
}

pub fn request(method: &str, authority: impl AsRef<[u8]>, path: impl AsRef<[u8]>) -> Arrival {
    Arrival { headers: Vec::new(), source: None }
        .header(":method", method)
        .header(":scheme", "https")
        .header(":authority", authority)
        .header(":path", path)
}

/// `GET /` of a host.
pub fn get(authority: impl AsRef<[u8]>) -> Arrival {
    request("GET", authority, "/")
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {:?}", text(&self.headers), self.source)
    }
}

/// Headers as a person reads them.
fn text(headers: &[Header]) -> String {
    let line = |(name, value): &Header| format!("{}: {}", name.escape_ascii(), value.escape_ascii());
    headers.iter().map(line).collect::<Vec<_>>().join("\n")
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
        let source = Source { address: self.source, asked: Cell::new(0) };
        let pairs = self.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
        let request = Request { headers: pairs, source: &source };
        let decision = policy.decide(&request);
        let asked = source.asked.get();
        let mut steps: Vec<Step> = Vec::new();
        assert_eq!(policy.decide_traced(&request, &mut steps), decision, "what is explained is what runs");
        let counted = names(policy, decision.counters);
        let verdict = decision.verdict.clone();
        let (after, answer) = match &verdict {
            Verdict::Forward(writes) => {
                assert_every_write_changes_something(&self.headers, writes);
                (apply(&self.headers, writes), None)
            }
            Verdict::Reply(reply) => {
                let (details, body) = (reply.details.to_string(), reply.body.to_string());
                (Vec::new(), Some(Answer { status: reply.status, details, body, grpc: reply.grpc_status }))
            }
        };
        Outcome { before: self.headers.clone(), after, answer, counted, steps, unchanged: is_unchanged(&decision), asked }
    }
}

/// Counts how often it is asked.
struct Source {
    address: Option<IpAddr>,
    asked: Cell<u32>,
}

impl SourceAddress for Source {
    fn source_address(&self) -> Option<IpAddr> {
        self.asked.set(self.asked.get() + 1);
        self.address
    }
}

fn names(policy: &Policy, counters: Counters) -> Vec<String> {
    let known = policy.counters();
    let name = |counter| known.iter().find(|(known, _)| *known == counter).map(|(_, name)| name.clone());
    counters.iter().map(|counter| name(counter).expect("a counter that the policy defines")).collect()
}

fn is_unchanged(decision: &Decision<'_>) -> bool {
    matches!(&decision.verdict, Verdict::Forward(writes) if writes.is_empty())
}

/// Carries writes out as a proxy does: first what is removed, then what is set, which replaces or adds.
pub fn apply(headers: &[Header], writes: &Writes<'_>) -> Vec<Header> {
    let mut headers = headers.to_vec();
    for name in &writes.remove {
        headers.retain(|(known, _)| known != name.as_bytes());
    }
    let authority = writes.authority.as_deref().map(|value| (":authority", value));
    let path = writes.path.map(|value| (":path", value));
    let set = writes.set.iter().map(|set| (set.name, &*set.value));
    for (name, value) in authority.into_iter().chain(path).chain(set) {
        let mut same = headers.iter_mut().filter(|(known, _)| known == name.as_bytes());
        match same.next() {
            Some((_, first)) => *first = value.into(),
            None => headers.push((name.into(), value.into())),
        }
    }
    headers
}

/// "Writes happen once, only where the value changes", for every decision of every test.
#[track_caller]
fn assert_every_write_changes_something(headers: &[Header], writes: &Writes<'_>) {
    let values = |name: &str| values(headers, name);
    if let Some(authority) = writes.authority.as_deref() {
        assert_ne!(values(":authority"), [authority.as_bytes()], "the authority is written unchanged");
    }
    if let Some(path) = writes.path {
        assert_ne!(values(":path"), [path.as_bytes()], "the path is written unchanged");
    }
    for (at, name) in writes.remove.iter().enumerate() {
        assert!(!values(name).is_empty(), "{name} is removed, but was not there");
        assert!(!writes.remove[..at].contains(name), "{name} is removed twice");
    }
    for (at, SetHeader { name, value, replaces }) in writes.set.iter().enumerate() {
        assert_ne!(values(name), [value.as_bytes()], "{name} is written unchanged");
        assert!(!writes.set[..at].iter().any(|other| other.name == *name), "{name} is set twice");
        let left = if writes.remove.contains(name) { 0 } else { values(name).len() };
        assert_eq!(left, usize::from(*replaces), "{name}: what is left of it is one value, to be replaced, or none");
    }
}

pub fn values<'h>(headers: &'h [Header], name: &str) -> Vec<&'h [u8]> {
    headers.iter().filter(|(known, _)| known == name.as_bytes()).map(|(_, value)| value.as_slice()).collect()
}

#[derive(Debug)]
struct Answer {
    status: u16,
    details: String,
    body: String,
    grpc: Option<u32>,
}

/// What became of a request. Each assertion gives the outcome back, so that a test reads as a sentence.
pub struct Outcome {
    before: Vec<Header>,
    after: Vec<Header>,
    answer: Option<Answer>,
    counted: Vec<String>,
    steps: Vec<Step>,
    unchanged: bool,
    asked: u32,
}

impl Outcome {
    #[track_caller]
    fn forwarded(&self) -> &[Header] {
        assert!(self.answer.is_none(), "answered here: {:?}", self.answer);
        &self.after
    }

    #[track_caller]
    fn one(&self, name: &str) -> String {
        let values = values(self.forwarded(), name);
        assert_eq!(values.len(), 1, "{name} has {} values", values.len());
        values.iter().map(|value| String::from_utf8_lossy(value)).collect()
    }

    /// The upstream sees this authority.
    #[track_caller]
    pub fn forwards_authority(&self, authority: &str) -> &Self {
        assert_eq!(self.one(":authority"), authority);
        self
    }

    /// The upstream sees this path.
    #[track_caller]
    pub fn forwards_path(&self, path: &str) -> &Self {
        assert_eq!(self.one(":path"), path);
        self
    }

    /// The upstream sees the header with exactly this value, and it is not as the client sent it.
    #[track_caller]
    pub fn sets(&self, name: &str, value: &str) -> &Self {
        assert_eq!(self.one(name), value);
        assert_ne!(values(&self.before, name), [value.as_bytes()], "{name} was so already");
        self
    }

    /// The upstream sees the header as the client sent it.
    #[track_caller]
    pub fn keeps(&self, name: &str) -> &Self {
        let before = values(&self.before, name);
        assert!(!before.is_empty(), "the client sent no {name}");
        assert_eq!(values(self.forwarded(), name), before);
        self
    }

    /// The client sent the header, and the upstream does not see it.
    #[track_caller]
    pub fn removes(&self, name: &str) -> &Self {
        assert!(!values(&self.before, name).is_empty(), "the client sent no {name}");
        self.lacks(name)
    }

    /// The upstream does not see the header.
    #[track_caller]
    pub fn lacks(&self, name: &str) -> &Self {
        assert!(values(self.forwarded(), name).is_empty(), "{name} goes upstream");
        self
    }

    /// The request goes on exactly as it came.
    #[track_caller]
    pub fn is_unchanged(&self) -> &Self {
        assert!(self.answer.is_none(), "answered here: {:?}", self.answer);
        assert!(self.unchanged, "changed to\n{}", text(&self.after));
        assert_eq!(text(&self.after), text(&self.before));
        self
    }

    /// The request is answered here.
    #[track_caller]
    pub fn replies(&self, status: u16, details: &str) -> &Self {
        let answer = self.answer.as_ref().expect("an answer");
        assert_eq!((answer.status, answer.details.as_str()), (status, details));
        self
    }

    #[track_caller]
    pub fn says(&self, body: &str) -> &Self {
        assert_eq!(self.answer.as_ref().expect("an answer").body, body);
        self
    }

    #[track_caller]
    pub fn with_grpc_status(&self, status: impl Into<Option<u32>>) -> &Self {
        assert_eq!(self.answer.as_ref().expect("an answer").grpc, status.into());
        self
    }

    /// Exactly these counters are raised.
    #[track_caller]
    pub fn counts(&self, names: &[&str]) -> &Self {
        assert_eq!(self.counted, names);
        self
    }

    /// How often the source address, a hostcall in the filter, was asked for.
    #[track_caller]
    pub fn asked_for_the_source(&self, times: u32) -> &Self {
        assert_eq!(self.asked, times);
        self
    }

    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The request as it goes on; nothing when it is answered here.
    pub fn upstream(&self) -> Option<&[Header]> {
        self.answer.is_none().then_some(self.after.as_slice())
    }

    /// The rule by which it is answered here.
    pub fn details(&self) -> Option<&str> {
        self.answer.as_ref().map(|answer| answer.details.as_str())
    }
}
