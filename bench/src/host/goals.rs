//! What the embedding SDK must reach, and whether a run reached it.

use super::figures::HostFigures;
use super::first_answer::FROM_CACHE;
use super::starts::GOAL_ARMS as START_ARMS;
use super::streams::GOAL_ARMS as STREAM_ARMS;
use crate::goal::Goal;
use crate::rounds::Figure;

/// Complete streams in a second on one core.
const STREAMS: f64 = 1e6;
/// Nanoseconds to a fresh VM from a compiled module.
const START: f64 = 50e3;
/// Nanoseconds from a process's start to its first answer, from a cached module.
const FIRST_ANSWER: f64 = 10e6;
/// The host's bytes for an idle VM, without the guest's own memory.
const IDLE: i64 = 1 << 20;
/// What a process may grow by over many streams or VMs without a leak: the system counts in pages
/// and keeps some.
const GROWTH: i64 = 1 << 20;

/// Every goal that the run has a figure for.
#[must_use]
pub fn goals(run: &HostFigures) -> Vec<Goal> {
    let mut goals = Vec::new();
    let named = |figures: &[Figure], names: &[&str]| -> Vec<Figure> {
        figures.iter().filter(|figure| names.contains(&figure.arm)).cloned().collect()
    };
    for figure in named(&run.streams, &STREAM_ARMS) {
        goals.push(Goal {
            what: figure.arm.to_owned(),
            goal: format!("at least {STREAMS:.0} streams/s"),
            figure: format!("{:.0} streams/s", figure.per_second()),
            met: figure.per_second() >= STREAMS,
        });
    }
    for figure in named(&run.starts, &START_ARMS) {
        goals.push(at_most(&figure, START, 1e3, "µs"));
    }
    for figure in named(&run.first_answer, &[FROM_CACHE]) {
        goals.push(at_most(&figure, FIRST_ANSWER, 1e6, "ms"));
    }
    for idle in run.memory.iter().flat_map(|memory| &memory.idle) {
        goals.push(Goal {
            what: format!("{}: host memory of an idle VM", idle.module),
            goal: format!("at most {} KiB", IDLE / 1024),
            figure: format!("{} KiB", idle.allocated_bytes / 1024),
            met: idle.allocated_bytes <= IDLE,
        });
    }
    for left in run.memory.iter().flat_map(|memory| &memory.left) {
        let resident = left.resident_bytes.unwrap_or(0);
        goals.push(Goal {
            what: format!("left by {} {}", left.count, left.what),
            goal: "nothing".to_owned(),
            figure: format!(
                "{} blocks, {} bytes, {} KiB resident",
                left.blocks,
                left.bytes,
                resident / 1024
            ),
            met: left.blocks <= 0 && left.bytes <= 0 && left.guest_bytes == 0 && resident <= GROWTH,
        });
    }
    goals
}

fn at_most(figure: &Figure, most: f64, unit: f64, name: &str) -> Goal {
    Goal {
        what: figure.arm.to_owned(),
        goal: format!("at most {:.0} {name}", most / unit),
        figure: format!("{:.1} {name}", figure.nanoseconds / unit),
        met: figure.nanoseconds <= most,
    }
}
