//! The time to a fresh VM from a compiled module: it is instantiated, its exports are looked up and
//! its start-up code runs. It has no plugin, so no configuration. Memory comes from the system or
//! from a pool. Freeing the VM is measured in arms of its own.

use gatepost_host::{EngineOptions, Host, Pool, Vm};

use super::guest::Guest;
use super::{Size, timed};
use crate::error::BenchError;
use crate::rounds::{Arm, Figure, interleave};

/// The pool of the pooled arms. It has room for more VMs than live at once in a round.
const POOL: Pool = Pool { vms: 512, memory_bytes: 16 << 20 };

/// The arms that have a goal.
pub const GOAL_ARMS: [&str; 4] =
    ["gatepost: start", "gatepost: start, pooled", "sdk: start", "sdk: start, pooled"];

/// Measures every arm.
///
/// # Errors
/// When a VM does not start.
pub fn measure(size: Size) -> Result<Vec<Figure>, BenchError> {
    let host = Host::default();
    let pooled = EngineOptions { pool: Some(POOL), ..EngineOptions::default() };
    let gatepost = Guest::gatepost(EngineOptions::default())?;
    let gatepost_pooled = Guest::gatepost(pooled.clone())?;
    let sdk = Guest::three_headers(EngineOptions::default())?;
    let sdk_pooled = Guest::three_headers(pooled)?;
    let mut arms = vec![
        start(GOAL_ARMS[0], &gatepost, &host, size),
        start(GOAL_ARMS[1], &gatepost_pooled, &host, size),
        start(GOAL_ARMS[2], &sdk, &host, size),
        start(GOAL_ARMS[3], &sdk_pooled, &host, size),
        start("gatepost: start, again (A/A)", &gatepost, &host, size),
        start_and_stop("gatepost: start and free", &gatepost, &host, size),
        start_and_stop("gatepost: start and free, pooled", &gatepost_pooled, &host, size),
    ];
    interleave(size.rounds, &mut arms)
}

/// All VMs of a round live at once, and are freed after the measurement.
fn start<'a>(name: &'static str, guest: &'a Guest, host: &'a Host, size: Size) -> Arm<'a> {
    let run = move || {
        let mut vms: Vec<Vm> = Vec::with_capacity(size.vms);
        timed(size.vms, || {
            for _ in 0..size.vms {
                vms.push(guest.vm(host)?);
            }
            Ok(())
        })
    };
    Arm { name, run: Box::new(run) }
}

fn start_and_stop<'a>(name: &'static str, guest: &'a Guest, host: &'a Host, size: Size) -> Arm<'a> {
    let run = move || {
        timed(size.vms, || {
            for _ in 0..size.vms {
                drop(guest.vm(host)?);
            }
            Ok(())
        })
    };
    Arm { name, run: Box::new(run) }
}
