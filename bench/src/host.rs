//! The measurements of the embedding SDK: complete streams on one core, fresh VMs, a process from
//! its start to its first answer, and what a VM holds.

pub mod compare;
pub mod driven;
pub mod figures;
pub mod first_answer;
pub mod goals;
pub mod guest;
pub mod memory;
pub mod report;
pub mod starts;
pub mod streams;
pub mod workload;

use crate::error::BenchError;

/// How much of everything one run measures.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Rounds, [`LEAST`](crate::rounds::LEAST) or more.
    pub rounds: usize,
    /// Streams of one arm in one round.
    pub streams: usize,
    /// VMs of one arm in one round.
    pub vms: usize,
    /// Processes of one arm in one round.
    pub processes: usize,
    /// Streams that must leave nothing behind.
    pub lasting_streams: usize,
    /// VMs that must leave nothing behind.
    pub lasting_vms: usize,
}

impl Size {
    /// The size of the published runs.
    pub const FULL: Size = Size {
        rounds: crate::rounds::LEAST,
        streams: 200_000,
        vms: 300,
        processes: 3,
        lasting_streams: 1_000_000,
        lasting_vms: 10_000,
    };
}

/// Runs `count` units and gives what one cost, in nanoseconds of this thread's processor time.
fn timed(count: usize, mut run: impl FnMut() -> Result<(), BenchError>) -> Result<f64, BenchError> {
    let before = crate::clock::thread_time();
    run()?;
    #[allow(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^52")]
    let count = count as f64;
    Ok((crate::clock::thread_time() - before).as_secs_f64() * 1e9 / count)
}
