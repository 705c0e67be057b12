//! A chain: which plugins HTTP exchanges pass, in which order, and under which rules. It is a description that is cheap to clone;
//! a [`Worker`](crate::Worker) runs it.

use std::sync::Arc;
use std::time::Duration;

use crate::limits::Limits;
use crate::module::Module;
use crate::plugin::{Environment, PluginConfig};
use crate::profile::Profile;

/// One plugin of a chain.
#[derive(Clone, Debug)]
pub struct ChainPlugin {
    /// What it runs.
    pub module: Module,
    /// Its configuration, with what happens to streams when its VM has trapped.
    pub config: PluginConfig,
}

/// The rules of a chain. The default is Envoy's, with default limits.
#[derive(Clone, Debug)]
pub struct ChainOptions {
    /// Whose rules hold where proxies differ.
    pub profile: Profile,
    /// Bytes of a body that the chain keeps for one plugin that buffers it. One byte more, and the client gets 413 for a request's
    /// body, 500 for a response's. Default 1 MiB, Envoy's `per_connection_buffer_limit_bytes`.
    pub buffer_bytes: usize,
    /// How long a VM must have lived before it is built anew after a trap, for plugins with
    /// [`FailPolicy::Reload`](crate::FailPolicy). Default one second, Envoy's; Envoy adds some at random.
    pub reload_backoff: Duration,
    /// What each VM may use.
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

/// Plugins in order. A request passes the first one first, its response passes it last. Clones share everything.
#[derive(Clone, Debug)]
pub struct Chain {
    pub(crate) plugins: Arc<[ChainPlugin]>,
    pub(crate) options: Arc<ChainOptions>,
}

impl Chain {
    /// A chain with the default rules.
    #[must_use]
    pub fn new(plugins: Vec<ChainPlugin>) -> Self {
        Self::with_options(plugins, ChainOptions::default())
    }

    /// A chain with these rules.
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
    /// Whether both live in one VM: the same module with the same `vm_id` and VM configuration, as in Envoy.
    pub(crate) fn shares_vm(&self, other: &Self) -> bool {
        let (a, b) = (&self.config, &other.config);
        a.vm_id == b.vm_id && a.vm_configuration == b.vm_configuration && self.module.is_same(&other.module)
    }
}
