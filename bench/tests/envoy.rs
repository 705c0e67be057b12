//! Every arm does its work in a real Envoy, and the benchmark runs from its requests to its plots.
//! Nothing is decided by time. The requests are sent by this process, so no load generator is
//! needed.

use std::time::Duration;

use gatepost_bench::envoy::arm::Arm;
use gatepost_bench::envoy::load::Load;
use gatepost_bench::envoy::plan::{Stage, stages};
use gatepost_bench::envoy::policy::Size;
use gatepost_bench::envoy::report::EnvoyReport;
use gatepost_bench::envoy::workload::{WORKLOADS, Workload};
use gatepost_bench::envoy::{Pace, measure, module, plot};

/// Two rounds of one request or a few each.
const PACE: Pace = Pace { rounds: 2, time: Duration::from_millis(1) };

#[test]
fn every_arm_does_the_work_of_every_workload_and_is_measured_at_it() {
    let filter = Arm::filter("another.wasm", gatepost_filter_wasm::MODULE.to_vec());
    let mut stages = stages(|_| true, &[filter]);
    // The same arms with policies that start quickly.
    for (number, stage) in stages.iter_mut().enumerate().skip(1) {
        stage.size = Size { mappings: 10 * number + 3, environments: 10 * number + 3 };
    }
    let figures = measure(&stages, &Load::OneConnection, PACE).unwrap();

    let expected: usize = stages.iter().map(|stage| stage.arms.len() * stage.workloads.len()).sum();
    assert_eq!(figures.len(), expected);
    assert!(
        figures
            .iter()
            .all(|figure| figure.rounds.len() == PACE.rounds && figure.nanoseconds.least > 0.0)
    );

    assert!(
        plot::added(&figures, 0.0).is_some()
            && plot::environments(&figures).is_some()
            && plot::mappings(&figures).is_some()
    );
    let report = EnvoyReport::new(PACE, figures, Vec::new());
    assert!(report.noise().is_some());
    let text = report.text();
    for workload in WORKLOADS {
        for other in [Arm::lua(), Arm::native(), Arm::empty(), Arm::careful(), Arm::naive()] {
            let compared = format!("{}: CPU added, to that of {}", workload.name(), other.name);
            assert!(text.contains(&compared), "{text}");
        }
    }
}

#[test]
fn an_arm_that_does_less_than_its_work_is_refused() {
    // The empty module passed off as one that carries out the policy.
    let Arm { kind, .. } = Arm::empty();
    let gatepost_bench::envoy::arm::Kind::Wasm { module, .. } = kind else { panic!("a module") };
    let stage = Stage {
        size: Size { mappings: 3, environments: 3 },
        arms: vec![Arm::nothing(), Arm::filter("idle.wasm", module)],
        workloads: vec![Workload::MappedHost],
    };
    let error = measure(&[stage], &Load::OneConnection, PACE).unwrap_err().to_string();
    assert!(error.starts_with("idle.wasm must answer"), "{error}");
    assert!(error.contains("s1.default.example.com") && error.contains("unrouted"), "{error}");
}

#[test]
fn the_filter_accepts_a_hundred_thousand_mappings_again_and_again() {
    let figures = module::measure("Gatepost", gatepost_filter_wasm::MODULE, 1).unwrap();
    assert_eq!(figures.bytes, gatepost_filter_wasm::MODULE.len());
    assert!(figures.large_memory > figures.small_memory);
}
