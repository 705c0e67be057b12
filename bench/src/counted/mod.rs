//! What Envoy's worker executes for a request, counted instead of timed: instructions, and misses
//! of simulated caches. The arms, policies and requests are those of [`envoy`], and so is the
//! Envoy; valgrind's tool callgrind runs it. Counts hardly depend on what else the machine does, so
//! they show differences that are smaller than the noise of times.
//!
//! Every arm and policy has its own Envoy: V8 reserves so much address space for the memory of a
//! module that valgrind has room for only a few modules.

pub mod case;
pub mod counts;
pub mod error;
pub mod goals;
mod profile;
pub mod report;
mod traffic;
pub mod valgrind;

use std::path::Path;
use std::time::Duration;

use gatepost_testbed::envoy::process::Options;
use serde::Serialize;

use self::case::Case;
use self::counts::Counts;
use self::traffic::Traffic;
use self::valgrind::Valgrind;
use crate::envoy;
use crate::envoy::arm::Arm;
use crate::envoy::error::EnvoyError;
use crate::envoy::listeners::Listeners;
use crate::error::BenchError;

/// Under valgrind an Envoy takes several seconds to start.
const READY_WITHIN: Duration = Duration::from_secs(180);

/// How many requests one arm has with one workload, in each of its Envoys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// Requests that come first and are not counted. They fill the simulated caches, and whatever
    /// Envoy creates when it is first used.
    pub warm_up: usize,
    /// Requests that are counted.
    pub counted: usize,
    /// How many Envoys an arm has, one after another. Memory lies elsewhere in each, so each misses
    /// its caches at other places.
    pub processes: usize,
}

impl Requests {
    /// The numbers of the published runs.
    pub const FULL: Self = Self { warm_up: 300, counted: 600, processes: 3 };
}

/// The counts of one arm for one request of a workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The workload, and the size where it is not the smallest: [`Case::name`].
    pub workload: String,
    /// The arm.
    pub arm: String,
    /// What Envoy's worker executed for one request.
    pub counts: Counts,
}

/// The arms: no filter, Gatepost, other modules that read its policies, what they are compared
/// with, and Gatepost again.
#[must_use]
pub fn arms(filters: &[Arm]) -> Vec<Arm> {
    let first = [Arm::nothing(), Arm::gatepost()].into_iter();
    let last = [
        Arm::native(),
        Arm::empty(),
        Arm::careful(),
        Arm::naive(),
        Arm::lua(),
        Arm::gatepost_again(),
    ];
    first.chain(filters.iter().cloned()).chain(last).collect()
}

/// Counts every arm with every case, in the order of the cases.
///
/// # Errors
/// When an Envoy does not run under valgrind, or an arm does not do its work.
pub fn count(
    valgrind: &Valgrind,
    cases: &[Case],
    arms: &[Arm],
    requests: Requests,
) -> Result<Vec<Figure>, BenchError> {
    let binary = envoy::envoy()?;
    // One Envoy has one policy.
    let policy = |case: &Case| (case.workload().shape(), case.size());
    let mut groups: Vec<Vec<Case>> = Vec::new();
    for case in cases {
        match groups.iter_mut().find(|group| group.first().map(policy) == Some(policy(case))) {
            Some(group) => group.push(*case),
            None => groups.push(vec![*case]),
        }
    }
    let mut figures = Vec::new();
    for group in &groups {
        for arm in arms.iter().filter(|arm| group.iter().all(|case| case.is_for(arm))) {
            let names: Vec<String> = group.iter().map(|case| case.name()).collect();
            eprintln!("counting {}: {}", arm.name, names.join(", "));
            let processes =
                (0..requests.processes).map(|_| one(valgrind, &binary, arm, group, requests));
            figures.extend(mean(processes.collect::<Result<_, _>>()?));
        }
    }
    let order = |figure: &Figure| cases.iter().position(|case| case.name() == figure.workload);
    figures.sort_by_key(order);
    Ok(figures)
}

/// The mean of what each process of an arm counted, case by case.
fn mean(processes: Vec<Vec<Figure>>) -> Vec<Figure> {
    let number = processes.len();
    let mut processes = processes.into_iter();
    let mut sums = processes.next().unwrap_or_default();
    for figures in processes {
        for (sum, figure) in sums.iter_mut().zip(figures) {
            sum.counts = sum.counts + figure.counts;
        }
    }
    sums.iter_mut().for_each(|sum| sum.counts = sum.counts.each(number));
    sums
}

/// Counts one arm in one Envoy, with cases of one policy.
fn one(
    valgrind: &Valgrind,
    binary: &Path,
    arm: &Arm,
    cases: &[Case],
    requests: Requests,
) -> Result<Vec<Figure>, BenchError> {
    let Some((shape, size)) = cases.first().map(|case| (case.workload().shape(), case.size()))
    else {
        return Ok(Vec::new());
    };
    let folder = tempfile::tempdir().map_err(EnvoyError::system("a temporary folder"))?;
    let options = Options {
        ready_within: READY_WITHIN,
        filter_log_level: "error".to_owned(),
        under: valgrind.command(folder.path()),
        ..Options::default()
    };
    let listeners = Listeners::start(
        binary,
        std::slice::from_ref(arm),
        &[shape],
        size,
        &options,
        folder.path(),
    )?;
    for case in cases {
        listeners.check(arm, case.workload(), &case.workload().exchanges(size))?;
    }
    let worker = listeners.worker()?;
    let worker = worker.file_name().unwrap_or_default().to_string_lossy();
    let mut counting = valgrind.count(listeners.envoy().id(), &worker, folder.path())?;
    let mut figures = Vec::new();
    for case in cases {
        let exchanges = case.workload().exchanges(size);
        let mut traffic = Traffic::connect(listeners.address(arm, case.workload())?)?;
        traffic.send(arm, &exchanges, requests.warm_up)?;
        counting.zero()?;
        traffic.send(arm, &exchanges, requests.counted)?;
        let counts = counting.counts()?.each(requests.counted);
        figures.push(Figure { workload: case.name(), arm: arm.name.clone(), counts });
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_of_an_arm_is_the_mean_of_its_processes() {
        let figures = |instructions: [f64; 2]| {
            let cases = [Case::Probe, Case::Reject].into_iter().zip(instructions);
            let figure = |(case, instructions): (Case, f64)| Figure {
                workload: case.name(),
                arm: Arm::lua().name,
                counts: Counts { instructions, ..Counts::default() },
            };
            cases.map(figure).collect::<Vec<_>>()
        };
        let processes = vec![figures([1.0, 10.0]), figures([2.0, 20.0]), figures([6.0, 60.0])];
        assert_eq!(mean(processes), figures([3.0, 30.0]));
    }
}
