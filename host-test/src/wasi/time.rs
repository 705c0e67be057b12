//! Clocks and waiting. A guest cannot make the host wait: a sleep ends at once and moves the
//! guest's clocks forward. So the schedulers of Go and TinyGo continue at once, where in Envoy,
//! whose clocks do not move, they spin until the time has passed.

use wasmtime::{Caller, Linker};

use super::errno::{EBADF, EINVAL, ENOTSUP, SUCCESS, serve};
use super::stdio;
use crate::abi::Status;
use crate::memory::{
    Guest, HostcallResult, parts, read_u32, slice, slice_mut, write_u32, write_u64,
};
use crate::state::HostState;

const WALL: u32 = 0;
const MONOTONIC: u32 = 1;

pub(super) fn link(linker: &mut Linker<HostState>, wasi: &str) -> wasmtime::Result<()> {
    linker.func_wrap(
        wasi,
        "clock_time_get",
        |mut guest: Caller<'_, HostState>, id: u32, _precision: u64, to: u32| {
            serve(&mut guest, |guest| clock_time_get(guest, id, to))
        },
    )?;
    linker.func_wrap(
        wasi,
        "clock_res_get",
        |mut guest: Caller<'_, HostState>, id: u32, to: u32| {
            serve(&mut guest, |guest| clock_res_get(guest, id, to))
        },
    )?;
    let layout = if wasi == "wasi_unstable" { &UNSTABLE } else { &PREVIEW_1 };
    linker.func_wrap(
        wasi,
        "poll_oneoff",
        move |mut guest: Caller<'_, HostState>,
              subscriptions: u32,
              events: u32,
              count: u32,
              count_to: u32| {
            serve(&mut guest, |guest| {
                poll_oneoff(guest, layout, subscriptions, events, count, count_to)
            })
        },
    )?;
    Ok(())
}

fn clock_time_get(guest: Guest<'_, '_>, id: u32, to: u32) -> HostcallResult<u32> {
    let (memory, state) = parts(guest)?;
    let Some(now) = now(state, id) else { return Ok(ENOTSUP) };
    write_u64(memory, to, now)?;
    Ok(SUCCESS)
}

/// The time on a guest's clock; none for the clocks of CPU time, which are not served.
fn now(state: &HostState, id: u32) -> Option<u64> {
    let clock = &*state.host.clock;
    match id {
        WALL => Some(state.clock.wall(clock)),
        MONOTONIC => Some(state.clock.monotonic(clock)),
        _ => None,
    }
}

fn clock_res_get(guest: Guest<'_, '_>, id: u32, to: u32) -> HostcallResult<u32> {
    if id > MONOTONIC {
        return Ok(ENOTSUP);
    }
    let (memory, _) = parts(guest)?;
    write_u64(memory, to, 1)?;
    Ok(SUCCESS)
}

/// The offsets of a subscription's fields.
struct Layout {
    bytes: u32,
    clock: u32,
    timeout: u32,
    flags: u32,
}

const PREVIEW_1: Layout = Layout { bytes: 48, clock: 16, timeout: 24, flags: 40 };
/// The old version has one more field before the clock.
const UNSTABLE: Layout = Layout { bytes: 56, clock: 24, timeout: 32, flags: 48 };

const EVENT_BYTES: u32 = 32;

/// What one subscription waits for.
enum Wanted {
    /// A time this many nanoseconds away.
    Time(u64),
    /// Nothing: the event is ready, with an error, the bytes that can be read or written, and
    /// whether the other end is closed.
    Ready { errno: u32, bytes: u64, hangup: bool },
}

struct Subscription {
    user_data: u64,
    kind: u8,
    wanted: Wanted,
}

/// Reports every event that is ready, or, if none is, the earliest time.
fn poll_oneoff(
    guest: Guest<'_, '_>,
    layout: &Layout,
    subscriptions: u32,
    events: u32,
    count: u32,
    count_to: u32,
) -> HostcallResult<u32> {
    if count == 0 {
        return Ok(EINVAL);
    }
    let (memory, state) = parts(guest)?;
    // Both lists must lie in memory, which bounds the number of subscriptions.
    for (at, count, bytes) in [(subscriptions, count, layout.bytes), (events, count, EVENT_BYTES)] {
        slice(memory, (at, count.checked_mul(bytes).ok_or(Status::InvalidMemoryAccess)?))?;
    }
    state.work.entries(2 * count as usize);
    let at = |i: u32| subscriptions + i * layout.bytes;
    let mut wait = u64::MAX;
    for i in 0..count {
        let Some(subscription) = subscription(memory, state, layout, at(i))? else {
            return Ok(EINVAL);
        };
        wait = wait.min(match subscription.wanted {
            Wanted::Time(away) => away,
            Wanted::Ready { .. } => 0,
        });
    }
    let mut happened = 0;
    for i in 0..count {
        let Some(subscription) = subscription(memory, state, layout, at(i))? else {
            return Ok(EINVAL);
        };
        let (errno, bytes, hangup) = match subscription.wanted {
            Wanted::Time(away) if away > wait => continue,
            Wanted::Time(_) => (SUCCESS, 0, false),
            Wanted::Ready { errno, bytes, hangup } => (errno, bytes, hangup),
        };
        let event = slice_mut(memory, (events + happened * EVENT_BYTES, EVENT_BYTES))?;
        event.fill(0);
        write_u64(event, 0, subscription.user_data)?;
        write_u32(event, 8, errno | u32::from(subscription.kind) << 16)?;
        write_u64(event, 16, bytes)?;
        write_u32(event, 24, u32::from(hangup))?;
        happened += 1;
    }
    let clock = &*state.host.clock;
    if !state.clock.sleep(clock, wait) {
        return Ok(EINVAL);
    }
    write_u32(memory, count_to, happened)?;
    Ok(SUCCESS)
}

/// Reads a subscription; none when its kind is unknown.
fn subscription(
    memory: &[u8],
    state: &HostState,
    layout: &Layout,
    at: u32,
) -> Result<Option<Subscription>, Status> {
    const CLOCK: u8 = 0;
    const READ: u8 = 1;
    const WRITE: u8 = 2;
    const ABSOLUTE: u32 = 1;
    let bytes = slice(memory, (at, layout.bytes))?;
    let kind = slice(bytes, (8, 1))?.first().copied().unwrap_or(u8::MAX);
    let ready = |errno, bytes, hangup| Wanted::Ready { errno, bytes, hangup };
    let wanted = match kind {
        CLOCK => match now(state, read_u32(bytes, layout.clock)?) {
            Some(now) => {
                let timeout = read_u64(bytes, layout.timeout)?;
                let absolute = read_u32(bytes, layout.flags)? & ABSOLUTE != 0;
                Wanted::Time(if absolute { timeout.saturating_sub(now) } else { timeout })
            }
            None => ready(ENOTSUP, 0, false),
        },
        // Standard input is at its end, and that is an event.
        READ if read_u32(bytes, 16)? == stdio::INPUT => ready(SUCCESS, 0, true),
        WRITE if [stdio::OUTPUT, stdio::ERROR].contains(&read_u32(bytes, 16)?) => {
            ready(SUCCESS, state.limits.log_bytes as u64, false)
        }
        READ | WRITE => ready(EBADF, 0, false),
        _ => return Ok(None),
    };
    Ok(Some(Subscription { user_data: read_u64(bytes, 0)?, kind, wanted }))
}

fn read_u64(memory: &[u8], pointer: u32) -> Result<u64, Status> {
    let bytes = slice(memory, (pointer, 8))?;
    bytes.try_into().map(u64::from_le_bytes).map_err(|_| Status::InvalidMemoryAccess)
}
