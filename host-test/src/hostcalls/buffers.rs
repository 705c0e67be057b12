//! Buffers: bodies in their callbacks, and the configurations. Only a body can be written, at its start or its end.

use bytes::Bytes;
use wasmtime::{Caller, Linker};

use super::Guest;
use crate::abi::{AbiVersion, BufferKind, Status};
use crate::memory::{HostResult, answer, give, parts, slice, write_u32};
use crate::record::{Change, Text};
use crate::state::HostState;

pub(super) fn link(linker: &mut Linker<HostState>, abi: AbiVersion) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_buffer_bytes",
        |mut guest: Caller<'_, HostState>, buffer: u32, start: u32, length: u32, to: u32, len_to: u32| {
            answer(get(&mut guest, buffer, start, length, to, len_to))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_buffer_bytes",
        |mut guest: Caller<'_, HostState>, buffer: u32, start: u32, length: u32, data: u32, len: u32| {
            answer(set(&mut guest, buffer, start, length, data, len))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_buffer_status",
        |mut guest: Caller<'_, HostState>, buffer: u32, length_to: u32, flags_to: u32| {
            answer(status(&mut guest, buffer, length_to, flags_to))
        },
    )?;
    if abi == AbiVersion::V0_1_0 {
        linker.func_wrap("env", "proxy_get_configuration", |mut guest: Caller<'_, HostState>, to: u32, len_to: u32| {
            answer(configuration(&mut guest, to, len_to))
        })?;
    }
    Ok(())
}

/// The buffer's bytes now. What belongs to a callback that does not run is empty, as in Envoy; what was never there is
/// `NotFound`.
fn read(state: &HostState, kind: BufferKind) -> Result<Bytes, Status> {
    match kind {
        BufferKind::HttpRequestBody | BufferKind::HttpResponseBody => {
            Ok(state.stream().and_then(|stream| stream.bodies.get(kind as usize)).cloned().unwrap_or_default())
        }
        BufferKind::VmConfiguration => Ok(state.root().map(|root| root.config.vm_configuration.clone()).unwrap_or_default()),
        BufferKind::PluginConfiguration => {
            state.root().filter(|root| root.configuring).map(|root| root.config.configuration.clone()).ok_or(Status::NotFound)
        }
        BufferKind::DownstreamData
        | BufferKind::UpstreamData
        | BufferKind::HttpCallResponseBody
        | BufferKind::GrpcCallMessage
        | BufferKind::ForeignFunctionArguments => Err(Status::NotFound),
    }
}

fn get(guest: Guest<'_, '_>, buffer: u32, start: u32, length: u32, to: u32, len_to: u32) -> HostResult {
    let kind = BufferKind::from_code(buffer).ok_or(Status::BadArgument)?;
    let bytes = read(guest.data(), kind)?;
    let start = start as usize;
    let end = start.saturating_add(length as usize).min(bytes.len());
    if start > bytes.len() {
        return Err(Status::BadArgument.into());
    }
    // Nothing to give is Ok, and the guest's pointers stay as they are: so in Envoy.
    if start == end {
        return Ok(());
    }
    give(guest, &bytes.slice(start..end), to, len_to)
}

fn set(guest: Guest<'_, '_>, buffer: u32, start: u32, length: u32, data: u32, len: u32) -> HostResult {
    let kind = BufferKind::from_code(buffer).ok_or(Status::BadArgument)?;
    let (memory, state) = parts(guest)?;
    let data = slice(memory, data, len)?;
    let limit = state.limits.body_bytes;
    let body = state.stream_mut().filter(|stream| !stream.read_only).and_then(|stream| stream.body_mut(kind));
    let body = body.ok_or(Status::BadArgument)?;
    // At the start the length is drained and the data put in front; at or beyond the end it is appended; inside it may not go.
    let (before, after) = match start {
        0 => (data, body.get(length as usize..).unwrap_or_default()),
        _ if start as usize >= body.len() => (&body[..], data),
        _ => return Err(Status::BadArgument.into()),
    };
    if before.len().saturating_add(after.len()) > limit {
        return Err(Status::InternalFailure.into());
    }
    *body = [before, after].concat().into();
    state.record(|_| Change::BufferSet { buffer: kind, start, length, data: Text::copy(data) });
    Ok(())
}

fn status(guest: Guest<'_, '_>, buffer: u32, length_to: u32, flags_to: u32) -> HostResult {
    let kind = BufferKind::from_code(buffer).ok_or(Status::BadArgument)?;
    let (memory, state) = parts(guest)?;
    let length = read(state, kind)?.len();
    write_u32(memory, length_to, u32::try_from(length).unwrap_or(u32::MAX))?;
    Ok(write_u32(memory, flags_to, 0)?)
}

fn configuration(guest: Guest<'_, '_>, to: u32, len_to: u32) -> HostResult {
    let state = guest.data();
    let bytes = match read(state, BufferKind::PluginConfiguration) {
        Ok(bytes) => bytes,
        Err(_) => read(state, BufferKind::VmConfiguration)?,
    };
    give(guest, &bytes, to, len_to)
}
