//! Every case of every shipped policy, on the real Envoy and on the embedded gateway. Each
//! observation is judged by the case, and the two are compared with each other, also in what the
//! case does not name.

use gatepost_authoring::suite::Case;
use gatepost_testbed::cases::{Forwarded, Observation, Outcome, Replied, judge, wire};
use gatepost_testbed::echo::ECHO;
use gatepost_testbed::shipped::ALL;
use gatepost_testbed::{GatewayKind, Testbed};

use crate::pair;

/// Response code details that differ between the gateways: Envoy's, and the embedded gateway's.
/// There are none: a local reply of the filter has its details without a prefix in both, and a
/// forwarded request has `via_upstream`.
const DETAILS: &[(&str, &str)] = &[];

/// The result of a case on one gateway.
struct Seen {
    observation: Result<Observation, String>,
    details: Option<String>,
}

async fn play(kind: &GatewayKind, policy: &str, cases: &[Case]) -> Vec<Seen> {
    let (file, suite) = pair::shipped(policy).read().unwrap_or_else(|report| panic!("{report:?}"));
    let routes: Vec<(&str, &str)> =
        suite.routes.iter().map(|route| (route.host.as_str(), route.upstream.as_str())).collect();
    let testbed =
        Testbed::start(kind, &file.json, &routes).await.unwrap_or_else(|error| panic!("{error}"));
    let mut counted = testbed.counters().await.unwrap_or_else(|error| panic!("{error}"));
    let mut observations = Vec::new();
    for case in cases {
        observations.push(testbed.observe(case, &mut counted).await);
    }
    let details = testbed.details(cases.len()).await;
    assert_eq!(
        details.len(),
        cases.len(),
        "a line of the access log for each request of {policy} on {kind:?}: {details:#?}"
    );
    observations
        .into_iter()
        .zip(details)
        .map(|(observation, details)| seen(observation, details))
        .collect()
}

/// The details of a reply, from the access log. Those of a forwarded request are `via_upstream`.
fn seen(mut observation: Result<Observation, String>, details: String) -> Seen {
    if let Ok(Observation { outcome: Outcome::Replied(Replied { details: unknown, .. }), .. }) =
        &mut observation
    {
        *unknown = Some(details.clone());
    }
    Seen { observation, details: Some(details) }
}

/// An observation without the headers that each gateway adds to every request and response.
fn comparable(observation: &Observation) -> Observation {
    let mut observation = observation.clone();
    if let Outcome::Forwarded(Forwarded { headers, .. }) = &mut observation.outcome {
        headers.retain(|(name, _)| {
            !wire::is_added(name) || matches!(name.as_str(), "user-agent" | "content-type" | "te")
        });
        headers.sort_by(|(left, _), (right, _)| left.cmp(right));
    }
    observation.response.retain(|(name, _)| {
        // The echo, and with it its length, has the headers that each gateway added.
        !matches!(name.as_str(), "date" | "server" | "connection" | "content-length" | ECHO)
            && !name.starts_with("x-envoy-")
    });
    observation.response.sort_by(|(left, _), (right, _)| left.cmp(right));
    observation
}

fn same_details(envoy: Option<&str>, embedded: Option<&str>) -> bool {
    envoy == embedded
        || DETAILS.iter().any(|(one, other)| Some(*one) == envoy && Some(*other) == embedded)
}

async fn both_do_what_its_tests_say(policy: &str) {
    let (_, suite) = pair::shipped(policy).read().unwrap_or_else(|report| panic!("{report:?}"));
    let envoy = play(&pair::envoy(), policy, &suite.cases).await;
    let embedded = play(&pair::embedded(), policy, &suite.cases).await;
    let mut failures = Vec::new();
    for ((case, envoy), embedded) in suite.cases.iter().zip(&envoy).zip(&embedded) {
        for (gateway, seen) in [("envoy", envoy), ("embedded", embedded)] {
            match &seen.observation {
                Err(error) => failures.push(format!("{gateway}: {}: {error}", case.name)),
                Ok(observed) => {
                    for mismatch in judge(case, observed, wire::is_added) {
                        failures.push(format!("{gateway}: {}: {mismatch}", case.name));
                    }
                }
            }
        }
        if let (Ok(one), Ok(other)) = (&envoy.observation, &embedded.observation) {
            let (one, other) = (comparable(one), comparable(other));
            if one != other {
                failures.push(format!("{}:\n  envoy    {one:?}\n  embedded {other:?}", case.name));
            }
        }
        if !same_details(envoy.details.as_deref(), embedded.details.as_deref()) {
            failures.push(format!(
                "{}: details: envoy {:?}, embedded {:?}",
                case.name, envoy.details, embedded.details
            ));
        }
    }
    assert!(failures.is_empty(), "{policy}: {} failures\n{}", failures.len(), failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn knative_gclb_gives_the_same_answers_on_both() {
    both_do_what_its_tests_say("knative-gclb").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asm_grpc_env_gives_the_same_answers_on_both() {
    both_do_what_its_tests_say("asm-grpc-env").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn external_mesh_gives_the_same_answers_on_both() {
    both_do_what_its_tests_say("external-mesh").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neg_shared_vpc_gives_the_same_answers_on_both() {
    both_do_what_its_tests_say("neg-shared-vpc").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_in_one_gives_the_same_answers_on_both() {
    both_do_what_its_tests_say("all-in-one").await;
}

#[test]
fn every_shipped_policy_is_played_here() {
    let here = include_str!("shipped.rs");
    for policy in ALL {
        assert!(
            here.contains(&format!("both_do_what_its_tests_say(\"{}\")", policy.name)),
            "{}",
            policy.name
        );
    }
}
