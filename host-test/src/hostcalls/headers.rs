//! Header maps. A map can be used only in the callbacks it is lent for; elsewhere a value or a
//! write is `BadArgument` and the pairs are empty, as in Envoy. A write to the request's headers
//! clears the route cache.

use bytes::Bytes;
use wasmtime::{Caller, Linker};

use super::Guest;
use crate::abi::{AbiVersion, MapKind, Status};
use crate::effect::Value;
use crate::headers::{HEADER_CHARGE, Headers};
use crate::memory::{HostResult, give, give_with, parts, serve, slice, write_u32};
use crate::pairs;
use crate::state::HostState;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_header_map_value",
        |mut guest: Caller<'_, HostState>, map: u32, name: u32, len: u32, to: u32, len_to: u32| {
            serve(&mut guest, "proxy_get_header_map_value", |guest| {
                get(guest, map, (name, len), to, len_to)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_add_header_map_value",
        |mut guest: Caller<'_, HostState>,
         map: u32,
         name: u32,
         name_len: u32,
         value: u32,
         value_len: u32| {
            serve(&mut guest, "proxy_add_header_map_value", |guest| {
                write(guest, Write::Add, map, (name, name_len), (value, value_len))
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_replace_header_map_value",
        |mut guest: Caller<'_, HostState>,
         map: u32,
         name: u32,
         name_len: u32,
         value: u32,
         value_len: u32| {
            serve(&mut guest, "proxy_replace_header_map_value", |guest| {
                write(guest, Write::Replace, map, (name, name_len), (value, value_len))
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_remove_header_map_value",
        |mut guest: Caller<'_, HostState>, map: u32, name: u32, len: u32| {
            serve(&mut guest, "proxy_remove_header_map_value", |guest| {
                remove(guest, map, (name, len))
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_header_map_pairs",
        |mut guest: Caller<'_, HostState>, map: u32, to: u32, len_to: u32| {
            serve(&mut guest, "proxy_get_header_map_pairs", |guest| {
                get_pairs(guest, map, to, len_to)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_header_map_pairs",
        |mut guest: Caller<'_, HostState>, map: u32, pairs: u32, len: u32| {
            serve(&mut guest, "proxy_set_header_map_pairs", |guest| {
                set_pairs(guest, map, pairs, len)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_header_map_size",
        |mut guest: Caller<'_, HostState>, map: u32, to: u32| {
            serve(&mut guest, "proxy_get_header_map_size", |guest| size(guest, map, to))
        },
    )?;
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
    match state.stream().and_then(|stream| stream.map(kind)) {
        None => state.delivery().and_then(|delivery| delivery.map(kind)),
        map => map,
    }
}

fn lent_mut(state: &mut HostState, kind: MapKind) -> Result<&mut Headers, Status> {
    if kind >= MapKind::GrpcCallInitialMetadata {
        // What came back for a callout is read-only.
        return Err(Status::BadArgument);
    }
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
    state.note(|note| note.arg("map", kind).arg("name", name));
    let found = match lent(state, kind) {
        Some(map) => map.find(name),
        // In `proxy_on_log` a map may be absent because the message was; that is no misuse.
        None if state.stream().is_some_and(|stream| stream.read_only) => None,
        None => return Err(Status::BadArgument.into()),
    };
    match found {
        Some(at) => {
            let value = lent(state, kind).and_then(|map| map.value_at(at)).unwrap_or_default();
            let len = u32::try_from(value.len()).map_err(|_| Status::InternalFailure)?;
            if state.draft.is_some() {
                let value = Bytes::copy_from_slice(value);
                state.note(|note| note.ret("value", value));
            }
            give_with(guest, len, to, len_to, |memory, state| {
                // The guest's allocator ran in between and may have changed the map.
                let value = lent(state, kind)
                    .and_then(|map| map.value_at(at))
                    .filter(|value| value.len() == memory.len());
                memory.copy_from_slice(value.ok_or(Status::InternalFailure)?);
                Ok(())
            })
        }
        None if state.abi == AbiVersion::V0_1_0 => give(guest, b"", to, len_to),
        None => Err(Status::NotFound.into()),
    }
}

fn write(guest: Guest<'_, '_>, write: Write, map: u32, name: Span, value: Span) -> HostResult {
    let kind = kind(map)?;
    let (memory, state) = parts(guest)?;
    let (name, value) = (slice(memory, name.0, name.1)?, slice(memory, value.0, value.1)?);
    state.note(|note| note.arg("map", kind).arg("name", name).arg("value", value));
    let (limit, profile) = (state.limits.header_map_bytes, state.profile);
    let headers = lent_mut(state, kind)?;
    if headers.charge().saturating_add(name.len() + value.len() + HEADER_CHARGE) > limit {
        return Err(Status::InternalFailure.into());
    }
    match write {
        Write::Add => profile.add(headers, name, value),
        Write::Replace => profile.replace(headers, name, value),
    }
    Ok(())
}

fn remove(guest: Guest<'_, '_>, map: u32, name: Span) -> HostResult {
    let kind = kind(map)?;
    let (memory, state) = parts(guest)?;
    let name = slice(memory, name.0, name.1)?;
    state.note(|note| note.arg("map", kind).arg("name", name));
    lent(state, kind).ok_or(Status::BadArgument)?;
    lent_mut(state, kind)?.remove(name);
    Ok(())
}

fn get_pairs(guest: Guest<'_, '_>, map: u32, to: u32, len_to: u32) -> HostResult {
    let kind = kind(map)?;
    if guest.data().draft.is_some() {
        let pairs = lent(guest.data(), kind).map(Value::from).unwrap_or(Value::Pairs(Vec::new()));
        guest.data_mut().note(|note| note.arg("map", kind).ret("pairs", pairs));
    }
    let len = match lent(guest.data(), kind) {
        Some(headers) if !headers.is_empty() => pairs::encoded_len(headers),
        _ => 0,
    };
    let len = u32::try_from(len).map_err(|_| Status::InternalFailure)?;
    give_with(guest, len, to, len_to, |memory, state| {
        // The guest's allocator ran in between and may have changed the map: then the length no
        // longer fits.
        lent(state, kind)
            .and_then(|headers| pairs::encode(headers, memory))
            .ok_or(Status::InternalFailure)
    })
}

fn set_pairs(guest: Guest<'_, '_>, map: u32, pairs: u32, len: u32) -> HostResult {
    let kind = kind(map)?;
    let (memory, state) = parts(guest)?;
    // Envoy takes malformed pairs for none at all, which would remove every header; the guest is
    // told instead.
    let pairs = pairs::decode(slice(memory, pairs, len)?).ok_or(Status::BadArgument)?;
    state.note(|note| note.arg("map", kind).arg("pairs", &pairs[..]));
    let (limit, profile) = (state.limits.header_map_bytes, state.profile);
    if pairs.iter().map(|(name, value)| name.len() + value.len() + HEADER_CHARGE).sum::<usize>()
        > limit
    {
        return Err(Status::InternalFailure.into());
    }
    let headers = lent_mut(state, kind)?;
    headers.clear();
    for (name, value) in &pairs {
        profile.add(headers, name, value);
    }
    Ok(())
}

fn size(guest: Guest<'_, '_>, map: u32, to: u32) -> HostResult {
    let kind = kind(map)?;
    let (memory, state) = parts(guest)?;
    state.note(|note| note.arg("map", kind));
    let profile = state.profile;
    let size = lent(state, kind).map(|map| profile.size(map)).ok_or(Status::BadArgument)?;
    state.note(|note| note.ret("size", u64::try_from(size).unwrap_or(u64::MAX)));
    Ok(write_u32(memory, to, u32::try_from(size).unwrap_or(u32::MAX))?)
}
