//! Header maps. A map can be used only in the callbacks it is lent for; elsewhere a value or a write is `BadArgument` and the
//! pairs are empty, as in Envoy. A write to the request's headers clears the route cache.

use wasmtime::{Caller, Linker};

use super::Guest;
use crate::abi::{AbiVersion, MapKind, Status};
use crate::headers::Headers;
use crate::memory::{HostResult, answer, give, give_with, parts, slice, write_u32};
use crate::pairs;
use crate::record::{Change, Text};
use crate::state::HostState;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_header_map_value",
        |mut guest: Caller<'_, HostState>, map: u32, name: u32, len: u32, to: u32, len_to: u32| {
            answer(get(&mut guest, map, (name, len), to, len_to))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_add_header_map_value",
        |mut guest: Caller<'_, HostState>, map: u32, name: u32, name_len: u32, value: u32, value_len: u32| {
            answer(write(&mut guest, Write::Add, map, (name, name_len), (value, value_len)))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_replace_header_map_value",
        |mut guest: Caller<'_, HostState>, map: u32, name: u32, name_len: u32, value: u32, value_len: u32| {
            answer(write(&mut guest, Write::Replace, map, (name, name_len), (value, value_len)))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_remove_header_map_value",
        |mut guest: Caller<'_, HostState>, map: u32, name: u32, len: u32| answer(remove(&mut guest, map, (name, len))),
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_header_map_pairs",
        |mut guest: Caller<'_, HostState>, map: u32, to: u32, len_to: u32| answer(get_pairs(&mut guest, map, to, len_to)),
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_header_map_pairs",
        |mut guest: Caller<'_, HostState>, map: u32, pairs: u32, len: u32| answer(set_pairs(&mut guest, map, pairs, len)),
    )?;
    linker.func_wrap("env", "proxy_get_header_map_size", |mut guest: Caller<'_, HostState>, map: u32, to: u32| {
        answer(size(&mut guest, map, to))
    })?;
    Ok(())
}

/// A pointer and a length in guest memory.
type Span = (u32, u32);

enum Write {
    Add,
    Replace,
}

fn kind(map: u32) -> Result<MapKind, Status> {
    MapKind::from_code(map).ok_or(Status::BadArgument)
}

fn lent(state: &HostState, kind: MapKind) -> Option<&Headers> {
    state.stream().and_then(|stream| stream.map(kind))
}

fn lent_mut(state: &mut HostState, kind: MapKind) -> Result<&mut Headers, Status> {
    let stream = state.stream_mut().ok_or(Status::BadArgument)?;
    if stream.map_mut(kind).is_some() && kind == MapKind::RequestHeaders {
        stream.route_cache_cleared = true;
    }
    stream.map_mut(kind).ok_or(Status::BadArgument)
}

fn get(guest: Guest<'_, '_>, map: u32, name: Span, to: u32, len_to: u32) -> HostResult {
    let kind = kind(map)?;
    let (memory, state) = parts(guest)?;
    let name = slice(memory, name.0, name.1)?;
    let value = match lent(state, kind) {
        Some(map) => map.get_bytes(name).cloned(),
        // In `proxy_on_log` a map may be absent because the message was; that is no misuse.
        None if state.stream().is_some_and(|stream| stream.read_only) => None,
        None => return Err(Status::BadArgument.into()),
    };
    match value {
        Some(value) => give(guest, &value, to, len_to),
        None if state.abi == AbiVersion::V0_1_0 => give(guest, b"", to, len_to),
        None => Err(Status::NotFound.into()),
    }
}

fn write(guest: Guest<'_, '_>, write: Write, map: u32, name: Span, value: Span) -> HostResult {
    let kind = kind(map)?;
    let (memory, state) = parts(guest)?;
    let (name, value) = (slice(memory, name.0, name.1)?, slice(memory, value.0, value.1)?);
    let limit = state.limits.header_map_bytes;
    let headers = lent_mut(state, kind)?;
    if headers.byte_size().saturating_add(name.len()).saturating_add(value.len()) > limit {
        return Err(Status::InternalFailure.into());
    }
    match write {
        Write::Add => {
            headers.add(name, value);
            state.record(|_| Change::HeaderAdded { map: kind, name: Text::copy(name), value: Text::copy(value) });
        }
        Write::Replace => {
            headers.replace(name, value);
            state.record(|_| Change::HeaderReplaced { map: kind, name: Text::copy(name), value: Text::copy(value) });
        }
    }
    Ok(())
}

fn remove(guest: Guest<'_, '_>, map: u32, name: Span) -> HostResult {
    let kind = kind(map)?;
    let (memory, state) = parts(guest)?;
    let name = slice(memory, name.0, name.1)?;
    lent_mut(state, kind)?.remove(name);
    state.record(|_| Change::HeaderRemoved { map: kind, name: Text::copy(name) });
    Ok(())
}

fn get_pairs(guest: Guest<'_, '_>, map: u32, to: u32, len_to: u32) -> HostResult {
    let kind = kind(map)?;
    let len = match lent(guest.data(), kind) {
        Some(headers) if !headers.is_empty() => pairs::encoded_len(headers),
        _ => 0,
    };
    let len = u32::try_from(len).map_err(|_| Status::InternalFailure)?;
    give_with(guest, len, to, len_to, |memory, state| {
        // The guest's allocator ran in between and may have changed the map: then the length no longer fits.
        lent(state, kind).and_then(|headers| pairs::encode(headers, memory)).ok_or(Status::InternalFailure)
    })
}

fn set_pairs(guest: Guest<'_, '_>, map: u32, pairs: u32, len: u32) -> HostResult {
    let kind = kind(map)?;
    let (memory, state) = parts(guest)?;
    // Envoy takes malformed pairs for none at all, which would remove every header; the guest is told instead.
    let pairs = pairs::decode(slice(memory, pairs, len)?).ok_or(Status::BadArgument)?;
    let limit = state.limits.header_map_bytes;
    if pairs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > limit {
        return Err(Status::InternalFailure.into());
    }
    let headers = lent_mut(state, kind)?;
    headers.clear();
    for (name, value) in &pairs {
        headers.add(name, value);
    }
    state.record(|_| Change::HeadersSet {
        map: kind,
        pairs: pairs.iter().map(|(name, value)| (Text::copy(name), Text::copy(value))).collect(),
    });
    Ok(())
}

fn size(guest: Guest<'_, '_>, map: u32, to: u32) -> HostResult {
    let kind = kind(map)?;
    let (memory, state) = parts(guest)?;
    let size = lent(state, kind).ok_or(Status::BadArgument)?.byte_size();
    Ok(write_u32(memory, to, u32::try_from(size).unwrap_or(u32::MAX))?)
}
