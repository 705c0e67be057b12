//! A plugin: one root context in a VM, with its own configuration. As in Envoy, several plugins can
//! share a VM.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::expression::Expressions;
use crate::filter_state::Declared;

/// Identifies one plugin of one VM, until the plugin is stopped.
///
/// ```
/// # use gatepost_host_fixtures::*;
/// # let module = module("tag");
/// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
/// # let plugin = vm.start_plugin(config("tag"))?;
/// # let mut other = Vm::new(&module, Host::default(), VmOptions::default())?;
/// assert_eq!(plugin.context(), 1); // the first context of the VM
/// assert!(vm.runs(plugin));
/// assert!(!other.runs(plugin));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Plugin {
    pub(crate) slot: u32,
    pub(crate) context: u32,
}

impl Plugin {
    /// The id of the root context, which the guest knows.
    #[must_use]
    pub fn context(self) -> u32 {
        self.context
    }
}

/// What happens to streams after the plugin's VM has trapped, as in Envoy. It applies to paused and
/// later streams; the stream whose own callback trapped is always answered with 503.
///
/// ```
/// use gatepost_host::{Chain, ChainPlugin, FailPolicy, Headers, Host, Message};
/// use gatepost_host::{PluginConfig, Worker};
///
/// # use gatepost_host_fixtures::*;
/// # let module = module("trap");
/// // This guest traps on every request.
/// let config = PluginConfig { fail_policy: FailPolicy::Open, ..PluginConfig::default() };
/// let chain = Chain::new(vec![ChainPlugin { module, config }]);
/// let mut worker = Worker::new(&chain, Host::default())?;
///
/// # let request = Message::new(request());
/// let mut status = || {
///     let ok = Message::new(Headers::response([(":status", "200")]));
///     let finished = worker.run(request.clone(), &mut |_: &Message| Some(ok.clone()));
///     finished.response.and_then(|response| response.headers.get(":status").map(<[u8]>::to_vec))
/// };
/// assert_eq!(status().unwrap(), b"503");
/// assert_eq!(status().unwrap(), b"200"); // from the upstream, without the plugin
/// assert_eq!(worker.errors().len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A [`Worker`](crate::Worker) applies the policy; a [`Vm`](crate::Vm) does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailPolicy {
    /// Answer 503 (Envoy's `FAIL_CLOSED`, the default).
    #[default]
    #[serde(rename = "FAIL_CLOSED")]
    Closed,
    /// Continue without the plugin (`FAIL_OPEN`).
    #[serde(rename = "FAIL_OPEN")]
    Open,
    /// Answer 503 until the VM is rebuilt, after a back-off (`FAIL_RELOAD`).
    #[serde(rename = "FAIL_RELOAD")]
    Reload,
}

/// A plugin's configuration, with the names of Envoy's `PluginConfig`.
///
/// ```
/// use gatepost_host::PluginConfig;
/// # use gatepost_host_fixtures::*;
/// # let module = module("tag");
/// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
///
/// let config = PluginConfig {
///     name: "tag".into(),
///     configuration: r#"{"tag": "blue"}"#.into(),
///     ..PluginConfig::default()
/// };
/// let plugin = vm.start_plugin(config)?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = request();
/// let _ = vm.request_headers(stream, &mut headers, true)?;
/// // This guest adds its configuration to the request.
/// assert_eq!(headers.get("x-tag"), Some(&br#"{"tag": "blue"}"#[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct PluginConfig {
    /// The plugin's name: in log lines, and the property `plugin_name`.
    pub name: String,
    /// The property `plugin_root_id`, by which SDKs select a root context.
    pub root_id: String,
    /// The property `plugin_vm_id`, to which shared data and queues belong.
    pub vm_id: String,
    /// The buffer `VmConfiguration`, for `proxy_on_vm_start`.
    pub vm_configuration: Bytes,
    /// The buffer `PluginConfiguration`, for `proxy_on_configure`.
    pub configuration: Bytes,
    /// What happens to streams after the VM has trapped.
    pub fail_policy: FailPolicy,
    /// Lets a header callback stop the headers only. If it is off, as by default in Envoy, that
    /// stops the body, too.
    pub allow_on_headers_stop_iteration: bool,
    /// The property `listener_direction`: 1 inbound, 2 outbound; 0 for none.
    pub listener_direction: i64,
}

/// The environment variables of a VM (Envoy's `EnvironmentVariables.key_values`).
///
/// ```
/// use gatepost_host::{Environment, VmOptions};
///
/// let environment: Environment = [("REGION".to_owned(), "eu".to_owned())].into();
/// let options = VmOptions { environment, ..VmOptions::default() };
/// # assert_eq!(options.environment.len(), 1);
/// ```
pub type Environment = BTreeMap<String, String>;

/// A root context in a VM.
#[derive(Debug)]
pub(crate) struct Root {
    /// The context id; 0 while the slot is free.
    pub(crate) context: u32,
    pub(crate) config: PluginConfig,
    /// The plugin's name, shared with recorded events.
    pub(crate) name: Arc<str>,
    pub(crate) tick_period: Option<Duration>,
    /// When the next tick is due, on the host's monotonic clock.
    pub(crate) next_tick: Option<u64>,
    /// Whether the guest may read the plugin configuration now.
    pub(crate) configuring: bool,
    /// `proxy_on_done` returned false: the guest will call `proxy_done`.
    pub(crate) awaiting_done: bool,
    /// The guest has called `proxy_done`: the context is deleted after the callback.
    pub(crate) done: bool,
    /// The number of open streams. The plugin cannot be stopped before they are finished.
    pub(crate) open_streams: usize,
    /// The VM id as bytes, kept so that a hostcall does not allocate.
    pub(crate) vm_id: Bytes,
    pub(crate) expressions: Expressions,
    /// The values that the guest has declared, for the streams of this plugin.
    pub(crate) declared: Declared,
}

impl Root {
    pub(crate) fn new(context: u32, config: PluginConfig) -> Self {
        let vm_id = Bytes::copy_from_slice(config.vm_id.as_bytes());
        let name = Arc::from(config.name.as_str());
        Self {
            context,
            config,
            name,
            tick_period: None,
            next_tick: None,
            configuring: false,
            awaiting_done: false,
            done: false,
            open_streams: 0,
            vm_id,
            expressions: Expressions::default(),
            declared: Declared::default(),
        }
    }

    /// Sets the next tick one period from now, or none.
    pub(crate) fn arm_tick(&mut self, now: u64) {
        let period =
            self.tick_period.map(|period| u64::try_from(period.as_nanos()).unwrap_or(u64::MAX));
        self.next_tick = period.map(|period| now.saturating_add(period));
    }
}
