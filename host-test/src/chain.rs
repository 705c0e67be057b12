//! A chain: the plugins that HTTP exchanges pass, in order, and the rules for it. It is a
//! description that is cheap to clone; a [`Worker`](crate::Worker) runs it.

use std::sync::Arc;
use std::time::Duration;

use crate::limits::Limits;
use crate::module::Module;
use crate::plugin::{Environment, PluginConfig};
use crate::profile::Profile;

/// One plugin of a chain.
///
/// ```
/// use gatepost_host::{ChainPlugin, FailPolicy, PluginConfig};
/// # use gatepost_host_fixtures::*;
/// # let module = module("tag");
///
/// let config = PluginConfig { fail_policy: FailPolicy::Open, ..PluginConfig::default() };
/// let plugin = ChainPlugin { module, config };
/// assert_eq!(plugin.module.name(), "tag");
/// ```
#[derive(Clone, Debug)]
pub struct ChainPlugin {
    /// The module.
    pub module: Module,
    /// The configuration, with the policy for streams after a trap.
    pub config: PluginConfig,
}

/// The rules of a chain. The default is Envoy's rules, with default limits.
///
/// ```
/// use gatepost_host::{Chain, ChainOptions, ChainPlugin, Headers, Host, Message};
/// use gatepost_host::{PluginConfig, Worker};
/// # use gatepost_host_fixtures::*;
/// # let module = module("redact");
///
/// // This guest buffers the body of a request.
/// let plugin = ChainPlugin { module, config: PluginConfig::default() };
/// let options = ChainOptions { buffer_bytes: 4, ..ChainOptions::default() };
/// let mut worker = Worker::new(&Chain::with_options(vec![plugin], options), Host::default())?;
/// let mut request = Message::new(Headers::request([(":method", "POST"), (":path", "/")]));
/// request.body = vec!["four".into(), "more".into(), "end".into()];
///
/// let finished = worker.run(request, &mut |_: &Message| None);
/// assert_eq!(finished.response.unwrap().headers.get(":status"), Some(&b"413"[..]));
/// assert_eq!(finished.local_reply.unwrap().details.to_string(), "request_payload_too_large");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ChainOptions {
    /// The proxy whose rules apply where proxies differ.
    pub profile: Profile,
    /// The most bytes of a body that the chain buffers for one plugin. Beyond it the client gets
    /// 413 for a request's body, 500 for a response's. Default 1 MiB, as of Envoy's
    /// `per_connection_buffer_limit_bytes`.
    pub buffer_bytes: usize,
    /// The least time between two builds of a VM that traps, for plugins with
    /// [`FailPolicy::Reload`](crate::FailPolicy). Default one second, as in Envoy, which adds a
    /// random time.
    pub reload_backoff: Duration,
    /// The limits of each VM.
    pub limits: Limits,
    /// The environment variables of each VM.
    pub environment: Environment,
}

impl Default for ChainOptions {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            buffer_bytes: 1 << 20,
            reload_backoff: Duration::from_secs(1),
            limits: Limits::default(),
            environment: Environment::default(),
        }
    }
}

/// Plugins in order. A request passes the first plugin first; its response passes the first plugin
/// last. Clones share everything.
///
/// ```
/// # use gatepost_host_fixtures::*;
/// use gatepost_host::{Chain, ChainPlugin, Host, Message, Worker};
/// # use gatepost_host_fixtures::*;
///
/// // `tag` adds a header, `deny` answers every request that reaches it.
/// let tag = ChainPlugin { module: module("tag"), config: config("tag") };
/// let deny = ChainPlugin { module: module("deny"), config: config("deny") };
/// let mut worker = Worker::new(&Chain::new(vec![tag, deny]), Host::default())?;
/// # let request = Message::new(request());
/// let finished = worker.run(request, &mut |_: &Message| None);
/// assert_eq!(finished.local_reply.unwrap().plugin.as_deref(), Some("deny"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Chain {
    pub(crate) plugins: Arc<[ChainPlugin]>,
    pub(crate) options: Arc<ChainOptions>,
}

impl Chain {
    /// A chain with the default rules.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let module = module("tag");
    /// let chain = Chain::new(vec![ChainPlugin { module, config: PluginConfig::default() }]);
    /// assert_eq!(chain.options().buffer_bytes, 1 << 20);
    /// ```
    #[must_use]
    pub fn new(plugins: Vec<ChainPlugin>) -> Self {
        Self::with_options(plugins, ChainOptions::default())
    }

    /// A chain with these rules.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let module = module("tag");
    /// # let plugins = vec![ChainPlugin { module, config: PluginConfig::default() }];
    /// let options = ChainOptions { profile: Profile::Gcp, ..ChainOptions::default() };
    /// let chain = Chain::with_options(plugins, options);
    /// assert_eq!(chain.options().profile, Profile::Gcp);
    /// assert_eq!(chain.plugins().len(), 1);
    /// ```
    #[must_use]
    pub fn with_options(plugins: Vec<ChainPlugin>, options: ChainOptions) -> Self {
        Self { plugins: plugins.into(), options: Arc::new(options) }
    }

    /// The plugins in order.
    #[must_use]
    pub fn plugins(&self) -> &[ChainPlugin] {
        &self.plugins
    }

    /// The rules.
    #[must_use]
    pub fn options(&self) -> &ChainOptions {
        &self.options
    }
}

impl ChainPlugin {
    /// Whether both are in one VM: as in Envoy, if they have the same module, `vm_id` and VM
    /// configuration.
    pub(crate) fn shares_vm(&self, other: &Self) -> bool {
        let (a, b) = (&self.config, &other.config);
        a.vm_id == b.vm_id
            && a.vm_configuration == b.vm_configuration
            && self.module.is_same(&other.module)
    }
}
