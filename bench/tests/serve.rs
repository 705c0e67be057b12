//! The embedded gateway and Envoy do the work that they are compared at. Nothing is decided by
//! time, and the requests are sent by this process.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use gatepost_bench::envoy::Pace;
use gatepost_bench::envoy::load::Load;
use gatepost_bench::serve::report::ServeReport;
use gatepost_bench::serve::{CONTROL, ENVOY, SERVE, command, measure};

/// The command, where only this crate is tested: the tests of the workspace have built it before.
fn built() -> PathBuf {
    let build = ["build", "--workspace", "--bin", "gatepost"];
    assert!(Command::new(env!("CARGO")).args(build).status().unwrap().success());
    command().unwrap()
}

#[test]
fn the_embedded_gateway_and_envoy_are_compared_at_the_same_request() {
    let command = command().unwrap_or_else(|_| built());
    let pace = Pace { rounds: 2, time: Duration::from_millis(1) };
    let figures = measure(&[command.clone(), command], &Load::OneConnection, pace).unwrap();
    let arms: Vec<&str> = figures.iter().map(|figure| figure.arm.as_str()).collect();
    assert_eq!(arms[..3], [ENVOY, CONTROL, SERVE]);
    assert_eq!(figures.len(), 4);
    assert!(figures.iter().all(|figure| figure.nanoseconds.least > 0.0));
    let text = ServeReport::new(figures).text();
    assert!(text.contains("processor time of gatepost serve, to Envoy's"), "{text}");
}
