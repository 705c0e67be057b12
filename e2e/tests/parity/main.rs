//! Parity with Envoy. snapshots/ holds what guests do on a real Envoy, scenario by scenario, and
//! the embedded host must do the same. A scenario is data in corpus/: plugins with scripts for the
//! probe guest, requests, and what the upstream answers. Where the host differs on purpose,
//! docs/host/parity.md gives the reason, and snapshots/host_*.snap has the host's result.
//!
//! All scenarios run at once on one Envoy. `GATEPOST_PARITY=bodies/` runs those whose name contains
//! it, and prints them.

mod callee;
mod client;
mod client_http1;
mod envoy;
mod host;
mod host_message;
mod host_world;
mod scenario;
mod seen;
mod sweep;
mod upstream;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use scenario::Scenario;
use seen::Seen;

type Scenarios = fn() -> Vec<Scenario>;

/// The files of the corpus and the sweep, each with its scenarios.
const CORPUS: &[(&str, Scenarios)] = &[
    ("bodies", || scenario::read("bodies", include_str!("corpus/bodies.yaml"))),
    ("callouts", || scenario::read("callouts", include_str!("corpus/callouts.yaml"))),
    ("closing", || scenario::read("closing", include_str!("corpus/closing.yaml"))),
    ("grpc", || scenario::read("grpc", include_str!("corpus/grpc.yaml"))),
    ("headers", || scenario::read("headers", include_str!("corpus/headers.yaml"))),
    ("lifecycle", || scenario::read("lifecycle", include_str!("corpus/lifecycle.yaml"))),
    ("limits", || scenario::read("limits", include_str!("corpus/limits.yaml"))),
    ("local_replies", || {
        scenario::read("local_replies", include_str!("corpus/local_replies.yaml"))
    }),
    ("pausing", || scenario::read("pausing", include_str!("corpus/pausing.yaml"))),
    ("properties", || scenario::read("properties", include_str!("corpus/properties.yaml"))),
    ("responses", || scenario::read("responses", include_str!("corpus/responses.yaml"))),
    ("routes", || scenario::read("routes", include_str!("corpus/routes.yaml"))),
    ("services", || scenario::read("services", include_str!("corpus/services.yaml"))),
    ("sweep", sweep::scenarios),
    ("traps", || scenario::read("traps", include_str!("corpus/traps.yaml"))),
];

/// The results on Envoy, measured once for all tests.
static ENVOY: LazyLock<Vec<(Scenario, Seen)>> = LazyLock::new(|| {
    let scenarios: Vec<Scenario> = CORPUS.iter().flat_map(|(_, scenarios)| scenarios()).collect();
    measure(scenarios)
});

fn measure(scenarios: Vec<Scenario>) -> Vec<(Scenario, Seen)> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let seen = runtime.block_on(envoy::run(&scenarios));
    scenarios.into_iter().zip(seen).collect()
}

/// The part of a name that selects scenarios, if only some are to run.
fn only() -> Option<String> {
    std::env::var("GATEPOST_PARITY").ok()
}

/// The scenarios of a file and what was seen of each, as text.
fn text_of(file: &str, seen: &[(Scenario, Seen)]) -> String {
    let of_file = seen.iter().filter(|(scenario, _)| scenario.file == file);
    of_file
        .map(|(scenario, seen)| format!("{}:\n{}", scenario.name, shown(scenario, seen)))
        .collect::<Vec<_>>()
        .join("\n")
}

/// What was seen of a scenario, as text. The sweep closes streams in every callback: whether the
/// head of a request that is closed reaches the upstream first differs from run to run in Envoy.
fn shown(scenario: &Scenario, seen: &Seen) -> String {
    let is_race = |line: &str| {
        scenario.file == "sweep"
            && scenario.name.starts_with("close ")
            && line.starts_with("  main ")
            && line.ends_with(" \"\"  cut\n")
    };
    seen.text().split_inclusive('\n').filter(|line| !is_race(line)).collect()
}

fn envoy_does_as_recorded(file: &'static str) {
    if only().is_none() {
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(file, text_of(file, &ENVOY));
        });
    }
}

/// The scenarios of a file that Envoy's snapshot holds, by name.
fn recorded(file: &str) -> BTreeMap<String, String> {
    let path = format!("{}/tests/parity/snapshots/{file}.snap", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let body = text.splitn(3, "---\n").nth(2).unwrap_or_else(|| panic!("{path} is no snapshot"));
    let scenario = |block: &str| {
        let (name, text) = block
            .split_once(":\n")
            .unwrap_or_else(|| panic!("{path}: `{block}` names no scenario"));
        (name.to_owned(), text.trim_end().to_owned())
    };
    body.split("\n\n").filter(|block| !block.trim().is_empty()).map(scenario).collect()
}

/// The host must do what Envoy did. Its differences are listed in docs/host/parity.md, and are in a
/// snapshot of their own.
fn the_host_does_as_envoy(file: &'static str) {
    let recorded = recorded(file);
    let (_, scenarios) = CORPUS.iter().find(|(name, _)| *name == file).expect("a file");
    let scenarios = scenarios();
    assert_eq!(
        scenarios.len(),
        recorded.len(),
        "the snapshot of {file} has other scenarios than its corpus"
    );
    let text = |(number, scenario): (usize, &Scenario)| {
        (scenario.name.clone(), shown(scenario, &host::run(number, scenario)).trim_end().to_owned())
    };
    let differs: Vec<(String, String)> = scenarios
        .iter()
        .enumerate()
        .map(text)
        .filter(|(name, text)| recorded.get(name) != Some(text))
        .collect();
    let listed: Vec<&str> = listed(file).collect();
    let names: Vec<&str> = differs.iter().map(|(name, _)| name.as_str()).collect();
    let blocks: Vec<String> =
        differs.iter().map(|(name, text)| format!("{name}:\n{text}\n")).collect();
    let (only_here, only_listed): (Vec<&str>, Vec<&str>) = (
        names.iter().copied().filter(|name| !listed.contains(name)).collect(),
        listed.iter().copied().filter(|name| !names.contains(name)).collect(),
    );
    assert!(
        only_here.is_empty() && only_listed.is_empty(),
        "{file}: differ and are not in docs/host/parity.md: {only_here:?}; \
         are there and do not differ: {only_listed:?}\n{}",
        blocks.join("\n")
    );
    if !blocks.is_empty() {
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("host_{file}"), blocks.join("\n"));
        });
    }
}

/// The scenarios of a file that docs/host/parity.md lists as different: rows of its table begin
/// with `| file: scenario |`.
fn listed(file: &str) -> impl Iterator<Item = &'static str> {
    let prefix = format!("| {file}: ");
    let rows = include_str!("../../../docs/host/parity.md").lines();
    rows.filter_map(move |row| {
        row.strip_prefix(prefix.as_str())?.split(" | ").next().map(str::trim)
    })
}

macro_rules! on_both {
    ($($file:ident)*) => {
        mod the_host_does_as_envoy {
            $(#[test] fn $file() { super::the_host_does_as_envoy(stringify!($file)); })*
        }

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

on_both! {
    bodies callouts closing grpc headers lifecycle limits local_replies pausing properties
    responses routes services sweep traps
}

#[test]
fn the_scenarios_that_are_asked_for_are_printed() {
    let Some(only) = only() else { return };
    let scenarios: Vec<Scenario> = CORPUS.iter().flat_map(|(_, scenarios)| scenarios()).collect();
    let chosen = scenarios
        .into_iter()
        .filter(|scenario| format!("{}/{}", scenario.file, scenario.name).contains(&only));
    for (scenario, seen) in measure(chosen.collect()) {
        println!("{}/{}:\n{}", scenario.file, scenario.name, seen.text());
    }
}
