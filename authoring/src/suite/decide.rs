//! What a policy decides on the request of a test and on the response to it, by the engine alone,
//! and whether that is what the test expects.

use super::model::{Case, ExpectedResponse, Outcome, Request, Response, Suite};
use gatepost_engine::{Counter, Owed, Policy, Verdict};
use std::collections::BTreeMap;

/// Names of headers with their values in order.
type Headers = BTreeMap<String, Vec<String>>;

/// A decision, carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// What becomes of the request.
    pub fate: Fate,
    /// The headers that the client gets: the upstream's, or those of the gateway's own answer.
    pub response: BTreeMap<String, Vec<String>>,
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

/// What a policy decides on a request, and on the response if an upstream gives it.
#[must_use]
pub fn decide(policy: &Policy, request: &Request, response: &Response) -> Decided {
    let fields = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let headers: Vec<(&[u8], &[u8])> = request
        .pseudo_headers()
        .into_iter()
        .chain(fields)
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let source = Some(request.source);
    let request_of_engine =
        gatepost_engine::Request { headers: headers.iter().copied(), source: &source };
    let decision = policy.decide(&request_of_engine);
    let upstream: &[(String, String)] = match decision.verdict {
        Verdict::Forward(_) => &response.headers,
        Verdict::Reply(_) => &[],
    };
    let (response, is_restored) = completed(&decision.owed, upstream);
    let names = policy.counters();
    let name = |counter| names.iter().find(|(known, _)| *known == counter).map(|(_, n)| n.clone());
    let counted = decision.counters.iter().chain(is_restored.then_some(Counter::ResponseRestored));
    let mut counters: Vec<String> = counted.filter_map(name).collect();
    counters.sort();
    let fate = match decision.verdict {
        Verdict::Forward(writes) => {
            let mut headers = by_name(&request.headers);
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
    Decided { fate, response, counters }
}

/// The headers of a response with what it owes, and whether one of them was restored.
fn completed(owed: &Owed, headers: &[(String, String)]) -> (Headers, bool) {
    let bytes =
        |(name, value): &(String, String)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let headers: Vec<(Vec<u8>, Vec<u8>)> = headers.iter().map(bytes).collect();
    let pairs = headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
    let changes = owed.changes(&pairs);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let completed = changes.applied(&headers).into_iter();
    let completed: Vec<_> = completed.map(|(name, value)| (text(name), text(value))).collect();
    (by_name(&completed), changes.is_restored)
}

fn by_name(lines: &[(String, String)]) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in lines {
        headers.entry(name.clone()).or_default().push(value.clone());
    }
    headers
}

/// How the decision of a policy differs from what a test of the suite expects; nothing if it does
/// not.
#[must_use]
pub fn mismatch(policy: &Policy, suite: &Suite, case: &Case) -> Option<String> {
    let given = case.response.clone().unwrap_or_default();
    let Decided { fate, response, counters } = decide(policy, &case.request, &given);
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
    for (name, expected) in case.expect.response.iter().flat_map(ExpectedResponse::iter) {
        let found = response.get(name).map(Vec::as_slice).unwrap_or_default();
        if found != expected {
            return Some(format!(
                "expected {name} of the response {expected:?}, but got {found:?}"
            ));
        }
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
            let mut headers = by_name(&case.request.headers);
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

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"{
        "apiVersion": "gatepost/v1",
        "environments": { "sources": [{ "header": "env" }], "allow": ["env1"] },
        "hosts": { "mappings": [{ "host": "shop.test", "authority": "shop.default.example" }] }
    }"#;

    /// What differs where a policy has this change and a test ends in these lines.
    fn found(change: (&str, &str), lines: &str) -> Option<String> {
        let policy = POLICY.replace(change.0, change.1);
        let policy = gatepost_engine::compile_json(policy.as_bytes()).expect("a good policy");
        let text = format!("tests:\n- name: a\n{lines}");
        let suite = Suite::parse("tests.yaml", &text).expect("a good file");
        mismatch(&policy, &suite, &suite.cases[0])
    }

    const LOGIN: &str = "
  request: { authority: shop.test, headers: { env: env1 } }
  response: { status: 302, headers: { location: //shop.default.example/login } }
  expect:
    forward: { authority: shop.default.example }
    response: { headers: { location: //shop.test/login, vary: env }, absent: [set-cookie] }
    counters: [gatepost.environment.selected, gatepost.host.mapped, gatepost.response.restored]
";

    #[test]
    fn a_response_of_an_upstream_is_compared_and_its_counter_is_too() {
        assert_eq!(found(("", ""), LOGIN), None);
        assert_eq!(
            found((r#""mappings""#, r#""responses": "keep", "mappings""#), LOGIN).as_deref(),
            Some(
                "expected location of the response [\"//shop.test/login\"], but got \
                 [\"//shop.default.example/login\"]"
            )
        );
        assert_eq!(
            found((r#""allow""#, r#""vary": "keep", "allow""#), LOGIN).as_deref(),
            Some(r#"expected vary of the response ["env"], but got []"#)
        );
    }

    #[test]
    fn so_is_an_answer_of_the_gateway() {
        let lines = "
  request: { authority: shop.test, headers: { env: env9 } }
  expect: { reply: { status: 404 }, response: { absent: [vary] } }
";
        assert_eq!(
            found(("", ""), lines).as_deref(),
            Some(r#"expected vary of the response [], but got ["env"]"#)
        );
    }
}
