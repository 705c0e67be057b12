//! Metrics: defined by name, then named by number.

use wasmtime::{Caller, Linker};

use super::Guest;
use crate::abi::Status;
use crate::effect::Value;
use crate::memory::{HostResult, parts, serve, slice, write_u32, write_u64};
use crate::metrics::MetricKind;
use crate::state::HostState;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_define_metric",
        |mut guest: Caller<'_, HostState>, kind: u32, name: u32, len: u32, to: u32| {
            serve(&mut guest, "proxy_define_metric", |guest| define(guest, kind, name, len, to))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_increment_metric",
        |mut guest: Caller<'_, HostState>, id: u32, offset: i64| {
            serve(&mut guest, "proxy_increment_metric", |guest| increment(guest, id, offset))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_record_metric",
        |mut guest: Caller<'_, HostState>, id: u32, value: u64| {
            serve(&mut guest, "proxy_record_metric", |guest| record(guest, id, value))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_metric",
        |mut guest: Caller<'_, HostState>, id: u32, to: u32| {
            serve(&mut guest, "proxy_get_metric", |guest| get(guest, id, to))
        },
    )?;
    Ok(())
}

fn define(guest: Guest<'_, '_>, kind: u32, name: u32, len: u32, to: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    let name = String::from_utf8_lossy(slice(memory, name, len)?);
    let kind = MetricKind::from_code(kind).ok_or(Status::BadArgument)?;
    state.note(|note| note.arg("kind", kind.name()).arg("name", name.as_bytes()));
    let id = state.metrics.define(&state.host.metrics, kind, &name, state.limits.metrics)?;
    state.note(|note| note.ret("metric", id));
    drop(name);
    Ok(write_u32(memory, to, id)?)
}

fn increment(guest: Guest<'_, '_>, id: u32, offset: i64) -> HostResult {
    let state = guest.data_mut();
    name(state, id);
    state.note(|note| note.arg("offset", offset));
    Ok(state.metrics.increment(id, offset)?)
}

fn record(guest: Guest<'_, '_>, id: u32, value: u64) -> HostResult {
    let state = guest.data_mut();
    name(state, id);
    state.note(|note| note.arg("value", value));
    Ok(state.metrics.record(id, value)?)
}

fn get(guest: Guest<'_, '_>, id: u32, to: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    name(state, id);
    let value = state.metrics.get(id)?;
    state.note(|note| note.ret("value", value));
    Ok(write_u64(memory, to, value)?)
}

/// An effect names a metric by its name; a number means something to its VM only.
fn name(state: &mut HostState, id: u32) {
    if state.draft.is_some() {
        let name = state.metrics.find(id).map(|metric| metric.name.clone()).ok();
        state.note(|note| {
            note.arg("metric", name.map_or_else(|| id.into(), |name| Value::from(&*name)))
        });
    }
}
