//! The policies that ship, each held against its own tests by the engine alone: every case of every
//! `tests.yaml`, to the last header. The same files run through the filter itself with
//! `gatepost test`.

use gatepost_authoring::mutants::{mutants, surviving};
use gatepost_authoring::suite::mismatch;
use gatepost_authoring::{FileError, PolicyFile, Render, Suite};
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

#[test]
fn every_case_of_every_policy_is_what_the_engine_decides() {
    let mut failures = Vec::new();
    for name in SHIPPED {
        let (file, suite) = load(name);
        for case in &suite.cases {
            if let Some(why) = mismatch(&file.policy, &suite, case) {
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

#[test]
fn no_mutant_of_a_policy_survives_its_tests() {
    let mut survivors = Vec::new();
    for name in SHIPPED {
        let (file, suite) = load(name);
        for survivor in surviving(&file, &suite) {
            let (mutant, witness) = (survivor.mutant, survivor.witness);
            survivors.push(format!("{name}{}: {}\n  {witness:?}", mutant.path, mutant.change));
        }
        let document = serde_json::from_str(&file.json).expect("JSON");
        assert!(mutants(&document).len() >= 15, "{name}: {}", mutants(&document).len());
    }
    assert!(survivors.is_empty(), "{} survive:\n{}", survivors.len(), survivors.join("\n"));
}
