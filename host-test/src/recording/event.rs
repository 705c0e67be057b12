//! One recorded event, its text and JSON forms, and the trait that takes events.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::value::Fields;
use crate::abi::Status;

/// One event between a guest and the host, and the context it belongs to.
///
/// ```
/// use gatepost_host::{Host, Recording, Vm, VmOptions};
/// # use gatepost_host_fixtures::*;
/// # let module = module("count");
///
/// let recording = Recording::default();
/// let recorder = Some(Box::new(recording.clone()) as _);
/// let mut vm = Vm::new(&module, Host::default(), VmOptions { recorder, ..VmOptions::default() })?;
/// vm.start_plugin(config("count"))?;
///
/// let event = recording.take().into_iter().nth(1).unwrap();
/// assert_eq!(
///     event.to_string(),
///     r#"1   proxy_define_metric(kind: "counter", name: "requests") = Ok, metric: 4"#
/// );
/// let json = serde_json::to_value(&event)?;
/// assert_eq!(json["plugin"], "count");
/// assert_eq!(json["call"], "proxy_define_metric");
/// assert_eq!(json["arguments"]["name"], "requests");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recorded {
    /// The plugin's name; empty while a VM starts.
    #[serde(serialize_with = "as_text")]
    pub plugin: Arc<str>,
    /// The id of the context that the event belongs to; 0 while a VM starts.
    pub context: u32,
    /// What happened.
    #[serde(flatten)]
    pub event: RecordedEvent,
}

fn as_text<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// What happened between a guest and the host.
///
/// ```
/// use gatepost_host::{Recorded, RecordedEvent};
///
/// fn hostcalls(recorded: &[Recorded]) -> Vec<&str> {
///     let name = |recorded: &Recorded| match recorded.event {
///         RecordedEvent::Called { hostcall, .. } => Some(hostcall),
///         _ => None,
///     };
///     recorded.iter().filter_map(name).collect()
/// }
///
/// let event = RecordedEvent::Left { callback: "proxy_on_tick", answer: None };
/// assert!(hostcalls(&[Recorded { plugin: "p".into(), context: 1, event }]).is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum RecordedEvent {
    /// The host called the guest.
    Entered {
        /// The guest's export.
        #[serde(rename = "enter")]
        callback: &'static str,
        /// The arguments, without the context id.
        #[serde(skip_serializing_if = "Fields::is_empty")]
        arguments: Fields,
    },
    /// The guest returned.
    Left {
        /// The guest's export.
        #[serde(rename = "leave")]
        callback: &'static str,
        /// The returned value, for callbacks that return one.
        #[serde(skip_serializing_if = "Option::is_none")]
        answer: Option<u32>,
    },
    /// The guest trapped. The host does not call it again.
    Trapped {
        /// The guest's export.
        #[serde(rename = "trap")]
        callback: &'static str,
        /// The trap's message.
        reason: String,
    },
    /// The guest called the host.
    Called {
        /// The hostcall's name, as in `proxy_log`, or `fd_write` for standard output and error.
        #[serde(rename = "call")]
        hostcall: &'static str,
        /// The arguments; a pointer and a length are recorded as the bytes they name.
        #[serde(skip_serializing_if = "Fields::is_empty")]
        arguments: Fields,
        /// The status that the guest got.
        status: Status,
        /// The results beside the status.
        #[serde(skip_serializing_if = "Fields::is_empty")]
        returned: Fields,
    },
    /// The recording is full: what follows is not in it.
    Stopped {
        /// The most bytes of the recording.
        #[serde(rename = "recording_full")]
        bytes: usize,
    },
}

/// One line, as in
/// `2 proxy_get_header_map_value(map: request_headers, name: "env") = Ok, value: "dev"`.
impl Recorded {
    /// What the event takes in memory, in a list that has grown to twice its length.
    pub(crate) fn bytes(&self) -> usize {
        let own = match &self.event {
            RecordedEvent::Entered { arguments, .. } => arguments.bytes(),
            RecordedEvent::Called { arguments, returned, .. } => {
                arguments.bytes() + returned.bytes()
            }
            RecordedEvent::Trapped { reason, .. } => reason.len(),
            RecordedEvent::Left { .. } | RecordedEvent::Stopped { .. } => 0,
        };
        own + 2 * size_of::<Self>()
    }
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.context)?;
        self.event.fmt(f)
    }
}

impl fmt::Display for RecordedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordedEvent::Entered { callback, arguments } => {
                write!(f, "> {callback}({arguments})")
            }
            RecordedEvent::Left { callback, answer: None } => write!(f, "< {callback}"),
            RecordedEvent::Left { callback, answer: Some(answer) } => {
                write!(f, "< {callback} = {answer}")
            }
            RecordedEvent::Trapped { callback, reason } => write!(f, "! {callback}: {reason}"),
            RecordedEvent::Stopped { bytes } => {
                write!(f, "! the recording is full ({bytes} bytes): what follows is not in it")
            }
            RecordedEvent::Called { hostcall, arguments, status, returned } => {
                write!(f, "  {hostcall}({arguments}) = {status:?}")?;
                if returned.is_empty() { Ok(()) } else { write!(f, ", {returned}") }
            }
        }
    }
}

/// Takes events as they happen, on the thread that runs the VM.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::{Arc, Mutex};
/// use gatepost_host::{Host, Recorded, RecordedEvent, Recorder, Vm, VmOptions};
/// # use gatepost_host_fixtures::*;
/// # let module = module("count");
///
/// /// Counts hostcalls by name.
/// #[derive(Clone, Default)]
/// struct Counter(Arc<Mutex<BTreeMap<&'static str, u32>>>);
///
/// impl Recorder for Counter {
///     fn record(&mut self, recorded: Recorded) {
///         if let RecordedEvent::Called { hostcall, .. } = recorded.event {
///             *self.0.lock().unwrap().entry(hostcall).or_default() += 1;
///         }
///     }
/// }
///
/// let counter = Counter::default();
/// let options = VmOptions { recorder: Some(Box::new(counter.clone())), ..VmOptions::default() };
/// let mut vm = Vm::new(&module, Host::default(), options)?;
/// # let plugin = vm.start_plugin(PluginConfig::default())?;
/// vm.tick(plugin)?;
/// assert_eq!(counter.0.lock().unwrap().get("proxy_log"), Some(&1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Recorder: Send {
    /// Takes one event.
    fn record(&mut self, recorded: Recorded);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::MapKind;
    use crate::recording::value::Value;

    fn called(returned: Vec<(&'static str, Value)>) -> Recorded {
        let arguments =
            Fields(vec![("map", MapKind::RequestHeaders.into()), ("name", (&b"\xffb"[..]).into())]);
        let hostcall = "proxy_get_header_map_value";
        let event = RecordedEvent::Called {
            hostcall,
            arguments,
            status: Status::Ok,
            returned: Fields(returned),
        };
        Recorded { plugin: "p".into(), context: 2, event }
    }

    #[test]
    fn a_recorded_event_is_one_flat_json_object() {
        let json = serde_json::to_string(&called(vec![("value", "v".into())])).unwrap();
        let want = r#"{"plugin":"p","context":2,"call":"proxy_get_header_map_value","#.to_owned()
            + r#""arguments":{"map":"request_headers","name":"\\xffb"},"#
            + r#""status":"Ok","returned":{"value":"v"}}"#;
        assert_eq!(json, want);
    }

    #[test]
    fn a_recorded_event_reads_as_one_line() {
        let line = called(vec![]).to_string();
        assert_eq!(
            line,
            r#"2   proxy_get_header_map_value(map: request_headers, name: "\\xffb") = Ok"#
        );
        let left = Recorded {
            plugin: "p".into(),
            context: 2,
            event: RecordedEvent::Left { callback: "proxy_on_request_headers", answer: Some(0) },
        };
        assert_eq!(left.to_string(), "2 < proxy_on_request_headers = 0");
    }
}
