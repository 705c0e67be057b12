//! `proxy_log` and `proxy_get_log_level`.

use super::definition::{Definition, family};
use crate::abi::{LogLevel, Status};
use crate::memory::{Guest, HostcallResult, Span, parts, write_u32};

pub(super) const FAMILY: &[Definition] = family! {
    proxy_log(level: u32, message: u32, len: u32) in V0_1_0..=V0_2_1
        => |guest| log(guest, level, (message, len));
    proxy_get_log_level(to: u32) in V0_2_1..=V0_2_1
        => |guest| get_log_level(guest, to);
};

fn log(guest: Guest<'_, '_>, level: u32, message: Span) -> HostcallResult {
    let level = LogLevel::from_code(level).ok_or(Status::BadArgument)?;
    let (memory, state) = parts(guest)?;
    let message = state.read(memory, message)?;
    state.note(|note| note.arg("level", level).arg("message", message));
    state.log(level, message);
    Ok(())
}

fn get_log_level(guest: Guest<'_, '_>, to: u32) -> HostcallResult {
    let (memory, state) = parts(guest)?;
    let level = state.host.log.level();
    state.note(|note| note.ret("level", level));
    Ok(write_u32(memory, to, level as u32)?)
}
