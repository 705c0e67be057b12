//! Parity with Envoy: what guests do on a real Envoy, scenario by scenario, held in snapshots/ as the measure of the embedded host.
//! A scenario is data in corpus/: plugins with scripts for the probe guest, requests, and what the upstream answers.
//!
//! All scenarios run at once on one Envoy. `GATEPOST_PARITY=bodies/` runs those whose name contains it, and prints them.

mod callee;
mod client;
mod envoy;
mod scenario;
mod seen;
mod upstream;

use std::sync::LazyLock;

use scenario::Scenario;
use seen::Seen;

const CORPUS: &[(&str, &str)] = &[
    ("bodies", include_str!("corpus/bodies.yaml")),
    ("callouts", include_str!("corpus/callouts.yaml")),
    ("closing", include_str!("corpus/closing.yaml")),
    ("grpc", include_str!("corpus/grpc.yaml")),
    ("headers", include_str!("corpus/headers.yaml")),
    ("lifecycle", include_str!("corpus/lifecycle.yaml")),
    ("limits", include_str!("corpus/limits.yaml")),
    ("local_replies", include_str!("corpus/local_replies.yaml")),
    ("pausing", include_str!("corpus/pausing.yaml")),
    ("properties", include_str!("corpus/properties.yaml")),
    ("routes", include_str!("corpus/routes.yaml")),
    ("services", include_str!("corpus/services.yaml")),
    ("traps", include_str!("corpus/traps.yaml")),
];

/// What Envoy did, once for all tests.
static ENVOY: LazyLock<Vec<(Scenario, Seen)>> = LazyLock::new(|| {
    let scenarios: Vec<Scenario> = CORPUS.iter().flat_map(|(file, text)| scenario::read(file, text)).collect();
    measure(scenarios)
});

fn measure(scenarios: Vec<Scenario>) -> Vec<(Scenario, Seen)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let seen = runtime.block_on(envoy::run(&scenarios));
    scenarios.into_iter().zip(seen).collect()
}

/// Whether only chosen scenarios are to run.
fn only() -> Option<String> {
    std::env::var("GATEPOST_PARITY").ok()
}

/// The scenarios of a file and what was seen of each, as text.
fn told(file: &str, seen: &[(Scenario, Seen)]) -> String {
    let of_file = seen.iter().filter(|(scenario, _)| scenario.file == file);
    of_file.map(|(scenario, seen)| format!("{}:\n{}", scenario.name, seen.told())).collect::<Vec<_>>().join("\n")
}

fn envoy_does_as_recorded(file: &'static str) {
    if only().is_none() {
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(file, told(file, &ENVOY));
        });
    }
}

macro_rules! envoy_does_as_recorded {
    ($($file:ident)*) => {
        mod envoy_does_as_recorded {
            $(#[test] fn $file() { super::envoy_does_as_recorded(stringify!($file)); })*

            #[test]
            fn in_every_file_of_the_corpus() {
                let files: Vec<&str> = super::CORPUS.iter().map(|(file, _)| *file).collect();
                assert_eq!(files, [$(stringify!($file)),*]);
            }
        }
    };
}

envoy_does_as_recorded! {
    bodies callouts closing grpc headers lifecycle limits local_replies pausing properties routes services traps
}

#[test]
fn the_scenarios_that_are_asked_for_are_printed() {
    let Some(only) = only() else { return };
    let scenarios: Vec<Scenario> = CORPUS.iter().flat_map(|(file, text)| scenario::read(file, text)).collect();
    let chosen = scenarios.into_iter().filter(|scenario| format!("{}/{}", scenario.file, scenario.name).contains(&only));
    for (scenario, seen) in measure(chosen.collect()) {
        println!("{}/{}:\n{}", scenario.file, scenario.name, seen.told());
    }
}
