//! The clusters that guests may call.

use std::sync::Arc;

/// The clusters that guests may call.
///
/// ```
/// use std::sync::Arc;
/// use gatepost_host::{Clusters, Host, Vm, VmOptions};
/// # use gatepost_host_fixtures::*;
/// # let module = module("auth");
///
/// // This guest calls the cluster `auth`.
/// let clusters = Clusters::Only(Arc::from(["billing".to_owned()]));
/// let mut vm = Vm::new(&module, Host { clusters, ..Host::default() }, VmOptions::default())?;
/// # let plugin = vm.start_plugin(PluginConfig::default())?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = request();
/// let _ = vm.request_headers(stream, &mut headers, true)?;
/// assert!(vm.take_callouts().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Clusters {
    /// Every name.
    #[default]
    Any,
    /// These clusters. As in Envoy, an HTTP call to another one is `BadArgument`. A gRPC call is
    /// `InternalFailure` and is then closed with `UNAVAILABLE`, or `ParseFailure` if its service is
    /// plain text.
    Only(Arc<[String]>),
}

impl Clusters {
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Clusters::Any => true,
            Clusters::Only(names) => names.iter().any(|have| have == name),
        }
    }
}
