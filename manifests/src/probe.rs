//! Requests for a pod's health at a listener of a gateway, and what takes them there: a health
//! check of a policy, or a route.

use std::net::IpAddr;

use gatepost_engine::{Counter, Mode, Request};

use crate::gateway::Gateway;
use crate::plugin::Plugin;
use crate::policy::PolicyDocument;
use crate::route::ServedHosts;

/// A `GET` that a balancer or the kubelet sends.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Probe<'p> {
    /// The port of the listener.
    pub port: u16,
    pub host: &'p str,
    pub path: &'p str,
    /// Its other headers.
    pub headers: Vec<(String, &'p str)>,
    /// Where it comes from; nothing where that may be anywhere.
    pub source: Option<IpAddr>,
}

/// Why nothing takes a probe.
pub(crate) enum Untaken<'c, 'm> {
    /// The filter is on other ports of the pods.
    NoFilter(&'c Plugin<'m>),
    /// No health check of this plugin's policy takes it.
    NoCheck(&'c Plugin<'m>),
    /// One would, but the policy changes nothing.
    Observed(&'c Plugin<'m>),
}

impl Untaken<'_, '_> {
    /// What a person is told, before the words for a probe: "… takes".
    pub fn why(&self, port: u16) -> String {
        match self {
            Self::NoFilter(plugin) => {
                format!("{} is not on port {port}, and no route there takes", plugin.name())
            }
            Self::NoCheck(plugin) => format!("no check in the policy of {} takes", plugin.name()),
            Self::Observed(plugin) => {
                format!("the policy of {} only observes, and no route takes", plugin.name())
            }
        }
    }
}

impl<'m> Probe<'_> {
    /// Why nothing takes it on gateways of the same pods, if that is known, and some of the plugins
    /// that run there has a policy.
    pub fn untaken<'c>(
        &self,
        gateways: &[&Gateway<'m>],
        plugins: impl Iterator<Item = &'c Plugin<'m>>,
    ) -> Option<Untaken<'c, 'm>> {
        let mut open = gateways.iter().filter(|gateway| listens(gateway, self.port)).peekable();
        open.peek()?;
        if open.any(|gateway| may_route(gateway, self.host)) {
            return None;
        }
        let with_policy = plugins.filter_map(|plugin| Some((plugin, plugin.policy.as_ref()?)));
        let (on_port, elsewhere): (Vec<_>, Vec<_>) =
            with_policy.partition(|(plugin, _)| plugin.attachment.is_on(self.port));
        let takes: Vec<_> =
            on_port.iter().filter(|(_, document)| self.is_taken_by(document)).collect();
        if takes.iter().any(|(_, document)| document.policy.mode() == Mode::Enforce) {
            return None;
        }
        let observed = takes.first().map(|(plugin, _)| Untaken::Observed(plugin));
        let unchecked = on_port.first().map(|(plugin, _)| Untaken::NoCheck(plugin));
        observed.or(unchecked).or_else(|| {
            let servers = gateways.iter().flat_map(|gateway| &gateway.servers);
            let listeners: Vec<u16> =
                servers.flat_map(|server| &server.listeners).copied().collect();
            let is_somewhere =
                |plugin: &&Plugin<'_>| listeners.iter().any(|port| plugin.attachment.is_on(*port));
            let mut others = elsewhere.iter().map(|(plugin, _)| *plugin);
            others.find(is_somewhere).map(Untaken::NoFilter)
        })
    }

    /// Whether a health check of a policy takes it. Where its source may be any, one that the
    /// policy names.
    fn is_taken_by(&self, document: &PolicyDocument<'_>) -> bool {
        let pseudo = [(":method", "GET"), (":path", self.path), (":authority", self.host)];
        let is_taken = |source: Option<IpAddr>| {
            let others = self.headers.iter().map(|(name, value)| (name.as_str(), *value));
            let headers = pseudo.into_iter().chain(others);
            let headers = headers.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
            let decision = document.policy.decide(&Request { headers, source: &source });
            decision.counters.iter().any(|counter| matches!(counter, Counter::HealthCheck(_)))
        };
        if self.source.is_some() {
            return is_taken(self.source);
        }
        let checks = document.health_checks().into_iter();
        let sources = checks.flat_map(|check| check.at("match.sources").items());
        let mut named = sources.filter_map(|source| source.text()?.split('/').next()?.parse().ok());
        is_taken(None) || named.any(|source| is_taken(Some(source)))
    }
}

/// Whether one of a gateway's servers is at this port of its pods.
fn listens(gateway: &Gateway<'_>, port: u16) -> bool {
    gateway.servers.iter().any(|server| server.listeners.contains(&port))
}

/// Whether a route of a gateway is for a host, or for every one.
fn may_route(gateway: &Gateway<'_>, host: &str) -> bool {
    gateway.routes.iter().any(|route| {
        let names = ["spec.hosts", "spec.hostnames"].map(|names| route.at(names).items());
        let is_of_istio = route.group() == "networking.istio.io";
        let is_for_all = !is_of_istio && names.iter().all(Vec::is_empty);
        let mut names = names.iter().flatten();
        is_for_all || ServedHosts::new(route).serves(host) || names.any(|name| name.is("*"))
    })
}
