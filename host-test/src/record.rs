//! Effects: what a guest changed through hostcalls, in order, for tests and tools to look at. Recording is off unless a VM is
//! given a recorder, and then costs one test of an option per hostcall.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde::{Serialize, Serializer};

use crate::abi::{BufferKind, LogLevel, MapKind, StreamKind};
use crate::metrics::MetricKind;
use crate::stream::LocalReply;

/// One change, and the context that made it as the guest numbers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Effect {
    /// The context that the change applies to; 0 while a VM starts.
    pub context: u32,
    /// What changed.
    #[serde(flatten)]
    pub change: Change,
}

/// A change that a hostcall made, or a callback that began. Bytes are written as text, those that are no UTF-8 escaped as `\xNN`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
#[allow(missing_docs, reason = "the fields are the hostcalls' arguments")]
pub enum Change {
    /// The host entered the guest.
    Callback { name: &'static str },
    /// `proxy_add_header_map_value`
    HeaderAdded { map: MapKind, name: Text, value: Text },
    /// `proxy_replace_header_map_value`
    HeaderReplaced { map: MapKind, name: Text, value: Text },
    /// `proxy_remove_header_map_value`
    HeaderRemoved { map: MapKind, name: Text },
    /// `proxy_set_header_map_pairs`
    HeadersSet { map: MapKind, pairs: Vec<(Text, Text)> },
    /// `proxy_set_buffer_bytes`
    BufferSet { buffer: BufferKind, start: u32, length: u32, data: Text },
    /// `proxy_set_property`; the path's zero bytes are shown as dots.
    PropertySet { path: Text, value: Text },
    /// `proxy_define_metric`
    MetricDefined { kind: MetricKind, name: Text },
    /// `proxy_increment_metric`
    MetricIncremented { name: Text, offset: i64 },
    /// `proxy_record_metric`
    MetricRecorded { name: Text, value: u64 },
    /// `proxy_log`, or a line on standard output or error
    Logged { level: LogLevel, message: Text },
    /// `proxy_send_local_response`
    LocalReply { reply: LocalReply },
    /// `proxy_continue_stream` and its older forms
    StreamContinued { stream: StreamKind },
    /// `proxy_close_stream`
    StreamClosed { stream: StreamKind },
    /// The foreign function or hostcall `clear_route_cache`; header writes clear it too and are not told twice.
    RouteCacheCleared,
    /// `proxy_set_tick_period_milliseconds`
    TickPeriodSet { milliseconds: u32 },
    /// `proxy_set_shared_data`
    SharedDataSet { key: Text, value: Text, cas: u32 },
    /// `proxy_register_shared_queue`
    QueueRegistered { name: Text, token: u32 },
    /// `proxy_enqueue_shared_queue`
    Enqueued { token: u32, data: Text },
    /// `proxy_dequeue_shared_queue`
    Dequeued { token: u32 },
    /// `proxy_done`
    Done,
}

/// Bytes that are shown as text.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(pub Bytes);

impl Text {
    /// The bytes as they are.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn copy(bytes: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Takes effects as they happen, on the thread that runs the VM.
pub trait Recorder: Send {
    /// Takes one effect.
    fn record(&mut self, effect: Effect);
}

/// Keeps every effect in one ordered list. Clones share it: give one to the VM, read the other.
#[derive(Clone, Debug, Default)]
pub struct EffectLog {
    effects: Arc<Mutex<Vec<Effect>>>,
}

impl EffectLog {
    /// Takes the effects so far out of the list.
    #[must_use]
    pub fn take(&self) -> Vec<Effect> {
        std::mem::take(&mut *self.effects.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Recorder for EffectLog {
    fn record(&mut self, effect: Effect) {
        self.effects.lock().unwrap_or_else(PoisonError::into_inner).push(effect);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_reads_as_one_flat_object() {
        let change = Change::HeaderReplaced { map: MapKind::RequestHeaders, name: Text::copy(b"a"), value: Text::copy(b"\xffb") };
        let json = serde_json::to_string(&Effect { context: 2, change }).unwrap();
        assert_eq!(json, r#"{"context":2,"effect":"header_replaced","map":"request_headers","name":"a","value":"\\xffb"}"#);
    }
}
