//! The rules and the dashboard of deploy/monitoring: their own tests by promtool, and on a real
//! Prometheus that asks real Envoys with the filter.

mod dashboard;
mod gateways;
mod prometheus;
mod rules;

use std::path::PathBuf;

/// A file of deploy/monitoring.
fn file(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/monitoring")).join(name)
}
