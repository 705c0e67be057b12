//! Gateways whose policy a test replaces while they run: a real Envoy that watches a file, and the
//! embedded gateway with its slot for the filter.

use std::net::{Ipv4Addr, SocketAddr};

use gatepost_gateway::{FilterSlot, Gateway, GatewayOptions, PolicyFilter, RouteTable, Target};
use gatepost_host::Metrics;
use tokio::task::JoinHandle;

use crate::pair::{json, module};
use crate::reload::Watching;

/// A gateway in front of one upstream. Dropping it ends it.
pub enum Replaceable {
    Envoy(Watching),
    Embedded { address: SocketAddr, slot: FilterSlot, running: JoinHandle<usize> },
}

impl Replaceable {
    /// Both gateways with a policy in YAML.
    pub async fn both(policy: &str, upstream: SocketAddr) -> [(&'static str, Self); 2] {
        let configuration = json(policy);
        let envoy = Self::Envoy(Watching::in_front_of(upstream, &configuration));
        let mut routes = RouteTable::<Target>::new();
        let target = Target::parse(&upstream.to_string()).expect("an address");
        routes.insert("*", target).expect("a route");
        let loopback = (Ipv4Addr::LOCALHOST, 0);
        let options = GatewayOptions::default();
        let filter = filter(&configuration);
        let gateway = Gateway::bind(loopback, routes, &filter, options).await.expect("a port");
        let (address, slot) = (gateway.local_addr(), gateway.filter());
        let running = tokio::spawn(gateway.run(std::future::pending()));
        [("envoy", envoy), ("embedded", Self::Embedded { address, slot, running })]
    }

    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Envoy(watching) => watching.address(),
            Self::Embedded { address, .. } => *address,
        }
    }

    /// Puts another policy in YAML in force. Envoy takes it a little later.
    pub fn replace(&self, policy: &str) {
        let configuration = json(policy);
        match self {
            Self::Envoy(watching) => watching.swap(&configuration, &configuration),
            Self::Embedded { slot, .. } => slot.swap(&filter(&configuration)),
        }
    }
}

impl Drop for Replaceable {
    fn drop(&mut self) {
        if let Self::Embedded { running, .. } = self {
            running.abort();
        }
    }
}

fn filter(configuration: &str) -> PolicyFilter {
    PolicyFilter::start(&module(), configuration, 1, Metrics::default())
        .unwrap_or_else(|error| panic!("{error}"))
}
