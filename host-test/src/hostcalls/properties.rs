//! `proxy_get_property` and `proxy_set_property`.

use bytes::Bytes;

use super::definition::{Definition, family};
use crate::abi::Status;
use crate::attributes;
use crate::memory::{Guest, HostcallResult, Span, give, parts, slice};

pub(super) const FAMILY: &[Definition] = family! {
    proxy_get_property(path: u32, len: u32, to: u32, len_to: u32) in V0_1_0..=V0_2_1
        => |guest| get(guest, (path, len), to, len_to);
    proxy_set_property(path: u32, path_len: u32, value: u32, value_len: u32) in V0_1_0..=V0_2_1
        => |guest| set(guest, (path, path_len), (value, value_len));
};

fn get(guest: Guest<'_, '_>, path: Span, to: u32, len_to: u32) -> HostcallResult {
    let (memory, state) = parts(guest)?;
    let path = slice(memory, path)?;
    state.note(|note| note.arg("path", dotted(path)));
    let value = attributes::get(path, state.contexts.stream(), state.contexts.root())?.into_bytes();
    state.note(|note| note.ret("value", value.clone()));
    give(guest, &value, to, len_to)
}

fn set(guest: Guest<'_, '_>, path: Span, value: Span) -> HostcallResult {
    let (memory, state) = parts(guest)?;
    let (path, value) = (slice(memory, path)?, slice(memory, value)?);
    state.note(|note| note.arg("path", dotted(path)).arg("value", value));
    let limit = state.limits.filter_state_bytes;
    let stream = state.contexts.stream_mut().ok_or(Status::NotFound)?;
    Ok(stream.info.write(|info| info.filter_state.set_by_guest(path, value, limit))?)
}

fn dotted(path: &[u8]) -> Bytes {
    path.iter().map(|byte| if *byte == 0 { b'.' } else { *byte }).collect()
}
