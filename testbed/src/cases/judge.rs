//! Compares what was observed with what a case expects. The whole forwarded request is compared:
//! what the case does not name must arrive as it was sent.

use std::collections::BTreeMap;
use std::fmt;

use gatepost_authoring::Diagnostic;
use gatepost_authoring::suite::{self, Case, ExpectedResponse};

use super::observation::{Forwarded, Observation, Outcome, Replied};

/// Everything in which an observation differs from the case, without a place in a file. `added`
/// says which headers the gateway itself sets on every request: they are not compared.
#[must_use]
pub fn judge(case: &Case, observed: &Observation, added: impl Fn(&str) -> bool) -> Vec<Diagnostic> {
    let mut judge = Judge(Vec::new());
    match (&case.expect.outcome, &observed.outcome) {
        (suite::Outcome::Forward(expected), Outcome::Forwarded(found)) => {
            judge.forwarded(case, expected, found, added);
            judge.response(case, &observed.response);
        }
        (suite::Outcome::Reply(expected), Outcome::Replied(found)) => {
            judge.replied(expected, found);
            judge.response(case, &observed.response);
        }
        (suite::Outcome::Forward(_), Outcome::Replied(found)) => {
            judge.differs("outcome", "it goes upstream", &reply(found));
        }
        (suite::Outcome::Forward(_), Outcome::Stopped) => {
            judge.differs("outcome", "it goes upstream", "it was stopped");
        }
        (suite::Outcome::Reply(expected), Outcome::Stopped) => {
            judge.differs("outcome", &format!("a reply {}", expected.status), "it was stopped");
        }
        (suite::Outcome::Reply(expected), Outcome::Forwarded(found)) => {
            judge.differs(
                "outcome",
                &format!("a reply {}", expected.status),
                &format!("it went to {}", found.authority),
            );
        }
    }
    if let (Some(expected), Some(found)) = (&case.expect.counters, &observed.counters) {
        let expected: BTreeMap<String, u64> =
            expected.iter().map(|name| (name.clone(), 1)).collect();
        if expected != *found {
            judge.differs("counters", &counters(&expected), &counters(found));
        }
    }
    judge.0
}

fn reply(found: &Replied) -> String {
    let status = found.status.map(|status| format!(" {status}")).unwrap_or_default();
    let grpc = found.grpc_status.map(|status| format!(" grpc-status {status}")).unwrap_or_default();
    let details =
        found.details.as_deref().map(|details| format!(" ({details})")).unwrap_or_default();
    format!("a reply{status}{grpc}{details}")
}

fn counters(counters: &BTreeMap<String, u64>) -> String {
    let list: Vec<String> = counters
        .iter()
        .map(|(name, by)| match by {
            1 => name.clone(),
            by => format!("{name} by {by}"),
        })
        .collect();
    if list.is_empty() { "none".to_owned() } else { list.join(", ") }
}

struct Judge(Vec<Diagnostic>);

impl Judge {
    fn differs(&mut self, what: &str, expected: &str, found: &str) {
        self.0.push(Diagnostic::mismatch(what, expected, found));
    }

    fn compare<T: PartialEq + fmt::Debug>(&mut self, what: &str, expected: &T, found: &T) {
        if expected != found {
            self.differs(what, &format!("{expected:?}"), &format!("{found:?}"));
        }
    }

    fn forwarded(
        &mut self,
        case: &Case,
        expected: &suite::Forward,
        found: &Forwarded,
        added: impl Fn(&str) -> bool,
    ) {
        self.compare(
            "authority",
            expected.authority.as_ref().unwrap_or(&case.request.authority),
            &found.authority,
        );
        self.compare("path", expected.path.as_ref().unwrap_or(&case.request.path), &found.path);
        if let (Some(expected), Some(found)) = (&expected.upstream, &found.upstream) {
            self.compare("upstream", expected, found);
        }
        let mut names: Vec<&str> =
            case.request.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.extend(expected.headers.iter().map(|(name, _)| name.as_str()));
        names.extend(
            found.headers.iter().map(|(name, _)| name.as_str()).filter(|name| !added(name)),
        );
        names.sort_unstable();
        names.dedup();
        for name in names {
            let named =
                expected.headers.iter().find(|(other, _)| other == name).map(|(_, values)| values);
            let wanted: Vec<&str> = match named {
                Some(values) => values.iter().map(String::as_str).collect(),
                None if expected.absent.iter().any(|absent| absent == name) => Vec::new(),
                None => lines(&case.request.headers, name),
            };
            let arrived = lines(&found.headers, name);
            if wanted != arrived {
                self.differs(&format!("header {name}"), &values(&wanted), &values(&arrived));
            }
        }
    }

    fn response(&mut self, case: &Case, found: &[(String, String)]) {
        for (name, wanted) in case.expect.response.iter().flat_map(ExpectedResponse::iter) {
            let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
            let arrived = lines(found, name);
            if wanted != arrived {
                self.differs(
                    &format!("response header {name}"),
                    &values(&wanted),
                    &values(&arrived),
                );
            }
        }
    }

    fn replied(&mut self, expected: &suite::Reply, found: &Replied) {
        if let Some(status) = found.status {
            self.compare("status", &expected.status, &status);
        }
        if let (Some(expected), Some(found)) = (&expected.details, &found.details) {
            self.compare("details", expected, found);
        }
        if let Some(expected) = expected.grpc_status {
            self.compare("gRPC status", &Some(u32::from(expected)), &found.grpc_status);
        }
        if let (Some(expected), Some(found)) = (&expected.body, &found.body) {
            self.compare("body", expected, found);
        }
    }
}

/// The values of a header, one for each line.
fn lines<'h>(headers: &'h [(String, String)], name: &str) -> Vec<&'h str> {
    let lines = headers.iter().filter(|(known, _)| known == name);
    lines.map(|(_, value)| value.as_str()).collect()
}

fn values(values: &[&str]) -> String {
    match values {
        [] => "none".to_owned(),
        [value] => format!("{value:?}"),
        several => format!("{several:?}"),
    }
}

#[cfg(test)]
mod tests {
    use gatepost_authoring::Suite;

    use super::*;

    fn case(expect: &str) -> Case {
        let request = "{ authority: a.example, headers: { env: env1, x: z } }";
        let text = format!("tests:\n- name: one\n  request: {request}\n  expect: {expect}\n");
        Suite::parse("tests.yaml", &text).expect("a good suite").cases.remove(0)
    }

    fn forwarded(headers: &[(&str, &str)]) -> Observation {
        let headers =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let outcome =
            Forwarded { authority: "a.example".into(), path: "/".into(), headers, upstream: None };
        Observation {
            outcome: Outcome::Forwarded(outcome),
            response: Vec::new(),
            counters: Some(BTreeMap::new()),
        }
    }

    fn found(expect: &str, observed: &Observation) -> Vec<String> {
        judge(&case(expect), observed, |name| name == "x-request-id")
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_request_that_arrives_as_it_was_sent_meets_an_empty_expectation() {
        assert_eq!(
            found(
                "{ forward: {} }",
                &forwarded(&[("env", "env1"), ("x", "z"), ("x-request-id", "1")])
            ),
            [""; 0]
        );
    }

    #[test]
    fn a_header_that_is_lost_added_or_changed_without_being_named_is_a_mismatch() {
        assert_eq!(
            found("{ forward: {} }", &forwarded(&[("env", "env2"), ("hint", "env2")])),
            [
                "header env: expected \"env1\", found \"env2\"",
                "header hint: expected none, found \"env2\"",
                "header x: expected \"z\", found none"
            ]
        );
    }

    #[test]
    fn a_counter_that_goes_up_unasked_is_a_mismatch() {
        let mut observed = forwarded(&[("env", "env1"), ("x", "z")]);
        observed.counters = Some([("gatepost.host.mapped".to_owned(), 1)].into());
        assert_eq!(
            found("{ forward: {}, counters: [] }", &observed),
            ["counters: expected none, found gatepost.host.mapped"]
        );
    }

    #[test]
    fn a_response_has_the_expected_values_in_their_order_and_lacks_what_is_absent() {
        let mut observed = forwarded(&[("env", "env1"), ("x", "z")]);
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        observed.response = vec![
            header("set-cookie", "b=2"),
            header("location", "http://a.example/"),
            header("set-cookie", "a=1"),
            header("server", "envoy"),
        ];
        let expect = "{ forward: {}, response: { headers: { set-cookie: [b=2, a=1] }, \
            absent: [vary] } }";
        assert_eq!(found(expect, &observed), [""; 0]);
        let expect = "{ forward: {}, response: { headers: { set-cookie: [a=1, b=2], vary: env }, \
            absent: [location] } }";
        assert_eq!(
            found(expect, &observed),
            [
                "response header set-cookie: expected [\"a=1\", \"b=2\"], found [\"b=2\", \"a=1\"]",
                "response header vary: expected \"env\", found none",
                "response header location: expected none, found \"http://a.example/\"",
            ]
        );
    }

    #[test]
    fn a_reply_where_a_request_should_pass_is_a_mismatch() {
        let replied = Replied {
            status: Some(404),
            details: Some("gatepost.host.private".into()),
            ..Replied::default()
        };
        let observed = Observation {
            outcome: Outcome::Replied(replied),
            response: Vec::new(),
            counters: None,
        };
        assert_eq!(
            found("{ forward: {} }", &observed),
            ["outcome: expected it goes upstream, found a reply 404 (gatepost.host.private)"]
        );
        assert_eq!(
            found("{ reply: { status: 400, details: gatepost.host.invalid } }", &observed),
            [
                "status: expected 400, found 404",
                "details: expected \"gatepost.host.invalid\", found \"gatepost.host.private\""
            ]
        );
    }
}
