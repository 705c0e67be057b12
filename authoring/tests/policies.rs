//! The policies that ship, each held against its own tests by the engine alone: every case of every
//! `tests.yaml`, to the last header. The same files run through the filter itself with
//! `gatepost test`.

use gatepost_authoring::suite::{Case, Forward, Outcome, Routes};
use gatepost_authoring::{FileError, PolicyFile, Render, Suite};
use gatepost_engine::{Policy, Request, Verdict};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const SHIPPED: &[&str] =
    &["all-in-one", "asm-grpc-env", "external-mesh", "knative-gclb", "neg-shared-vpc"];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies").join(name)
}

fn explain(error: FileError) -> String {
    match error {
        FileError::Invalid(report) => Render::Text { color: false }.render(&[report]),
        unreadable => unreadable.to_string(),
    }
}

fn load(name: &str) -> (PolicyFile, Suite) {
    let policy = PolicyFile::read(&folder(name).join("policy.yaml"))
        .unwrap_or_else(|error| panic!("{}", explain(error)));
    let suite = Suite::read(&folder(name).join("tests.yaml"))
        .unwrap_or_else(|error| panic!("{}", explain(error)));
    (policy, suite)
}

/// A header's name with its values in order.
type Headers = BTreeMap<String, Vec<String>>;

/// What goes upstream, or what is answered: written so that two of them compare and print well.
#[derive(Debug, PartialEq)]
enum Fate {
    Upstream { authority: String, path: String, headers: Headers },
    Reply { status: u16, details: Option<String>, grpc_status: Option<u32>, body: Option<String> },
}

fn sent(case: &Case) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in &case.request.headers {
        headers.entry(name.clone()).or_default().push(value.clone());
    }
    headers
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
            let mut headers = sent(case);
            headers.extend(forward.headers.iter().cloned());
            forward.absent.iter().for_each(|name| drop(headers.remove(name)));
            Fate::Upstream {
                authority: forward
                    .authority
                    .clone()
                    .unwrap_or_else(|| case.request.authority.clone()),
                path: forward.path.clone().unwrap_or_else(|| case.request.path.clone()),
                headers,
            }
        }
    }
}

/// What the engine decides, with the decision carried out, and the names of the counters.
fn decided(policy: &Policy, case: &Case) -> (Fate, Vec<String>) {
    let request = &case.request;
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
    let decision = policy.decide(&Request { headers: headers.iter().copied(), source: &source });
    let names = policy.counters();
    let name = |counter| {
        names
            .iter()
            .find(|(known, _)| *known == counter)
            .map(|(_, name)| name.clone())
            .expect("a name")
    };
    let counters = decision.counters.iter().map(name).collect();
    let fate = match decision.verdict {
        Verdict::Forward(writes) => {
            let mut headers = sent(case);
            writes.remove.iter().for_each(|name| drop(headers.remove(*name)));
            headers.extend(
                writes.set.iter().map(|set| (set.name.to_owned(), vec![set.value.to_string()])),
            );
            Fate::Upstream {
                authority: writes.authority.as_deref().unwrap_or(&request.authority).to_owned(),
                path: writes.path.unwrap_or(&request.path).to_owned(),
                headers,
            }
        }
        Verdict::Reply(reply) => {
            let Outcome::Reply(wanted) = &case.expect.outcome else {
                return (
                    Fate::Reply {
                        status: reply.status,
                        details: None,
                        grpc_status: None,
                        body: None,
                    },
                    counters,
                );
            };
            Fate::Reply {
                status: reply.status,
                details: wanted.details.as_ref().map(|_| reply.details.into_owned()),
                grpc_status: reply.grpc_status,
                body: wanted.body.as_ref().map(|_| reply.body.into_owned()),
            }
        }
    };
    (fate, counters)
}

fn answers(routes: &Routes, forward: &Forward, fate: &Fate) -> bool {
    match (fate, &forward.upstream) {
        (Fate::Upstream { authority, .. }, Some(upstream)) => {
            routes.upstream(authority) == Some(upstream)
        }
        _ => true,
    }
}

/// What is wrong with a case, if anything.
fn judge(policy: &Policy, suite: &Suite, case: &Case) -> Option<String> {
    let (fate, mut counters) = decided(policy, case);
    let wanted = expected(case);
    if fate != wanted {
        return Some(format!("expected {wanted:#?}\nbut got  {fate:#?}"));
    }
    if let Outcome::Forward(forward) = &case.expect.outcome
        && !answers(&suite.routes, forward, &fate)
    {
        return Some(format!("{:?} does not answer for it", forward.upstream));
    }
    let mut wanted = case.expect.counters.clone()?;
    wanted.sort();
    counters.sort();
    (wanted != counters).then(|| format!("expected the counters {wanted:?}, but got {counters:?}"))
}

#[test]
fn every_case_of_every_policy_is_what_the_engine_decides() {
    let mut failures = Vec::new();
    for name in SHIPPED {
        let (file, suite) = load(name);
        for case in &suite.cases {
            if let Some(why) = judge(&file.policy, &suite, case) {
                let line = suite.source.line(case.span.start);
                failures.push(format!("{name}/tests.yaml:{line} {}\n{why}\n", case.name));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_policy_has_a_readme_and_at_least_twelve_cases_each_with_its_counters() {
    for name in SHIPPED {
        let (_, suite) = load(name);
        assert!(suite.cases.len() >= 12, "{name} has {} cases", suite.cases.len());
        assert!(
            suite.cases.iter().all(|case| case.expect.counters.is_some()),
            "{name}: a case without counters"
        );
        assert!(folder(name).join("README.md").is_file(), "{name} has no README.md");
    }
}

#[test]
fn every_folder_of_policies_is_held_to_its_tests() {
    let entries = std::fs::read_dir(folder("")).expect("the folder policies");
    let mut folders: Vec<String> = entries
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    folders.sort();
    assert_eq!(folders, SHIPPED);
}

#[test]
fn every_upstream_and_every_health_check_of_a_suite_is_used() {
    for name in SHIPPED {
        let (file, suite) = load(name);
        let counted: Vec<&String> =
            suite.cases.iter().filter_map(|case| case.expect.counters.as_ref()).flatten().collect();
        for (_, counter) in file.policy.counters() {
            assert!(
                !counter.contains("health_check") || counted.contains(&&counter),
                "{name}: no case raises {counter}"
            );
        }
    }
}
