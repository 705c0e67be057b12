//! What a policy decides on the request of a test, by the engine alone, and whether that is what
//! the test expects.

use super::model::{Case, Outcome, Request, Suite};
use gatepost_engine::{Policy, Verdict};
use std::collections::BTreeMap;

/// Names of headers with their values in order.
type Headers = BTreeMap<String, Vec<String>>;

/// A decision, carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// What becomes of the request.
    pub fate: Fate,
    /// The counters that go up, by name.
    pub counters: Vec<String>,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It goes upstream.
    Upstream {
        /// With this authority.
        authority: String,
        /// With this path and query.
        path: String,
        /// With these headers.
        headers: BTreeMap<String, Vec<String>>,
    },
    /// The gateway answers it.
    Reply {
        /// The HTTP status.
        status: u16,
        /// The response code details.
        details: Option<String>,
        /// The gRPC status.
        grpc_status: Option<u32>,
        /// The body.
        body: Option<String>,
    },
}

/// What a policy decides on a request.
#[must_use]
pub fn decide(policy: &Policy, request: &Request) -> Decided {
    let pseudo = [
        (":method", &request.method),
        (":path", &request.path),
        (":authority", &request.authority),
    ];
    let fields = request.headers.iter().map(|(name, value)| (name.as_str(), value));
    let headers: Vec<(&[u8], &[u8])> = pseudo
        .into_iter()
        .chain(fields)
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let source = Some(request.source);
    let request_of_engine =
        gatepost_engine::Request { headers: headers.iter().copied(), source: &source };
    let decision = policy.decide(&request_of_engine);
    let names = policy.counters();
    let name = |counter| names.iter().find(|(known, _)| *known == counter).map(|(_, n)| n.clone());
    let mut counters: Vec<String> = decision.counters.iter().filter_map(name).collect();
    counters.sort();
    let fate = match decision.verdict {
        Verdict::Forward(writes) => {
            let mut headers = sent(request);
            writes.remove.iter().for_each(|name| drop(headers.remove(*name)));
            let set = |set: &gatepost_engine::SetHeader<'_>| {
                (set.name.to_owned(), vec![set.value.clone()])
            };
            headers.extend(writes.set.iter().map(set));
            Fate::Upstream {
                authority: writes.authority.unwrap_or_else(|| request.authority.clone()),
                path: writes.path.unwrap_or(&request.path).to_owned(),
                headers,
            }
        }
        Verdict::Reply(reply) => Fate::Reply {
            status: reply.status,
            details: Some(reply.details.into_owned()),
            grpc_status: reply.grpc_status,
            body: Some(reply.body.into_owned()),
        },
    };
    Decided { fate, counters }
}

fn sent(request: &Request) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in &request.headers {
        headers.entry(name.clone()).or_default().push(value.clone());
    }
    headers
}

/// How the decision of a policy differs from what a test of the suite expects; nothing if it does
/// not.
#[must_use]
pub fn mismatch(policy: &Policy, suite: &Suite, case: &Case) -> Option<String> {
    let Decided { fate, counters } = decide(policy, &case.request);
    let (expected, fate) = (expected(case), only_what_is_expected(fate, case));
    if fate != expected {
        return Some(format!("expected {expected:#?}\nbut got  {fate:#?}"));
    }
    if let (Outcome::Forward(forward), Fate::Upstream { authority, .. }) =
        (&case.expect.outcome, &fate)
        && let Some(upstream) = &forward.upstream
        && suite.routes.upstream(authority) != Some(upstream)
    {
        return Some(format!("{upstream} does not answer for {authority}"));
    }
    let mut expected = case.expect.counters.clone()?;
    expected.sort();
    (expected != counters)
        .then(|| format!("expected the counters {expected:?}, but got {counters:?}"))
}

fn expected(case: &Case) -> Fate {
    match &case.expect.outcome {
        Outcome::Reply(reply) => Fate::Reply {
            status: reply.status,
            details: reply.details.clone(),
            grpc_status: reply.grpc_status.map(u32::from),
            body: reply.body.clone(),
        },
        Outcome::Forward(forward) => {
            let mut headers = sent(&case.request);
            headers.extend(forward.headers.iter().cloned());
            forward.absent.iter().for_each(|name| drop(headers.remove(name)));
            let or_sent =
                |text: &Option<String>, sent: &String| text.as_ref().unwrap_or(sent).clone();
            Fate::Upstream {
                authority: or_sent(&forward.authority, &case.request.authority),
                path: or_sent(&forward.path, &case.request.path),
                headers,
            }
        }
    }
}

/// A reply without the parts about which the test says nothing.
fn only_what_is_expected(fate: Fate, case: &Case) -> Fate {
    match (fate, &case.expect.outcome) {
        (Fate::Reply { status, details, grpc_status, body }, Outcome::Reply(reply)) => {
            Fate::Reply {
                status,
                details: details.filter(|_| reply.details.is_some()),
                grpc_status,
                body: body.filter(|_| reply.body.is_some()),
            }
        }
        (fate, _) => fate,
    }
}
