//! What a request makes Envoy's worker execute, counted instead of timed: instructions, and misses of simulated caches. The same
//! arms carry out the same policies on the same requests as in [`envoy`], in the same Envoy, which valgrind's tool
//! callgrind runs. Counts do not depend on what else the machine does, so that differences show that time loses in its noise.
//!
//! Every arm and policy has an Envoy of its own: the address space that V8 reserves for a module's memory fits into valgrind's only
//! a few times.

pub mod counts;
pub mod error;
mod profile;
pub mod report;
mod traffic;
pub mod valgrind;

use std::path::Path;
use std::time::Duration;

use gatepost_deploy::envoy::process::Options;
use serde::Serialize;

use self::counts::Counts;
use self::traffic::Traffic;
use self::valgrind::Valgrind;
use crate::envoy;
use crate::envoy::arm::Arm;
use crate::envoy::error::EnvoyError;
use crate::envoy::listeners::Listeners;
use crate::envoy::plan::SMALL;
use crate::envoy::policy::{SHAPES, Shape};
use crate::envoy::workload::Workload;
use crate::subject::BenchError;

/// Translated by valgrind, an Envoy takes some seconds to start.
const READY_WITHIN: Duration = Duration::from_secs(180);

/// How many requests one arm has with one workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// Those that come first and do not count: they fill the simulated caches, and whatever is made when it is first needed.
    pub warm_up: usize,
    /// Those that count.
    pub counted: usize,
}

impl Requests {
    /// What the published figures rest on.
    pub const FULL: Self = Self { warm_up: 300, counted: 600 };
}

/// What one arm did for one request of a workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The workload.
    pub workload: &'static str,
    /// The arm.
    pub arm: String,
    /// What Envoy's worker did for one request.
    pub counts: Counts,
}

/// The arms: no filter, Gatepost, others that take its policies, what they are compared with, and Gatepost again.
#[must_use]
pub fn arms(filters: &[Arm]) -> Vec<Arm> {
    let first = [Arm::nothing(), Arm::gatepost()].into_iter();
    let last = [Arm::empty(), Arm::naive(), Arm::lua(), Arm::gatepost_again()];
    first.chain(filters.iter().cloned()).chain(last).collect()
}

/// Counts every arm with every workload at the smallest size, in the order of the workloads.
///
/// # Errors
/// When an Envoy does not run under valgrind, or an arm does not do its work.
pub fn count(valgrind: &Valgrind, workloads: &[Workload], arms: &[Arm], requests: Requests) -> Result<Vec<Figure>, BenchError> {
    let binary = envoy::envoy()?;
    let mut figures = Vec::new();
    for shape in SHAPES {
        let of_shape: Vec<Workload> = workloads.iter().copied().filter(|workload| workload.shape() == shape).collect();
        for arm in arms.iter().filter(|_| !of_shape.is_empty()) {
            eprintln!("counting {}, {}", arm.name, shape.name());
            figures.extend(one(valgrind, &binary, arm, shape, &of_shape, requests)?);
        }
    }
    let order = |figure: &Figure| workloads.iter().position(|workload| workload.name() == figure.workload);
    figures.sort_by_key(order);
    Ok(figures)
}

/// One arm in an Envoy of its own.
fn one(
    valgrind: &Valgrind,
    binary: &Path,
    arm: &Arm,
    shape: Shape,
    workloads: &[Workload],
    requests: Requests,
) -> Result<Vec<Figure>, BenchError> {
    let folder = tempfile::tempdir().map_err(EnvoyError::system("a temporary folder"))?;
    let options = Options {
        ready_within: READY_WITHIN,
        filter_log_level: "error".to_owned(),
        under: valgrind.command(folder.path()),
        ..Options::default()
    };
    let listeners = Listeners::start(binary, std::slice::from_ref(arm), &[shape], SMALL, &options, folder.path())?;
    for workload in workloads {
        listeners.check(arm, *workload, &workload.exchanges(SMALL))?;
    }
    let worker = listeners.worker()?;
    let worker = worker.file_name().unwrap_or_default().to_string_lossy();
    let mut counting = valgrind.count(listeners.envoy().id(), &worker, folder.path())?;
    let mut figures = Vec::new();
    for workload in workloads {
        let exchanges = workload.exchanges(SMALL);
        let mut traffic = Traffic::connect(listeners.address(arm, *workload)?)?;
        traffic.send(arm, &exchanges, requests.warm_up)?;
        counting.zero()?;
        traffic.send(arm, &exchanges, requests.counted)?;
        let counts = counting.counts()?.each(requests.counted);
        figures.push(Figure { workload: workload.name(), arm: arm.name.clone(), counts });
    }
    Ok(figures)
}
