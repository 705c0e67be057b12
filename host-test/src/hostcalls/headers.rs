//! Header maps. A guest can use a map only in the callbacks that lend it. In others, as in Envoy,
//! reading or writing a value is `BadArgument` and the pairs are empty. A write to the request's
//! headers clears the route cache.

use bytes::Bytes;

use super::definition::{Definition, family};
use crate::abi::{AbiVersion, MapKind, Status};
use crate::headers::{HEADER_CHARGE, Headers};
use crate::memory::{
    Guest, HostcallError, HostcallResult, Span, give, give_with, parts, write_u32,
};
use crate::pairs;
use crate::profile::Profile;
use crate::recording::Value;
use crate::state::HostState;

pub(super) const FAMILY: &[Definition] = family! {
    proxy_get_header_map_value(map: u32, name: u32, len: u32, to: u32, len_to: u32)
        in V0_1_0..=V0_2_1
        => |guest| get(guest, map, (name, len), to, len_to);
    proxy_add_header_map_value(map: u32, name: u32, name_len: u32, value: u32, value_len: u32)
        in V0_1_0..=V0_2_1
        => |guest| write(guest, Write::Add, map, (name, name_len), (value, value_len));
    proxy_replace_header_map_value(map: u32, name: u32, name_len: u32, value: u32, value_len: u32)
        in V0_1_0..=V0_2_1
        => |guest| write(guest, Write::Replace, map, (name, name_len), (value, value_len));
    proxy_remove_header_map_value(map: u32, name: u32, len: u32) in V0_1_0..=V0_2_1
        => |guest| remove(guest, map, (name, len));
    proxy_get_header_map_pairs(map: u32, to: u32, len_to: u32) in V0_1_0..=V0_2_1
        => |guest| get_pairs(guest, map, to, len_to);
    proxy_set_header_map_pairs(map: u32, pairs: u32, len: u32) in V0_1_0..=V0_2_1
        => |guest| set_pairs(guest, map, (pairs, len));
    proxy_get_header_map_size(map: u32, to: u32) in V0_1_0..=V0_2_1
        => |guest| size(guest, map, to);
};

enum Write {
    Add,
    Replace,
}

fn kind(map: u32) -> Result<MapKind, Status> {
    MapKind::from_code(map).ok_or(Status::BadArgument)
}

fn lent(state: &HostState, kind: MapKind) -> Option<&Headers> {
    match state.contexts.stream().and_then(|stream| stream.map(kind)) {
        None => state.delivery().and_then(|delivery| delivery.map(kind)),
        map => map,
    }
}

fn lent_mut(state: &mut HostState, kind: MapKind) -> Result<&mut Headers, Status> {
    let stream = state.contexts.stream_mut().ok_or(Status::BadArgument)?;
    if stream.map_mut(kind).is_some() && kind == MapKind::RequestHeaders {
        stream.route_cache_cleared = true;
    }
    stream.map_mut(kind).ok_or(Status::BadArgument)
}

/// Looking through a map and moving its text is work that grows with the map.
fn search(state: &mut HostState, kind: MapKind) {
    let (entries, bytes) = lent(state, kind).map_or((0, 0), |map| (map.len(), map.byte_size()));
    state.work.entries(entries);
    state.work.bytes(bytes);
}

fn get(guest: Guest<'_, '_>, map: u32, name: Span, to: u32, len_to: u32) -> HostcallResult {
    let kind = kind(map)?;
    let (memory, state) = parts(guest)?;
    let name = state.read(memory, name)?;
    search(state, kind);
    state.note(|note| note.arg("map", kind).arg("name", name));
    let found = match lent(state, kind) {
        Some(map) => map.find(name),
        // In `proxy_on_log` a map may be missing because its message was: the value is `NotFound`.
        None if state.contexts.stream().is_some_and(|stream| stream.read_only) => None,
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
                // The guest's allocator has run since, and may have changed the map.
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

fn write(guest: Guest<'_, '_>, write: Write, map: u32, name: Span, value: Span) -> HostcallResult {
    let kind = kind(map)?;
    let (memory, state) = parts(guest)?;
    let (name, value) = (state.read(memory, name)?, state.read(memory, value)?);
    state.note(|note| note.arg("map", kind).arg("name", name).arg("value", value));
    search(state, kind);
    let (limit, profile) = (state.limits.header_map_bytes, state.profile);
    let headers = lent_mut(state, kind)?;
    if headers.charge().saturating_add(name.len() + value.len() + HEADER_CHARGE) > limit {
        return Err(HostcallError::Limit("header_map_bytes"));
    }
    match write {
        Write::Add => profile.add(headers, name, value),
        Write::Replace => profile.replace(headers, name, value),
    }
    Ok(())
}

fn remove(guest: Guest<'_, '_>, map: u32, name: Span) -> HostcallResult {
    let kind = kind(map)?;
    let (memory, state) = parts(guest)?;
    let name = state.read(memory, name)?;
    state.note(|note| note.arg("map", kind).arg("name", name));
    search(state, kind);
    lent_mut(state, kind)?.remove(name);
    Ok(())
}

fn get_pairs(guest: Guest<'_, '_>, map: u32, to: u32, len_to: u32) -> HostcallResult {
    let kind = kind(map)?;
    if guest.data().draft.is_some() {
        let pairs = lent(guest.data(), kind).map(Value::from).unwrap_or(Value::Pairs(Vec::new()));
        guest.data_mut().note(|note| note.arg("map", kind).ret("pairs", pairs));
    }
    if guest.data().profile == Profile::Gcp && lent(guest.data(), kind).is_none() {
        return Err(Status::BadArgument.into());
    }
    let len = match lent(guest.data(), kind) {
        Some(headers) if !headers.is_empty() => pairs::encoded_len(headers),
        _ => 0,
    };
    let len = u32::try_from(len).map_err(|_| Status::InternalFailure)?;
    give_with(guest, len, to, len_to, |memory, state| {
        // The guest's allocator has run since, and may have changed the map: then the length does
        // not match.
        lent(state, kind)
            .and_then(|headers| pairs::encode(headers, memory))
            .ok_or(Status::InternalFailure)
    })
}

fn set_pairs(guest: Guest<'_, '_>, map: u32, pairs: Span) -> HostcallResult {
    let kind = kind(map)?;
    let (memory, state) = parts(guest)?;
    // Envoy takes malformed pairs for an empty list, and removes every header. Here it is an error.
    let pairs = pairs::decode(state.read(memory, pairs)?).ok_or(Status::BadArgument)?;
    state.note(|note| note.arg("map", kind).arg("pairs", &pairs[..]));
    let (limit, profile) = (state.limits.header_map_bytes, state.profile);
    if pairs.iter().map(|(name, value)| name.len() + value.len() + HEADER_CHARGE).sum::<usize>()
        > limit
    {
        return Err(HostcallError::Limit("header_map_bytes"));
    }
    // Each pair looks for its name among those before it.
    state.work.entries(pairs.len() * pairs.len() / 2);
    let headers = lent_mut(state, kind)?;
    headers.clear();
    for (name, value) in &pairs {
        profile.add(headers, name, value);
    }
    Ok(())
}

fn size(guest: Guest<'_, '_>, map: u32, to: u32) -> HostcallResult {
    let kind = kind(map)?;
    let (memory, state) = parts(guest)?;
    state.note(|note| note.arg("map", kind));
    let profile = state.profile;
    // As in Envoy: only of a map that could be written, also where nothing was written yet.
    let map = state.contexts.stream_mut().and_then(|stream| stream.map_mut(kind));
    let size = map.map(|map| profile.size(map)).ok_or(Status::BadArgument)?;
    state.note(|note| note.ret("size", u64::try_from(size).unwrap_or(u64::MAX)));
    Ok(write_u32(memory, to, u32::try_from(size).unwrap_or(u32::MAX))?)
}
