//! A decision, carried out as a proxy does it, with the checks that apply to every decision.

use std::cell::Cell;
use std::fmt;
use std::net::IpAddr;

use gatepost_engine::{
    Counters, Owed, Policy, Reply, Request, SetHeader, SourceAddress, Step, Verdict, Writes,
};

/// A header's name, in lower case, and its value.
pub type Header = (Vec<u8>, Vec<u8>);

/// A request as the gateway receives it.
#[derive(Clone)]
pub struct Arrival {
    /// Its headers, pseudo-headers among them.
    pub headers: Vec<Header>,
    /// Where it comes from.
    pub source: Option<IpAddr>,
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {:?}", text(&self.headers), self.source)
    }
}

/// Headers as a person reads them.
#[must_use]
pub fn text(headers: &[Header]) -> String {
    let line =
        |(name, value): &Header| format!("{}: {}", name.escape_ascii(), value.escape_ascii());
    headers.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The values of a header.
#[must_use]
pub fn values<'h>(headers: &'h [Header], name: &str) -> Vec<&'h [u8]> {
    headers
        .iter()
        .filter(|(known, _)| known == name.as_bytes())
        .map(|(_, value)| value.as_slice())
        .collect()
}

/// The authority of a request: the last value, because a proxy's header map keeps only that.
#[must_use]
pub fn authority_of(headers: &[Header]) -> &[u8] {
    values(headers, ":authority").last().copied().unwrap_or_default()
}

/// The outcome of a request.
#[derive(Debug)]
pub struct Carried {
    /// The forwarded request; nothing when the gateway answers it itself.
    pub upstream: Option<Vec<Header>>,
    /// The gateway's own answer.
    pub reply: Option<Reply<'static>>,
    /// What the response owes, the gateway's own answer included.
    pub owed: Owed,
    /// The names of the counters that are raised.
    pub counted: Vec<String>,
    /// The explanation.
    pub steps: Vec<Step>,
    /// Nothing was written.
    pub unchanged: bool,
    /// How often the source address was read, which is a hostcall in the filter.
    pub asked: u32,
}

impl Carried {
    /// The health check that matched.
    #[must_use]
    pub fn health_check(&self) -> Option<&str> {
        match self.steps.last() {
            Some(Step::HealthCheck { name, failed: None }) => Some(name),
            _ => None,
        }
    }
}

/// A source address that counts how often it is read.
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

/// Decides on a request, and carries the decision out.
///
/// # Panics
/// When the decision with a trace differs from the one without, a counter is unknown, or a write
/// changes nothing.
#[track_caller]
pub fn carry_out(policy: &Policy, arrival: &Arrival) -> Carried {
    let source = Source { address: arrival.source, asked: Cell::new(0) };
    let pairs = arrival.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
    let request = Request { headers: pairs, source: &source };
    let decision = policy.decide(&request);
    let asked = source.asked.get();
    let mut steps: Vec<Step> = Vec::new();
    assert_eq!(
        policy.decide_traced(&request, &mut steps),
        decision,
        "the decision with a trace differs"
    );
    let counted = names(policy, decision.counters);
    let owed = decision.owed;
    let (upstream, reply, unchanged) = match decision.verdict {
        Verdict::Forward(writes) => {
            every_write_changes_something(&arrival.headers, &writes);
            (Some(apply(&arrival.headers, &writes)), None, writes.is_empty())
        }
        Verdict::Reply(reply) => (None, Some(owned(reply)), false),
    };
    Carried { upstream, reply, owed, counted, steps, unchanged, asked }
}

fn owned(reply: Reply<'_>) -> Reply<'static> {
    let Reply { status, details, body, grpc_status } = reply;
    Reply {
        status,
        details: details.into_owned().into(),
        body: body.into_owned().into(),
        grpc_status,
    }
}

fn names(policy: &Policy, counters: Counters) -> Vec<String> {
    let known = policy.counters();
    let name =
        |counter| known.iter().find(|(known, _)| *known == counter).map(|(_, name)| name.clone());
    counters
        .iter()
        .map(|counter| name(counter).expect("a counter that the policy defines"))
        .collect()
}

/// Applies writes as a proxy does: first it removes headers, then it sets headers, which replaces
/// or adds them.
#[must_use]
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
        match same.next_back() {
            Some((_, last)) => *last = value.into(),
            None => headers.push((name.into(), value.into())),
        }
    }
    headers
}

/// "Writes happen once, only where the value changes."
#[track_caller]
fn every_write_changes_something(headers: &[Header], writes: &Writes<'_>) {
    let values = |name: &str| values(headers, name);
    if let Some(authority) = writes.authority.as_deref() {
        assert_ne!(
            values(":authority").last(),
            Some(&authority.as_bytes()),
            "the authority is written unchanged"
        );
    }
    if let Some(path) = writes.path {
        assert_ne!(values(":path").last(), Some(&path.as_bytes()), "the path is written unchanged");
    }
    for (at, name) in writes.remove.iter().enumerate() {
        assert!(!values(name).is_empty(), "{name} is removed, but was not there");
        assert!(!writes.remove[..at].contains(name), "{name} is removed twice");
    }
    for (at, SetHeader { name, value, replaces }) in writes.set.iter().enumerate() {
        assert_ne!(values(name), [value.as_bytes()], "{name} is written unchanged");
        assert!(!writes.set[..at].iter().any(|other| other.name == *name), "{name} is set twice");
        let left = if writes.remove.contains(name) { 0 } else { values(name).len() };
        assert_eq!(
            left,
            usize::from(*replaces),
            "{name}: after the removals it must have one value to replace, or none"
        );
    }
}
