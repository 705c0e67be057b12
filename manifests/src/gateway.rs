//! Gateways: Istio's own, and those of the Gateway API that Istio implements.

use std::collections::HashSet;
use std::rc::Rc;

use crate::binding::Binding;
use crate::field::Field;
use crate::object::Object;
use crate::pods::{GATEWAY_NAME, Selection};
use crate::server::Server;

/// A gateway of the mesh.
pub(crate) struct Gateway<'m> {
    pub object: &'m Object,
    /// Its pods.
    pub pods: Selection<'m>,
    /// The Services that lead to its pods.
    pub services: Rc<Services<'m>>,
    /// The routes that name it.
    pub routes: Vec<&'m Object>,
    pub servers: Vec<Server<'m>>,
    /// Which routes its servers are for.
    pub binding: Binding<'m>,
}

/// Services that lead to the same pods.
#[derive(Debug, Default)]
pub(crate) struct Services<'m> {
    all: Vec<&'m Object>,
    names: HashSet<(&'m str, &'m str)>,
}

impl<'m> Services<'m> {
    pub fn new(all: Vec<&'m Object>) -> Self {
        let names = all.iter().map(|service| (service.namespace(), service.name())).collect();
        Self { all, names }
    }

    pub fn all(&self) -> &[&'m Object] {
        &self.all
    }
}

/// Whether an object is a route of a gateway.
pub(crate) fn is_route(object: &Object) -> bool {
    match object.group() {
        "networking.istio.io" => object.origin.kind == "VirtualService",
        "gateway.networking.k8s.io" => {
            matches!(object.origin.kind.as_str(), "HTTPRoute" | "GRPCRoute")
        }
        _ => false,
    }
}

/// Classes of gateways between pods, which no client from outside reaches.
const OF_THE_MESH: [&str; 2] = ["istio-waypoint", "istio-east-west"];

/// The other VirtualServices that one leaves some of its requests to, by namespace and name.
pub(crate) fn delegates(route: &Object) -> Vec<(&str, &str)> {
    let routes = route.at("spec.http").items().into_iter();
    let delegates = routes.map(|route| route.get("delegate"));
    delegates
        .filter_map(|delegate| {
            let namespace = delegate.get("namespace").text().unwrap_or(route.namespace());
            Some((namespace, delegate.get("name").text()?))
        })
        .collect()
}

impl<'m> Gateway<'m> {
    /// The gateway that an object is, if it is one of the mesh.
    pub fn of(object: &'m Object) -> Option<Self> {
        if object.is("networking.istio.io", "Gateway") {
            let servers = object.at("spec.servers").items().into_iter();
            let servers: Vec<_> = servers.filter_map(Server::of_istio).collect();
            return Some(Self {
                object,
                pods: Selection::new(&object.at("spec.selector"), None),
                services: Rc::default(),
                routes: Vec::new(),
                binding: Binding::of_istio(&servers, object.namespace()),
                servers,
            });
        }
        let class = object.at("spec.gatewayClassName");
        let is_istio = class.text().is_some_and(|class| {
            class.starts_with("istio") && !OF_THE_MESH.iter().any(|name| class.starts_with(name))
        });
        if !object.is("gateway.networking.k8s.io", "Gateway") || !is_istio {
            return None;
        }
        let listeners = object.at("spec.listeners").items().into_iter();
        let servers: Vec<_> = listeners.filter_map(Server::of_gateway_api).collect();
        Some(Self {
            object,
            pods: Selection {
                labels: vec![(GATEWAY_NAME, object.name())],
                namespace: Some(object.namespace()),
            },
            services: Rc::default(),
            routes: Vec::new(),
            binding: Binding::of_gateway_api(&servers, object.namespace()),
            servers,
        })
    }

    /// By what routes name it: its group, namespace and name.
    pub fn name(&self) -> [&'m str; 3] {
        [self.object.group(), self.object.namespace(), self.object.name()]
    }

    /// Whether a Service leads to its pods.
    pub fn is_behind(&self, service: &Object) -> bool {
        self.services.names.contains(&(service.namespace(), service.name()))
    }

    /// Whether it is for calls inside the cluster, by its name or its hosts.
    pub fn is_local(&self) -> bool {
        let named = self.object.name().split('-').any(|word| word == "local");
        let hosts: Vec<&str> = self
            .servers
            .iter()
            .flat_map(|server| server.hosts.iter().filter_map(Field::text))
            .collect();
        let is_inside = |host: &&str| {
            let host = host.rsplit('/').next().unwrap_or(host);
            host.ends_with(".svc.cluster.local") || host.ends_with(".svc")
        };
        named || (!hosts.is_empty() && hosts.iter().all(is_inside))
    }
}
