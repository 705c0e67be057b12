//! The whole bootstrap document: what is checked before it is written, and its outermost objects.

use std::collections::HashSet;

use serde::Serialize;

use super::cluster::Cluster;
use super::input::Bootstrap;
use super::listener::Listener;
use super::message::{Address, to_json};
use super::route::{Route, Upstream};
use crate::RenderError;

impl Bootstrap<'_> {
    /// The document that `envoy -c FILE` takes, ending in a newline.
    ///
    /// # Errors
    /// Two routes for one host, an admin address that is not on loopback, a route to it, or a path
    /// that is not UTF-8.
    pub fn render(&self) -> Result<String, RenderError> {
        let mut hosts = HashSet::new();
        if let Some(route) = self.routes.iter().find(|route| !hosts.insert(route.host())) {
            return Err(RenderError::DuplicateHost { host: route.host().to_owned() });
        }
        if let Some(address) = self.admin.filter(|address| !address.ip().is_loopback()) {
            return Err(RenderError::AdminNotLoopback { address });
        }
        let opens = |route: &&Route| {
            self.admin.is_some_and(|admin| match route.upstream() {
                Upstream::Address(upstream) => {
                    let reaches = upstream.ip().is_loopback() || upstream.ip().is_unspecified();
                    reaches && upstream.port() == admin.port()
                }
                Upstream::Name { name, port } => {
                    name.trim_end_matches('.') == "localhost" && *port == admin.port()
                }
                Upstream::Readiness(_) | Upstream::Missing => false,
            })
        };
        if let Some(route) = self.routes.iter().find(opens) {
            return Err(RenderError::RouteToAdmin { host: route.host().to_owned() });
        }
        to_json(&Document {
            node: Node { id: "gatepost", cluster: "gatepost" },
            admin: self.admin.map(|address| Admin { address: address.into() }),
            static_resources: StaticResources {
                clusters: self.routes.iter().filter_map(Cluster::of).collect(),
                listeners: vec![Listener::of(self)?],
            },
        })
    }
}

#[derive(Serialize)]
struct Document<'a> {
    node: Node,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<Admin>,
    static_resources: StaticResources<'a>,
}

/// The identity of this Envoy. Without both fields Envoy refuses to discover anything, even from a
/// file (measured on 1.40.0).
#[derive(Serialize)]
struct Node {
    id: &'static str,
    cluster: &'static str,
}

#[derive(Serialize)]
struct Admin {
    address: Address,
}

/// Clusters come before listeners, because the listener ends in the long text of the module.
#[derive(Serialize)]
struct StaticResources<'a> {
    clusters: Vec<Cluster<'a>>,
    listeners: Vec<Listener<'a>>,
}
