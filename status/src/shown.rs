//! What a gateway's statistics say about Gatepost: of the filter, of Envoy and of Istio's agent.

use std::collections::{BTreeMap, BTreeSet};

use gatepost_engine::Counter;
use serde::Serialize;

use crate::exposition::{ExpositionError, Sample, samples};

/// More than this many plugins are no gateway's.
const MAX_PLUGINS: usize = 256;
/// More than this many counters are no gateway's: a policy has 64 health checks at most.
const MAX_COUNTS: usize = 64 * MAX_PLUGINS;

/// What a gateway shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The plugins with a policy in force, by name.
    pub plugins: Vec<Plugin>,
    /// How often decisions of a kind were made, by all plugins together. Empty where there is no
    /// filter.
    pub counts: Vec<Count>,
    /// Requests that the filter answered with 500, by the reason.
    pub failures: BTreeMap<String, u64>,
    /// Configurations that the filter refused since it runs.
    pub refused_policies: u64,
    /// Listeners that Envoy refused since it runs, with the filter in them or without.
    pub refused_listeners: u64,
    /// Modules that Istio's agent could not fetch since it runs.
    pub failed_fetches: u64,
    /// Plugins that Istio sent to the agent since it runs, updates included.
    pub sent_plugins: u64,
}

/// A plugin with a policy in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plugin {
    /// Its name, as Prometheus has it: with `_` for `-` and `.`.
    pub name: String,
    /// The fingerprint of its policy.
    pub fingerprint: u64,
    /// Whether the policy observes, and changes nothing.
    pub observes: bool,
}

/// A counter of decisions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// `healthCheck`, `environment`, `host` or `response`.
    pub rule: &'static str,
    /// The name of the health check, with `_` for `-`, or what was decided: `mapped`.
    pub name: String,
    /// How often.
    pub count: u64,
}

/// Why an answer says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShownError {
    /// It is not in the format of Prometheus.
    #[error(transparent)]
    Exposition(#[from] ExpositionError),
    /// It holds too much.
    #[error("it has more than {limit} {what}, and no gateway has")]
    TooMany {
        /// What it holds.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// A metric has a value that cannot be.
    #[error("{0} has a value that is no count")]
    NoCount(String),
}

/// The families of counters, by what Prometheus has for the beginning of their names.
const FAMILIES: [(&str, &str); 4] = [
    ("health_check_", "healthCheck"),
    ("environment_", "environment"),
    ("host_", "host"),
    ("response_", "response"),
];

impl Shown {
    /// Reads the statistics of a gateway, as Envoy, Istio's agent and `gatepost serve` write them.
    ///
    /// # Errors
    /// When the text is none, or holds what no gateway has.
    pub fn read(text: &str) -> Result<Self, ShownError> {
        let mut shown = Self::default();
        let mut observing = BTreeSet::new();
        for sample in samples(text) {
            shown.add(&sample?, &mut observing)?;
        }
        for plugin in &mut shown.plugins {
            plugin.observes = observing.contains(&plugin.name);
        }
        shown.plugins.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(shown)
    }

    fn add(
        &mut self,
        sample: &Sample<'_>,
        observing: &mut BTreeSet<String>,
    ) -> Result<(), ShownError> {
        let count = || sample.count().ok_or_else(|| ShownError::NoCount(sample.name.to_owned()));
        // `serve` ends the names of counters as OpenMetrics has it.
        let name = sample.name.strip_suffix("_total").unwrap_or(sample.name);
        let Some(own) = name.strip_prefix("gatepost_") else {
            let failed = sample.label("result").is_some_and(|result| result != "success");
            match name {
                "envoy_listener_manager_lds_update_rejected" => self.refused_listeners = count()?,
                "istio_agent_wasm_remote_fetch_count" if failed => self.failed_fetches += count()?,
                "istio_agent_wasm_config_conversion_count" => self.sent_plugins += count()?,
                _ => {}
            }
            return Ok(());
        };
        if name != sample.name && own.starts_with("policy_") {
            return Ok(());
        }
        if let Some(plugin) = own.strip_prefix("policy_") {
            // 0 is what is left of a plugin.
            if count()? != 0 {
                self.plugins.push(Plugin {
                    name: plugin.to_owned(),
                    fingerprint: count()?,
                    observes: false,
                });
            }
        } else if let Some(plugin) = own.strip_prefix("observe_") {
            if count()? != 0 {
                observing.insert(plugin.to_owned());
            }
        } else if let Some(what) = own.strip_prefix("internal_") {
            self.failures.insert(what.to_owned(), count()?);
        } else if own == "config_rejected" {
            self.refused_policies = count()?;
        } else {
            let family = FAMILIES.iter().find_map(|(start, rule)| {
                let what = own.strip_prefix(start)?;
                is_ours(start, own).then_some((*rule, what))
            });
            if let Some((rule, what)) = family {
                self.counts.push(Count { rule, name: what.to_owned(), count: count()? });
            }
        }
        let limits = [
            ("plugins", self.plugins.len().max(observing.len()), MAX_PLUGINS),
            ("counters", self.counts.len().max(self.failures.len()), MAX_COUNTS),
        ];
        match limits.into_iter().find(|(_, found, limit)| found > limit) {
            Some((what, _, limit)) => Err(ShownError::TooMany { what, limit }),
            None => Ok(()),
        }
    }

    /// Whether a plugin has this policy; `plugin` names the one that must have it.
    #[must_use]
    pub fn has(&self, fingerprint: u64, plugin: Option<&str>) -> bool {
        self.of(plugin).any(|plugin| plugin.fingerprint == fingerprint)
    }

    /// The plugins that are meant: all, or the one with this name.
    pub fn of<'s>(&'s self, plugin: Option<&str>) -> impl Iterator<Item = &'s Plugin> {
        let name = plugin.map(of_gauge);
        self.plugins.iter().filter(move |plugin| name.as_ref().is_none_or(|n| *n == plugin.name))
    }
}

/// Whether the filter has such a counter. `gatepost serve` has some of its own.
fn is_ours(family: &str, own: &str) -> bool {
    let is_fixed = |name: &str| {
        let name = name.strip_prefix("gatepost.").map(of_prometheus);
        name.is_some_and(|name| name == own)
    };
    family == "health_check_" || Counter::FIXED.iter().any(|(_, name)| is_fixed(name))
}

/// The name of a plugin as the filter makes it for the plugin's gauges, and Prometheus has it.
fn of_gauge(plugin: &str) -> String {
    const LONGEST: usize = 63;
    let name = plugin.split('~').next().unwrap_or_default();
    let letters = name.bytes().take(LONGEST).map(|byte| char::from(byte.to_ascii_lowercase()));
    of_prometheus(&letters.collect::<String>())
}

/// A name as Prometheus has it.
fn of_prometheus(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_without_the_filter_shows_nothing() {
        let text = "# TYPE envoy_server_live gauge\nenvoy_server_live{} 1\n";
        assert_eq!(Shown::read(text), Ok(Shown::default()));
    }

    #[test]
    fn plugins_counts_and_failures_are_found() {
        let text = "\
gatepost_config_accepted{} 3
gatepost_config_rejected{} 2
gatepost_health_check_gke_probe{} 12
gatepost_environment_selected{} 3
gatepost_host_mapped{} 4
gatepost_response_restored{} 1
gatepost_internal_write_refused{} 5
gatepost_observe_istio_system_gatepost{} 1
gatepost_policy_istio_system_gatepost{} 3563449832066354
gatepost_policy_gone{} 0
envoy_listener_manager_lds_update_rejected{} 6
istio_agent_wasm_config_conversion_count{result=\"no_remote_load\"} 2
istio_agent_wasm_config_conversion_count{result=\"success\"} 1
istio_agent_wasm_remote_fetch_count{result=\"success\"} 1
istio_agent_wasm_remote_fetch_count{result=\"download_failure\"} 7
";
        let shown = Shown::read(text).unwrap();
        let plugin = Plugin {
            name: "istio_system_gatepost".to_owned(),
            fingerprint: 3_563_449_832_066_354,
            observes: true,
        };
        assert_eq!(shown.plugins, [plugin]);
        let counts: Vec<_> =
            shown.counts.iter().map(|one| (one.rule, one.name.as_str(), one.count)).collect();
        let expected = [
            ("healthCheck", "gke_probe", 12),
            ("environment", "selected", 3),
            ("host", "mapped", 4),
            ("response", "restored", 1),
        ];
        assert_eq!(counts, expected);
        assert_eq!(shown.failures, BTreeMap::from([("write_refused".to_owned(), 5)]));
        assert_eq!((shown.refused_policies, shown.refused_listeners), (2, 6));
        assert_eq!((shown.failed_fetches, shown.sent_plugins), (7, 3));
        assert!(shown.has(3_563_449_832_066_354, None));
        assert!(shown.has(3_563_449_832_066_354, Some("istio-system.gatepost")));
        assert!(!shown.has(3_563_449_832_066_354, Some("other")));
    }

    #[test]
    fn what_serve_counts_itself_is_no_decision() {
        let text = "\
gatepost_policy_reload_accepted_total 1
gatepost_http_downstream_rq_total 9
gatepost_host_mapped_total 4
gatepost_policy_gatepost 7
# EOF
";
        let shown = Shown::read(text).unwrap();
        let names: Vec<_> = shown.plugins.iter().map(|plugin| plugin.name.as_str()).collect();
        assert_eq!((names, shown.counts.len()), (vec!["gatepost"], 1));
    }

    #[test]
    fn a_plugin_is_found_by_its_name_as_the_filter_shortens_it() {
        let text = format!("gatepost_policy_istio_system_{}{{}} 7\n", "a".repeat(50));
        let shown = Shown::read(&text).unwrap();
        for (name, expected) in [
            (format!("istio-system.{}", "a".repeat(50)), true),
            (format!("istio-system.{}", "a".repeat(80)), true),
            (format!("Istio-System.{}", "A".repeat(50)), true),
            (format!("istio-system.{}~istio-translated-wasmplugin", "a".repeat(50)), true),
            (format!("istio-system.{}", "a".repeat(49)), false),
        ] {
            assert_eq!(shown.has(7, Some(&name)), expected, "{name}");
        }
    }

    #[test]
    fn an_answer_with_more_than_a_gateway_has_is_refused() {
        let many: String = (0..300).map(|n| format!("gatepost_policy_p{n}{{}} 1\n")).collect();
        let error = Shown::read(&many).unwrap_err().to_string();
        assert_eq!(error, "it has more than 256 plugins, and no gateway has");
        for value in ["-1", "0.5", "NaN", "9007199254740993", "+Inf"] {
            let error = Shown::read(&format!("gatepost_policy_a{{}} {value}\n")).unwrap_err();
            assert_eq!(error.to_string(), "gatepost_policy_a has a value that is no count");
        }
    }
}
