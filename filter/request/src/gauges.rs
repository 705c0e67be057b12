//! Gauges that tell which policy is in force, two for each plugin: `gatepost.policy.<plugin name>`
//! is the policy's fingerprint, and `gatepost.observe.<plugin name>` is 1 while it only observes.
//! All VMs of a proxy share a gauge, and it lasts as long as one of them.

use std::cell::Cell;

use gatepost_engine::{Mode, Policy};

use crate::hostcalls::{define_gauge, metric, record};

/// The longest name of a plugin in a metric's name, in bytes.
const LONGEST: usize = 63;

/// The name of a plugin that has none.
const UNNAMED: &str = "unnamed";

/// What the gauges of one plugin are to show.
#[derive(Debug)]
pub struct PolicyGauges {
    name: String,
    fingerprint: u64,
    observes: bool,
    /// The proxy's ids of both, once they were shown.
    ids: Cell<Option<(u32, u32)>>,
}

impl PolicyGauges {
    /// The gauges of a policy. `plugin` is the property `plugin_name` of the root context. Its name
    /// in the gauges ends before a `~`, behind which Istio says how it made the plugin; it is in
    /// lower case, with `_` for each byte but letters, digits, `_` and `-`, and cut to 63 bytes. A
    /// plugin without a name is called `unnamed`.
    #[must_use]
    pub fn new(plugin: Option<&[u8]>, policy: &Policy) -> Self {
        let fingerprint = policy.fingerprint();
        let observes = policy.mode() == Mode::Observe;
        Self { name: name_of(plugin), fingerprint, observes, ids: Cell::new(None) }
    }

    /// The plugin's name in the gauges.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Shows the policy. Call this by the timer of the root context, and not while it is
    /// configured: Envoy checks a configuration in a VM of its own first, which it throws away.
    ///
    /// Later calls write only where the gauge shows no policy, because one that ended has cleared
    /// it. So the gauge stays with the policy that came last, also if one before it ends later, in
    /// another VM.
    pub fn show(&self) {
        let ids = self.ids.get().or_else(|| {
            let policy = define_gauge(&["gatepost.policy.", &self.name].concat())?;
            let observe = define_gauge(&["gatepost.observe.", &self.name].concat())?;
            Some((policy, observe))
        });
        let Some((policy, observe)) = ids else { return };
        if self.ids.replace(ids).is_none() || metric(policy) == Some(0) {
            record(policy, self.fingerprint);
            record(observe, self.observes.into());
        }
    }
}

/// A policy that ends is not in force any more.
impl Drop for PolicyGauges {
    fn drop(&mut self) {
        if let Some((policy, observe)) = self.ids.get()
            && metric(policy) == Some(self.fingerprint)
        {
            record(policy, 0);
            record(observe, 0);
        }
    }
}

fn name_of(plugin: Option<&[u8]>) -> String {
    let name = plugin.unwrap_or_default().iter().take_while(|byte| **byte != b'~');
    let letters = name.take(LONGEST).map(|byte| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'-' => byte.to_ascii_lowercase().into(),
        _ => '_',
    });
    let name: String = letters.collect();
    if name.is_empty() { UNNAMED.to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn a_plugin_has_a_name_that_a_metric_can_have() {
        for (plugin, name) in [
            (&b""[..], "unnamed"),
            (b"Gatepost", "gatepost"),
            (b"istio-system.gatepost", "istio-system_gatepost"),
            (b"istio-system.gatepost~istio-translated-wasmplugin", "istio-system_gatepost"),
            (b"a b_c-9", "a_b_c-9"),
            ("ä".as_bytes(), "__"),
            (b"\xff\0", "__"),
            (&[b'a'; 100], &"a".repeat(63)),
        ] {
            assert_eq!(name_of(Some(plugin)), name);
        }
        assert_eq!(name_of(None), "unnamed");
    }
}
