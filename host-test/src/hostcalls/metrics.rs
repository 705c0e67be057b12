//! Metrics: defined by name, then named by number.

use wasmtime::{Caller, Linker};

use super::Guest;
use crate::abi::Status;
use crate::memory::{HostResult, answer, parts, slice, write_u32, write_u64};
use crate::metrics::MetricKind;
use crate::record::{Change, Text};
use crate::state::HostState;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_define_metric",
        |mut guest: Caller<'_, HostState>, kind: u32, name: u32, len: u32, to: u32| {
            answer(define(&mut guest, kind, name, len, to))
        },
    )?;
    linker.func_wrap("env", "proxy_increment_metric", |mut guest: Caller<'_, HostState>, id: u32, offset: i64| {
        answer(increment(&mut guest, id, offset))
    })?;
    linker.func_wrap("env", "proxy_record_metric", |mut guest: Caller<'_, HostState>, id: u32, value: u64| {
        answer(record(&mut guest, id, value))
    })?;
    linker.func_wrap("env", "proxy_get_metric", |mut guest: Caller<'_, HostState>, id: u32, to: u32| {
        answer(get(&mut guest, id, to))
    })?;
    Ok(())
}

fn define(guest: Guest<'_, '_>, kind: u32, name: u32, len: u32, to: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    let name = String::from_utf8_lossy(slice(memory, name, len)?);
    let kind = MetricKind::from_code(kind).ok_or(Status::BadArgument)?;
    let id = state.metrics.define(&state.host.metrics, kind, &name, state.limits.metrics)?;
    state.record(|_| Change::MetricDefined { kind, name: Text::copy(name.as_bytes()) });
    drop(name);
    Ok(write_u32(memory, to, id)?)
}

fn increment(guest: Guest<'_, '_>, id: u32, offset: i64) -> HostResult {
    let state = guest.data_mut();
    state.metrics.increment(id, offset)?;
    state.record(|state| Change::MetricIncremented { name: name(state, id), offset });
    Ok(())
}

fn record(guest: Guest<'_, '_>, id: u32, value: u64) -> HostResult {
    let state = guest.data_mut();
    state.metrics.record(id, value)?;
    state.record(|state| Change::MetricRecorded { name: name(state, id), value });
    Ok(())
}

fn get(guest: Guest<'_, '_>, id: u32, to: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    let value = state.metrics.get(id)?;
    Ok(write_u64(memory, to, value)?)
}

fn name(state: &HostState, id: u32) -> Text {
    Text::copy(state.metrics.find(id).map_or("", |metric| &metric.name).as_bytes())
}
