//! The filter in a real Envoy, beside other ways to do its work and beside no filter. A figure is
//! the processor time of Envoy's only worker thread for one request. What an arm adds is its figure
//! minus that of the arm without a filter.
//!
//! Arms that do nothing receive the requests as the policy leaves them, so that the requests of
//! every arm end at the same route.
//!
//! Envoy has its own core, and `wrk` on another core keeps it busy. All arms of one size are
//! listeners of one Envoy, so they share its worker and its memory, and every arm runs in every
//! round. Before anything is measured, each arm must answer every request of its workloads
//! correctly ([`workload`]), so that no arm wins by doing less.

pub mod answer;
pub mod arm;
pub mod bootstrap;
pub(crate) mod client;
pub mod cores;
pub mod error;
pub mod gateway;
mod hostcalls;
pub mod listeners;
pub mod load;
pub mod module;
pub mod plan;
pub mod plot;
pub mod policy;
pub mod ratios;
pub mod record;
pub mod report;
pub mod routes;
mod svg;
pub mod workload;

use std::path::{Path, PathBuf};
use std::time::Duration;

use gatepost_testbed::envoy::fetch;
use serde::Serialize;

use self::arm::Arm;
use self::cores::Cores;
use self::error::EnvoyError;
use self::gateway::{Gateway, Round};
use self::load::{Load, Requests};
use self::plan::Stage;
use self::policy::Size;
use self::workload::Workload;
use crate::error::BenchError;
use crate::rounds::{Spread, evened, in_turn};

/// How long a run takes.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Rounds that count. One more comes first and is dropped.
    pub rounds: usize,
    /// How long one arm has in one round.
    pub time: Duration,
}

/// The figure of one arm with one workload at one size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The workload.
    pub workload: &'static str,
    /// The arm.
    pub arm: String,
    /// Mappings of the policy.
    pub mappings: usize,
    /// Environments of the policy.
    pub environments: usize,
    /// Processor time of the worker for one request, in nanoseconds, [evened].
    pub nanoseconds: Spread,
    /// Its median minus that of the arm without a filter.
    pub added: f64,
    /// Requests in a second.
    pub per_second: Spread,
    /// Every round, in order, before it was evened. The recorded report has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rounds: Vec<Round>,
}

/// One arm with one workload, ready for rounds.
struct Turn<'a> {
    gateway: &'a Gateway,
    size: Size,
    arm: &'a Arm,
    workload: Workload,
    requests: Requests,
}

impl Turn<'_> {
    /// Whether both have the same workload at the same size.
    fn beside(&self, other: &Self) -> bool {
        self.workload == other.workload && self.size == other.size
    }
}

/// The Envoy to run: a release in `target/`, or the one that the environment names.
///
/// # Errors
/// When there is none and it cannot be fetched.
pub fn envoy() -> Result<PathBuf, EnvoyError> {
    Ok(fetch::envoy(
        fetch::VERSION,
        &PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")),
    )?)
}

/// Its release for reports, or the variable that names an Envoy.
#[must_use]
pub fn release() -> String {
    let named = std::env::var_os(fetch::VARIABLE).filter(|named| !named.is_empty());
    named.map_or(fetch::VERSION.to_owned(), |_| format!("named in {}", fetch::VARIABLE))
}

/// Starts the Envoys, checks every arm, and measures them all in turn.
///
/// # Errors
/// When an Envoy or the load generator does not run, or an arm does not do its work.
pub fn measure(stages: &[Stage], load: &Load, pace: Pace) -> Result<Vec<Figure>, BenchError> {
    let binary = envoy()?;
    let cores = Cores::choose()?;
    if cores.shared() {
        eprintln!("warning: there is one core only: Envoy shares it with the load generator");
    }
    let folder = tempfile::tempdir().map_err(EnvoyError::system("a temporary folder"))?;
    let mut gateways = Vec::new();
    for (number, stage) in stages.iter().enumerate() {
        let Size { mappings, environments } = stage.size;
        eprintln!(
            "starting Envoy: {mappings} mappings, {environments} environments, {} arms",
            stage.arms.len()
        );
        let folder = folder.path().join(number.to_string());
        std::fs::create_dir(&folder).map_err(EnvoyError::system(folder.display().to_string()))?;
        gateways.push(Gateway::start(
            &binary,
            &stage.arms,
            &stage.shapes(),
            stage.size,
            &cores,
            &folder,
        )?);
    }
    let mut turns = turns(stages, &gateways, folder.path())?;
    let count = turns.len();
    let mut done = 0;
    // The first round warms up compilers and caches.
    let taken = in_turn(pace.rounds + 1, &mut turns, |round, turn| {
        if done % count == 0 {
            eprintln!("round {round} of {}", pace.rounds);
        }
        done += 1;
        turn.gateway.round(turn.arm, turn.workload, &turn.requests, load, pace.time)
    })?;
    let taken: Vec<Vec<Round>> =
        taken.into_iter().map(|rounds| rounds.into_iter().skip(1).collect()).collect();
    Ok(figures(&turns, &taken))
}

fn turns<'a>(
    stages: &'a [Stage],
    gateways: &'a [Gateway],
    folder: &Path,
) -> Result<Vec<Turn<'a>>, EnvoyError> {
    let mut turns = Vec::new();
    for (number, (stage, gateway)) in stages.iter().zip(gateways).enumerate() {
        for workload in &stage.workloads {
            let exchanges = workload.exchanges(stage.size);
            let script = |works: bool| {
                folder.join(format!("{number}-{}-{works}.lua", workload.name().replace(' ', "-")))
            };
            for arm in &stage.arms {
                gateway.listeners().check(arm, *workload, &exchanges)?;
                let requests = Requests::write(&exchanges, arm.works(), &script(arm.works()))?;
                turns.push(Turn { gateway, size: stage.size, arm, workload: *workload, requests });
            }
        }
    }
    Ok(turns)
}

fn figures(turns: &[Turn<'_>], taken: &[Vec<Round>]) -> Vec<Figure> {
    let spreads = spreads(turns, taken);
    let nothing = Arm::nothing();
    let without = |turn: &Turn<'_>| {
        let found = turns
            .iter()
            .zip(&spreads)
            .find(|(other, _)| *other.arm == nothing && other.beside(turn));
        found.map_or(f64::NAN, |(_, spread)| spread.median)
    };
    let figure = |((turn, rounds), nanoseconds): ((&Turn<'_>, &Vec<Round>), &Spread)| Figure {
        workload: turn.workload.name(),
        arm: turn.arm.name.clone(),
        mappings: turn.size.mappings,
        environments: turn.size.environments,
        nanoseconds: *nanoseconds,
        added: nanoseconds.median - without(turn),
        per_second: Spread::of(&rounds.iter().map(|round| round.per_second).collect::<Vec<f64>>()),
        rounds: rounds.clone(),
    };
    turns.iter().zip(taken).zip(&spreads).map(figure).collect()
}

/// The time of one request in each turn. Rounds are evened among the arms with the same workload
/// and size.
fn spreads(turns: &[Turn<'_>], taken: &[Vec<Round>]) -> Vec<Spread> {
    let nanoseconds = |rounds: &Vec<Round>| rounds.iter().map(|round| round.nanoseconds).collect();
    let spread = |(number, turn): (usize, &Turn<'_>)| {
        let beside: Vec<usize> =
            (0..turns.len()).filter(|other| turns[*other].beside(turn)).collect();
        let evened =
            evened(&beside.iter().map(|other| nanoseconds(&taken[*other])).collect::<Vec<_>>());
        let own = beside.iter().position(|other| *other == number).and_then(|at| evened.get(at));
        Spread::of(own.map_or(&[], Vec::as_slice))
    };
    turns.iter().enumerate().map(spread).collect()
}
