//! Metrics. A guest defines a metric by its name, and uses the number that it gets.

use super::definition::{Definition, family};
use crate::abi::Status;
use crate::memory::{Guest, HostcallResult, Span, parts, write_u32, write_u64};
use crate::metrics::MetricKind;
use crate::recording::Value;
use crate::state::HostState;

pub(super) const FAMILY: &[Definition] = family! {
    proxy_define_metric(kind: u32, name: u32, len: u32, to: u32) in V0_1_0..=V0_2_1
        => |guest| define(guest, kind, (name, len), to);
    proxy_increment_metric(id: u32, offset: i64) in V0_1_0..=V0_2_1
        => |guest| increment(guest, id, offset);
    proxy_record_metric(id: u32, value: u64) in V0_1_0..=V0_2_1
        => |guest| record(guest, id, value);
    proxy_get_metric(id: u32, to: u32) in V0_1_0..=V0_2_1
        => |guest| get(guest, id, to);
};

fn define(guest: Guest<'_, '_>, kind: u32, name: Span, to: u32) -> HostcallResult {
    let (memory, state) = parts(guest)?;
    let name = String::from_utf8_lossy(state.read(memory, name)?);
    let kind = MetricKind::from_code(kind).ok_or(Status::BadArgument)?;
    state.note(|note| note.arg("kind", kind.name()).arg("name", name.as_bytes()));
    let id = state.metrics.define(&state.host.metrics, kind, &name, &state.limits)?;
    state.note(|note| note.ret("metric", id));
    drop(name);
    Ok(write_u32(memory, to, id)?)
}

fn increment(guest: Guest<'_, '_>, id: u32, offset: i64) -> HostcallResult {
    let state = guest.data_mut();
    note_name(state, id);
    state.note(|note| note.arg("offset", offset));
    Ok(state.metrics.increment(id, offset)?)
}

fn record(guest: Guest<'_, '_>, id: u32, value: u64) -> HostcallResult {
    let state = guest.data_mut();
    note_name(state, id);
    state.note(|note| note.arg("value", value));
    Ok(state.metrics.record(id, value)?)
}

fn get(guest: Guest<'_, '_>, id: u32, to: u32) -> HostcallResult {
    let (memory, state) = parts(guest)?;
    note_name(state, id);
    let value = state.metrics.get(id)?;
    state.note(|note| note.ret("value", value));
    Ok(write_u64(memory, to, value)?)
}

/// Records the metric by its name: a number has a meaning in its VM only.
fn note_name(state: &mut HostState, id: u32) {
    if state.draft.is_some() {
        let name = state.metrics.find(id).map(|metric| metric.name.clone()).ok();
        state.note(|note| {
            note.arg("metric", name.map_or_else(|| id.into(), |name| Value::from(&*name)))
        });
    }
}
