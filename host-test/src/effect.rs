//! Effects: what passed between a guest and its host, in order: every callback's entry and exit,
//! every hostcall with its arguments and its result. Recording is off unless a VM is given a
//! recorder, and then costs one test of an option per call.

mod log;
mod strict;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

pub use self::log::EffectLog;
pub use self::strict::{Expected, Mismatch, StrictEffects};
use crate::abi::{BufferKind, LogLevel, MapKind, Status, StreamKind};
use crate::headers::Headers;

/// One thing that passed between a guest and its host.
///
/// ```
/// use gatepost_host::{EffectLog, Vm, VmOptions};
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/count.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "count", &wasm)?;
///
/// let effects = EffectLog::default();
/// let options = VmOptions { recorder: Some(Box::new(effects.clone())), ..VmOptions::default() };
/// let mut vm = Vm::new(&module, Host::default(), options)?;
/// let plugin = vm.start_plugin(PluginConfig { name: "count".into(), ..PluginConfig::default() })?;
///
/// let defined = effects.take().into_iter().nth(1).unwrap();
/// assert_eq!(defined.to_string(), r#"1   proxy_define_metric(kind: "counter", name: "requests") = Ok, metric: 4"#);
/// assert_eq!(
///     serde_json::to_string(&defined)?,
///     r#"{"plugin":"count","context":1,"call":"proxy_define_metric","arguments":{"kind":"counter","name":"requests"},"#.to_owned()
///         + r#""status":"Ok","returned":{"metric":4}}"#
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// The plugin's name; empty while a VM starts.
    #[serde(serialize_with = "as_text")]
    pub plugin: Arc<str>,
    /// The context that it is about, as the guest numbers it; 0 while a VM starts.
    pub context: u32,
    /// What passed.
    #[serde(flatten)]
    pub event: EffectEvent,
}

fn as_text<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// What passed.
///
/// ```
/// use gatepost_host::{EffectEvent, Status};
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/tag.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
/// # let effects = EffectLog::default();
/// # let options = VmOptions { recorder: Some(Box::new(effects.clone())), ..VmOptions::default() };
/// # let mut vm = Vm::new(&module, Host::default(), options)?;
/// # let plugin = vm.start_plugin(PluginConfig { configuration: "blue".into(), ..PluginConfig::default() })?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
/// # let _ = effects.take();
/// let _ = vm.request_headers(stream, &mut headers, true)?;
///
/// let hostcalls: Vec<_> = effects.take().into_iter().filter_map(|effect| match effect.event {
///     EffectEvent::Called { hostcall, status, .. } => Some((hostcall, status)),
///     _ => None,
/// }).collect();
/// assert_eq!(hostcalls, [("proxy_add_header_map_value", Status::Ok)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum EffectEvent {
    /// The host entered the guest.
    Entered {
        /// The guest's export.
        #[serde(rename = "enter")]
        callback: &'static str,
        /// What it was called with, without the context.
        #[serde(skip_serializing_if = "Fields::is_empty")]
        arguments: Fields,
    },
    /// The guest came back.
    Left {
        /// The guest's export.
        #[serde(rename = "leave")]
        callback: &'static str,
        /// What it answered, if such a callback answers.
        #[serde(skip_serializing_if = "Option::is_none")]
        answer: Option<u32>,
    },
    /// The guest trapped and will not be entered again.
    Trapped {
        /// The guest's export.
        #[serde(rename = "trap")]
        callback: &'static str,
        /// Why.
        reason: String,
    },
    /// The guest called the host.
    Called {
        /// The hostcall, as in `proxy_log`; `fd_write` for standard output and error.
        #[serde(rename = "call")]
        hostcall: &'static str,
        /// What it was called with, pointers followed.
        #[serde(skip_serializing_if = "Fields::is_empty")]
        arguments: Fields,
        /// What it answered.
        status: Status,
        /// What it gave the guest beside the status.
        #[serde(skip_serializing_if = "Fields::is_empty")]
        returned: Fields,
    },
}

/// Named values in order.
///
/// ```
/// use gatepost_host::{Fields, MapKind, Value};
///
/// let arguments = Fields(vec![("map", MapKind::RequestHeaders.into()), ("name", "x-tag".into())]);
/// assert_eq!(arguments.get("name"), Some(&Value::from("x-tag")));
/// assert_eq!(arguments.to_string(), r#"map: request_headers, name: "x-tag""#);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(pub Vec<(&'static str, Value)>);

impl Fields {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(have, _)| *have == name).map(|(_, value)| value)
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// An argument or a result.
///
/// ```
/// use gatepost_host::{MapKind, Value};
///
/// assert_eq!(Value::from(7_u32), Value::Number(7));
/// assert_eq!(Value::from(MapKind::RequestHeaders), Value::Word("request_headers"));
/// assert_eq!(Value::from("v").to_string(), r#""v""#);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A number.
    Number(i64),
    /// Truth.
    Truth(bool),
    /// A word of the ABI, as in `request_headers`.
    Word(&'static str),
    /// Bytes that the guest gave or got.
    Text(Text),
    /// Header pairs.
    Pairs(Vec<(Text, Text)>),
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Value::Number(number.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Number(number)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Value::Number(number.cast_signed())
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Value::Truth(truth)
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Value::Text(Text::copy(bytes))
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Value::Text(Text(bytes))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(Text::copy(text.as_bytes()))
    }
}

impl From<MapKind> for Value {
    fn from(kind: MapKind) -> Self {
        Value::Word(kind.name())
    }
}

impl From<BufferKind> for Value {
    fn from(kind: BufferKind) -> Self {
        Value::Word(kind.name())
    }
}

impl From<LogLevel> for Value {
    fn from(level: LogLevel) -> Self {
        Value::Word(level.name())
    }
}

impl From<StreamKind> for Value {
    fn from(kind: StreamKind) -> Self {
        Value::Word(kind.name())
    }
}

impl From<&Headers> for Value {
    fn from(headers: &Headers) -> Self {
        Value::Pairs(
            headers.iter().map(|(name, value)| (Text::copy(name), Text::copy(value))).collect(),
        )
    }
}

impl From<&[(&[u8], &[u8])]> for Value {
    fn from(pairs: &[(&[u8], &[u8])]) -> Self {
        Value::Pairs(
            pairs.iter().map(|(name, value)| (Text::copy(name), Text::copy(value))).collect(),
        )
    }
}

/// A hostcall while it runs.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) arguments: Fields,
    pub(crate) returned: Fields,
}

impl Draft {
    pub(crate) fn arg(&mut self, name: &'static str, value: impl Into<Value>) -> &mut Self {
        self.arguments.0.push((name, value.into()));
        self
    }

    pub(crate) fn ret(&mut self, name: &'static str, value: impl Into<Value>) -> &mut Self {
        self.returned.0.push((name, value.into()));
        self
    }
}

/// Bytes that are shown as text.
///
/// ```
/// use gatepost_host::Text;
///
/// let text = Text(b"caf\xe9"[..].into()); // Latin-1, so no UTF-8
/// assert_eq!(text.to_string(), r"caf\xe9");
/// assert_eq!(text.as_bytes(), b"caf\xe9");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
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

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => write!(f, "{number}"),
            Value::Truth(truth) => write!(f, "{truth}"),
            Value::Word(word) => f.write_str(word),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Pairs(pairs) => f.debug_list().entries(pairs).finish(),
        }
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{name}: {value}")?;
        }
        Ok(())
    }
}

/// One line, as in
/// `2 proxy_get_header_map_value(map: request_headers, name: "env") = Ok, value: "dev"`.
impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.context)?;
        self.event.fmt(f)
    }
}

impl fmt::Display for EffectEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EffectEvent::Entered { callback, arguments } => write!(f, "> {callback}({arguments})"),
            EffectEvent::Left { callback, answer: None } => write!(f, "< {callback}"),
            EffectEvent::Left { callback, answer: Some(answer) } => {
                write!(f, "< {callback} = {answer}")
            }
            EffectEvent::Trapped { callback, reason } => write!(f, "! {callback}: {reason}"),
            EffectEvent::Called { hostcall, arguments, status, returned } => {
                write!(f, "  {hostcall}({arguments}) = {status:?}")?;
                if returned.is_empty() { Ok(()) } else { write!(f, ", {returned}") }
            }
        }
    }
}

/// Takes effects as they happen, on the thread that runs the VM.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::{Arc, Mutex};
/// use gatepost_host::{Effect, EffectEvent, Recorder, Vm, VmOptions};
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/count.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "count", &wasm)?;
///
/// /// Counts hostcalls by name.
/// #[derive(Clone, Default)]
/// struct Tally(Arc<Mutex<BTreeMap<&'static str, u32>>>);
///
/// impl Recorder for Tally {
///     fn record(&mut self, effect: Effect) {
///         if let EffectEvent::Called { hostcall, .. } = effect.event {
///             *self.0.lock().unwrap().entry(hostcall).or_default() += 1;
///         }
///     }
/// }
///
/// let tally = Tally::default();
/// let options = VmOptions { recorder: Some(Box::new(tally.clone())), ..VmOptions::default() };
/// let mut vm = Vm::new(&module, Host::default(), options)?;
/// # let plugin = vm.start_plugin(PluginConfig::default())?;
/// vm.tick(plugin)?;
/// assert_eq!(tally.0.lock().unwrap().get("proxy_log"), Some(&1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Recorder: Send {
    /// Takes one effect.
    fn record(&mut self, effect: Effect);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(returned: Vec<(&'static str, Value)>) -> Effect {
        let arguments =
            Fields(vec![("map", MapKind::RequestHeaders.into()), ("name", (&b"\xffb"[..]).into())]);
        let hostcall = "proxy_get_header_map_value";
        let event = EffectEvent::Called {
            hostcall,
            arguments,
            status: Status::Ok,
            returned: Fields(returned),
        };
        Effect { plugin: "p".into(), context: 2, event }
    }

    #[test]
    fn an_effect_is_one_flat_json_object() {
        let json = serde_json::to_string(&called(vec![("value", "v".into())])).unwrap();
        let want = r#"{"plugin":"p","context":2,"call":"proxy_get_header_map_value","arguments":{"map":"request_headers","name":"\\xffb"},"status":"Ok","returned":{"value":"v"}}"#;
        assert_eq!(json, want);
    }

    #[test]
    fn an_effect_reads_as_one_line() {
        let line = called(vec![]).to_string();
        assert_eq!(
            line,
            r#"2   proxy_get_header_map_value(map: request_headers, name: "\\xffb") = Ok"#
        );
        let left = Effect {
            plugin: "p".into(),
            context: 2,
            event: EffectEvent::Left { callback: "proxy_on_request_headers", answer: Some(0) },
        };
        assert_eq!(left.to_string(), "2 < proxy_on_request_headers = 0");
    }
}
