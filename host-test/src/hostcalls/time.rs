//! The current time, and the tick period. The host has no timer of its own: whoever embeds it calls `Vm::tick` when the
//! period is over.

use std::time::Duration;

use wasmtime::{Caller, Linker};

use super::Guest;
use crate::abi::Status;
use crate::memory::{HostResult, answer, parts, write_u64};
use crate::record::Change;
use crate::state::HostState;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap("env", "proxy_get_current_time_nanoseconds", |mut guest: Caller<'_, HostState>, to: u32| {
        answer(now(&mut guest, to))
    })?;
    linker.func_wrap("env", "proxy_set_tick_period_milliseconds", |mut guest: Caller<'_, HostState>, milliseconds: u32| {
        answer(set_tick_period(&mut guest, milliseconds))
    })?;
    Ok(())
}

fn now(guest: Guest<'_, '_>, to: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    let now = state.host.clock.wall_nanos();
    Ok(write_u64(memory, to, now)?)
}

fn set_tick_period(guest: Guest<'_, '_>, milliseconds: u32) -> HostResult {
    let state = guest.data_mut();
    let root = state.root_mut().ok_or(Status::BadArgument)?;
    root.tick_period = (milliseconds != 0).then(|| Duration::from_millis(milliseconds.into()));
    state.record(|_| Change::TickPeriodSet { milliseconds });
    Ok(())
}
