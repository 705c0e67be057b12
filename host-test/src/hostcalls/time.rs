//! The current time, and the tick period. The host has no timer of its own: whoever embeds it calls
//! `Vm::tick` when the period is over.

use std::time::Duration;

use wasmtime::{Caller, Linker};

use super::Guest;
use crate::abi::Status;
use crate::memory::{HostResult, parts, serve, write_u64};
use crate::state::HostState;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_current_time_nanoseconds",
        |mut guest: Caller<'_, HostState>, to: u32| {
            serve(&mut guest, "proxy_get_current_time_nanoseconds", |guest| now(guest, to))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_tick_period_milliseconds",
        |mut guest: Caller<'_, HostState>, milliseconds: u32| {
            serve(&mut guest, "proxy_set_tick_period_milliseconds", |guest| {
                set_tick_period(guest, milliseconds)
            })
        },
    )?;
    Ok(())
}

fn now(guest: Guest<'_, '_>, to: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    let now = state.host.clock.wall_nanos();
    state.note(|note| note.ret("time", now));
    Ok(write_u64(memory, to, now)?)
}

fn set_tick_period(guest: Guest<'_, '_>, milliseconds: u32) -> HostResult {
    let state = guest.data_mut();
    state.note(|note| note.arg("milliseconds", milliseconds));
    let now = state.host.clock.monotonic_nanos();
    let root = state.root_mut().ok_or(Status::BadArgument)?;
    root.tick_period = (milliseconds != 0).then(|| Duration::from_millis(milliseconds.into()));
    root.arm_tick(now);
    Ok(())
}
