//! The current time, and the tick period. A VM has no timer: its driver calls `Vm::tick` when the
//! period has passed.

use std::time::Duration;

use super::definition::{Definition, family};
use crate::abi::Status;
use crate::memory::{Guest, HostcallResult, parts, write_u64};

pub(super) const FAMILY: &[Definition] = family! {
    proxy_get_current_time_nanoseconds(to: u32) in V0_1_0..=V0_2_1
        => |guest| now(guest, to);
    proxy_set_tick_period_milliseconds(milliseconds: u32) in V0_1_0..=V0_2_1
        => |guest| set_tick_period(guest, milliseconds);
};

fn now(guest: Guest<'_, '_>, to: u32) -> HostcallResult {
    let (memory, state) = parts(guest)?;
    let now = state.host.clock.wall_nanos();
    state.note(|note| note.ret("time", now));
    Ok(write_u64(memory, to, now)?)
}

fn set_tick_period(guest: Guest<'_, '_>, milliseconds: u32) -> HostcallResult {
    let state = guest.data_mut();
    state.note(|note| note.arg("milliseconds", milliseconds));
    let now = state.host.clock.monotonic_nanos();
    let root = state.contexts.root_mut().ok_or(Status::BadArgument)?;
    root.tick_period = (milliseconds != 0).then(|| Duration::from_millis(milliseconds.into()));
    root.arm_tick(now);
    Ok(())
}
