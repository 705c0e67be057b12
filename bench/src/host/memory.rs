//! The memory of a VM without its guest's own, and what is left after many streams have passed one
//! VM and after many VMs were built and freed. Both are measured by the allocator's balance and by
//! the resident memory of the process.

use gatepost_host::{EngineOptions, Headers, Host};
use serde::Serialize;

use super::Size;
use super::guest::{Guest, Running};
use super::workload::{MAPPED, SDK, Workload};
use crate::alloc::{Counting, Held};
use crate::clock::resident_bytes;
use crate::error::BenchError;

/// Idle VMs that are built for the measurement of one.
const IDLE: u32 = 64;

/// What one idle VM with its plugin holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Idle {
    /// Which module.
    pub module: &'static str,
    /// Its linear memory, as the guest has grown it.
    pub guest_bytes: u64,
    /// What the host allocated for it.
    pub allocated_bytes: i64,
    /// What the process grew by for it, including the guest's touched pages. None where there is no
    /// `/proc`.
    pub resident_bytes: Option<i64>,
}

/// What is left after many of something.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Left {
    /// Many of what.
    pub what: &'static str,
    /// How many.
    pub count: u64,
    /// Blocks that were allocated and not freed.
    pub blocks: i64,
    /// Their bytes.
    pub bytes: i64,
    /// Allocations for one of them.
    pub allocations_each: f64,
    /// What the guest's linear memory grew by.
    pub guest_bytes: i64,
    /// What the process grew by. None where there is no `/proc`.
    pub resident_bytes: Option<i64>,
}

/// The figures of memory.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Memory {
    /// Idle VMs.
    pub idle: Vec<Idle>,
    /// What many streams and many VMs left.
    pub left: Vec<Left>,
}

/// Measures memory. The allocator must be that of the program, and counts from then on.
///
/// # Errors
/// When a VM or a stream fails.
pub fn measure(size: Size, allocator: &Counting) -> Result<Memory, BenchError> {
    allocator.start();
    let host = Host::default();
    let gatepost = Guest::gatepost(EngineOptions::default())?;
    let sdk = Guest::three_headers(EngineOptions::default())?;
    let idle =
        vec![idle("gatepost", &gatepost, &host, allocator)?, idle("sdk", &sdk, &host, allocator)?];
    let left = vec![
        streams(
            "streams through gatepost",
            &gatepost,
            &host,
            MAPPED,
            size.lasting_streams,
            allocator,
        )?,
        streams("streams through sdk", &sdk, &host, SDK, size.lasting_streams, allocator)?,
        rebuilds(
            "VMs of gatepost, with their plugin",
            &gatepost,
            &host,
            size.lasting_vms,
            allocator,
        )?,
        rebuilds("VMs of sdk, with their plugin", &sdk, &host, size.lasting_vms, allocator)?,
    ];
    Ok(Memory { idle, left })
}

fn idle(
    module: &'static str,
    guest: &Guest,
    host: &Host,
    allocator: &Counting,
) -> Result<Idle, BenchError> {
    // The first VM also allocates what all VMs share.
    let first = guest.running(host)?;
    let (held, resident) = (allocator.held(), resident_bytes());
    let mut vms: Vec<Running> = Vec::new();
    for _ in 0..IDLE {
        vms.push(guest.running(host)?);
    }
    let (held, resident) = (allocator.held().since(held), grown(resident));
    drop(vms);
    Ok(Idle {
        module,
        guest_bytes: u64::try_from(first.memory_bytes()).unwrap_or(u64::MAX),
        allocated_bytes: held.bytes / i64::from(IDLE),
        resident_bytes: resident.map(|bytes| bytes / i64::from(IDLE)),
    })
}

/// Runs streams through one VM. A tenth as many run before, so that what is kept for later streams
/// is already there.
///
/// # Errors
/// When a stream fails.
pub fn streams(
    what: &'static str,
    guest: &Guest,
    host: &Host,
    workload: Workload,
    count: usize,
    allocator: &Counting,
) -> Result<Left, BenchError> {
    let mut running = guest.running(host)?;
    running.check(&workload)?;
    let request = Headers::request(workload.request.iter().copied());
    running.streams(&request, count / 10)?;
    let (held, resident, guest_bytes) =
        (allocator.held(), resident_bytes(), running.memory_bytes());
    running.streams(&request, count)?;
    let held = allocator.held().since(held);
    let guest_bytes = difference(running.memory_bytes(), guest_bytes);
    Ok(left(what, count, held, guest_bytes, grown(resident)))
}

/// Builds VMs, each with its plugin, uses each once and frees it.
///
/// # Errors
/// When a VM fails.
pub fn rebuilds(
    what: &'static str,
    guest: &Guest,
    host: &Host,
    count: usize,
    allocator: &Counting,
) -> Result<Left, BenchError> {
    let request = Headers::request(MAPPED.request.iter().copied());
    let build = |count: usize| -> Result<(), BenchError> {
        for _ in 0..count {
            guest.running(host)?.streams(&request, 1)?;
        }
        Ok(())
    };
    build(count / 10)?;
    let (held, resident) = (allocator.held(), resident_bytes());
    build(count)?;
    Ok(left(what, count, allocator.held().since(held), 0, grown(resident)))
}

fn left(
    what: &'static str,
    count: usize,
    held: Held,
    guest_bytes: i64,
    resident_bytes: Option<i64>,
) -> Left {
    #[allow(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^52")]
    let allocations_each = held.calls as f64 / count as f64;
    Left {
        what,
        count: u64::try_from(count).unwrap_or(u64::MAX),
        blocks: held.blocks,
        bytes: held.bytes,
        allocations_each,
        guest_bytes,
        resident_bytes,
    }
}

fn grown(before: Option<u64>) -> Option<i64> {
    let (before, now) = (before?, resident_bytes()?);
    Some(i64::try_from(now).ok()?.saturating_sub(i64::try_from(before).ok()?))
}

fn difference(now: usize, before: usize) -> i64 {
    let signed = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
    signed(now).saturating_sub(signed(before))
}
