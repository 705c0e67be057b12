//! `proxy_get_property` and `proxy_set_property`.

use bytes::Bytes;

use super::definition::{Definition, family};
use crate::abi::Status;
use crate::attributes;
use crate::headers::Headers;
use crate::memory::{Guest, HostcallResult, Span, give, parts};
use crate::state::HostState;

pub(super) const FAMILY: &[Definition] = family! {
    proxy_get_property(path: u32, len: u32, to: u32, len_to: u32) in V0_1_0..=V0_2_1
        => |guest| get(guest, (path, len), to, len_to);
    proxy_set_property(path: u32, path_len: u32, value: u32, value_len: u32) in V0_1_0..=V0_2_1
        => |guest| set(guest, (path, path_len), (value, value_len));
};

fn get(guest: Guest<'_, '_>, path: Span, to: u32, len_to: u32) -> HostcallResult {
    let (memory, state) = parts(guest)?;
    let path = state.read(memory, path)?;
    state.note(|note| note.arg("path", dotted(path)));
    let entries = state.contexts.stream().map_or(0, |stream| {
        stream.maps.iter().map(Headers::len).sum::<usize>()
            + stream.info.read(|info| info.properties.len() + info.filter_state.len())
    });
    state.work.entries(entries);
    let value = attributes::get(path, state.contexts.stream(), state.contexts.root())?.into_bytes();
    state.note(|note| note.ret("value", value.clone()));
    give(guest, &value, to, len_to)
}

fn set(guest: Guest<'_, '_>, path: Span, value: Span) -> HostcallResult {
    let (memory, state) = parts(guest)?;
    let (path, value) = (state.read(memory, path)?, state.read(memory, value)?);
    state.note(|note| note.arg("path", dotted(path)).arg("value", value));
    let HostState { limits, contexts, work, .. } = state;
    let read_only = contexts.root().is_some_and(|root| root.declared.is_read_only(path));
    let stream = contexts.stream_mut().ok_or(Status::NotFound)?;
    Ok(stream.info.write(|info| {
        work.entries(info.filter_state.len());
        info.filter_state.set_by_guest(path, value, limits.filter_state_bytes, read_only)
    })?)
}

fn dotted(path: &[u8]) -> Bytes {
    path.iter().map(|byte| if *byte == 0 { b'.' } else { *byte }).collect()
}
