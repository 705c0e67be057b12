//! Buffers: bodies, callouts' answers and the configurations, each readable in its callback. Only a
//! body can be written; where, the profile says.

use bytes::Bytes;

use super::definition::{Definition, family};
use crate::abi::{BufferKind, Status};
use crate::memory::{Guest, HostcallError, HostcallResult, Span, give, parts, write_u32};
use crate::profile::Profile;
use crate::state::HostState;

pub(super) const FAMILY: &[Definition] = family! {
    proxy_get_buffer_bytes(buffer: u32, start: u32, length: u32, to: u32, len_to: u32)
        in V0_1_0..=V0_2_1
        => |guest| get(guest, buffer, start, length, to, len_to);
    proxy_set_buffer_bytes(buffer: u32, start: u32, length: u32, data: u32, len: u32)
        in V0_1_0..=V0_2_1
        => |guest| set(guest, buffer, start, length, (data, len));
    proxy_get_buffer_status(buffer: u32, length_to: u32, flags_to: u32) in V0_1_0..=V0_2_1
        => |guest| status(guest, buffer, length_to, flags_to);
    proxy_get_configuration(to: u32, len_to: u32) in V0_1_0..=V0_1_0
        => |guest| configuration(guest, to, len_to);
};

/// The buffer's bytes now. A buffer of another callback is empty or `NotFound`, as in Envoy.
fn read(state: &HostState, kind: BufferKind) -> Result<Bytes, Status> {
    if state.profile == Profile::Gcp {
        return read_in_tester(state, kind).ok_or(Status::NotFound);
    }
    match kind {
        BufferKind::HttpRequestBody
        | BufferKind::HttpResponseBody
        | BufferKind::DownstreamData
        | BufferKind::UpstreamData => Ok(state
            .contexts
            .stream()
            .and_then(|stream| stream.bodies.get(kind as usize))
            .cloned()
            .unwrap_or_default()),
        BufferKind::HttpCallResponseBody => state
            .delivery()
            .and_then(|delivery| delivery.body(kind))
            .cloned()
            .ok_or(Status::NotFound),
        BufferKind::GrpcCallMessage => Ok(state
            .delivery()
            .and_then(|delivery| delivery.body(kind))
            .cloned()
            .unwrap_or_default()),
        BufferKind::ForeignFunctionArguments => {
            Ok(state.foreign_arguments.clone().unwrap_or_default())
        }
        BufferKind::VmConfiguration => Ok(state
            .contexts
            .root()
            .map(|root| root.config.vm_configuration.clone())
            .unwrap_or_default()),
        BufferKind::PluginConfiguration => state
            .contexts
            .root()
            .filter(|root| root.configuring)
            .map(|root| root.config.configuration.clone())
            .ok_or(Status::NotFound),
    }
}

/// What Google's plugin tester has: the plugin's configuration always, and a body in its callback.
fn read_in_tester(state: &HostState, kind: BufferKind) -> Option<Bytes> {
    if kind == BufferKind::PluginConfiguration {
        return state.contexts.root().map(|root| root.config.configuration.clone());
    }
    let stream = state.contexts.stream()?;
    stream.lends_body(kind).then(|| stream.bodies.get(kind as usize).cloned())?
}

fn get(
    guest: Guest<'_, '_>,
    buffer: u32,
    start: u32,
    length: u32,
    to: u32,
    len_to: u32,
) -> HostcallResult {
    let kind = BufferKind::from_code(buffer).ok_or(Status::BadArgument)?;
    guest
        .data_mut()
        .note(|note| note.arg("buffer", kind).arg("start", start).arg("length", length));
    let bytes = read(guest.data(), kind)?;
    let start = start as usize;
    let end = start.saturating_add(length as usize).min(bytes.len());
    let bytes = bytes.slice(start.min(end)..end);
    guest.data_mut().note(|note| note.ret("data", bytes.clone()));
    give(guest, &bytes, to, len_to)
}

fn set(guest: Guest<'_, '_>, buffer: u32, start: u32, length: u32, data: Span) -> HostcallResult {
    let kind = BufferKind::from_code(buffer).ok_or(Status::BadArgument)?;
    let (memory, state) = parts(guest)?;
    let data = state.read(memory, data)?;
    state.note(|note| {
        note.arg("buffer", kind).arg("start", start).arg("length", length).arg("data", data)
    });
    let (limit, profile) = (state.limits.body_bytes, state.profile);
    let root = state.contexts.root_slot();
    // As in Envoy: what cannot be read now is not found, and what cannot be written is refused.
    read(state, kind)?;
    let body = match kind {
        // As in Envoy: the message of an answer can be written, its body cannot.
        BufferKind::GrpcCallMessage => {
            let delivered = state.delivery.as_mut().filter(|(slot, _)| Some(*slot) == root);
            delivered.and_then(|(_, delivery)| delivery.message_mut())
        }
        _ => state.contexts.stream_mut().and_then(|stream| stream.body_mut(kind)),
    };
    let body = body.ok_or(Status::BadArgument)?;
    let (before, after) =
        profile.splice(body, start as usize, length as usize).ok_or(Status::BadArgument)?;
    if before.len().saturating_add(data.len()).saturating_add(after.len()) > limit {
        return Err(HostcallError::Limit("body_bytes"));
    }
    let whole = [before, data, after].concat();
    state.work.bytes(whole.len());
    *body = whole.into();
    Ok(())
}

fn status(guest: Guest<'_, '_>, buffer: u32, length_to: u32, flags_to: u32) -> HostcallResult {
    let kind = BufferKind::from_code(buffer).ok_or(Status::BadArgument)?;
    let (memory, state) = parts(guest)?;
    state.note(|note| note.arg("buffer", kind));
    let length = read(state, kind)?.len();
    state.note(|note| note.ret("length", u64::try_from(length).unwrap_or(u64::MAX)));
    write_u32(memory, length_to, u32::try_from(length).unwrap_or(u32::MAX))?;
    Ok(write_u32(memory, flags_to, 0)?)
}

fn configuration(guest: Guest<'_, '_>, to: u32, len_to: u32) -> HostcallResult {
    let state = guest.data();
    let bytes = match read(state, BufferKind::PluginConfiguration) {
        Ok(bytes) => bytes,
        Err(_) => read(state, BufferKind::VmConfiguration)?,
    };
    guest.data_mut().note(|note| note.ret("data", bytes.clone()));
    give(guest, &bytes, to, len_to)
}
