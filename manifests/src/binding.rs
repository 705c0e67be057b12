//! Which routes a gateway takes: those that one of its servers is for, by their namespace and their
//! hosts.

use std::collections::HashMap;

use crate::field::Field;
use crate::hosts::Hosts;
use crate::object::Object;
use crate::server::Server;

/// A gateway that a route names, or one listener of it.
pub(crate) struct Parent<'m> {
    /// What names it.
    pub field: Field<'m>,
    /// Its group, namespace and name.
    pub gateway: [&'m str; 3],
    /// Whether the route leaves it to its own namespace.
    pub is_name_alone: bool,
    /// The listener's name and port, where the route says them.
    section: Option<&'m str>,
    port: Option<u16>,
}

/// The gateways that a route names: a VirtualService in `gateways`, a route of the Gateway API in
/// `parentRefs`.
pub(crate) fn parents(route: &Object) -> Vec<Parent<'_>> {
    let group = route.group();
    let gateways = route.at("spec.gateways").items().into_iter().filter_map(|field| {
        let text = field.text()?;
        let [namespace, name] = full_name(text, route.namespace());
        Some(Parent {
            gateway: [group, namespace, name],
            is_name_alone: name == text,
            field,
            section: None,
            port: None,
        })
    });
    let references = route.at("spec.parentRefs").items().into_iter().filter_map(|field| {
        let namespace = field.get("namespace").text();
        // A route of the mesh names a Service.
        let kind = field.get("kind");
        let name = field.get("name").text().filter(|_| !kind.exists() || kind.is("Gateway"))?;
        Some(Parent {
            gateway: [group, namespace.unwrap_or(route.namespace()), name],
            is_name_alone: namespace.is_none(),
            section: field.get("sectionName").text(),
            port: field.get("port").port(),
            field,
        })
    });
    gateways.chain(references).collect()
}

/// The namespace and name of a gateway in a VirtualService: `namespace/name`, a name alone for its
/// own namespace, or `name.namespace`, as it was once written.
pub(crate) fn full_name<'n>(name: &'n str, own: &'n str) -> [&'n str; 2] {
    match name.split_once('/') {
        Some((".", name)) => [own, name],
        Some((namespace, name)) => [namespace, name],
        None => match name.split('.').collect::<Vec<_>>()[..] {
            [name, namespace, ..] => [namespace, name],
            _ => [own, name],
        },
    }
}

/// The hosts of a gateway's servers, by the namespace whose routes they are for; nothing is all of
/// them.
#[derive(Default)]
pub(crate) struct Binding<'m>(HashMap<Option<&'m str>, Vec<Listener<'m>>>);

/// Servers between which a route does not choose, or one listener of the Gateway API.
#[derive(Default)]
struct Listener<'m> {
    /// The name and the port by which a route may choose it.
    choice: Option<(&'m str, u16)>,
    hosts: Hosts,
}

impl<'m> Binding<'m> {
    /// Of Istio's Gateway in this namespace: a host may have a namespace before it.
    pub fn of_istio(servers: &[Server<'m>], own: &'m str) -> Self {
        let mut binding = Self::default();
        for host in servers.iter().flat_map(|server| &server.hosts) {
            // One that cannot be read may be any.
            let host = host.text().unwrap_or("*");
            let (namespace, host) = match host.split_once('/') {
                None | Some(("*", _)) => (None, host.rsplit('/').next().unwrap_or(host)),
                Some((".", host)) => (Some(own), host),
                Some((namespace, host)) => (Some(namespace), host),
            };
            let listeners = binding.0.entry(namespace).or_insert_with(|| vec![Listener::default()]);
            listeners.iter_mut().for_each(|listener| listener.hosts.insert(host));
        }
        binding
    }

    /// Of a Gateway of the Gateway API in this namespace: a listener is for the routes of its own
    /// unless it says otherwise. Which namespaces a selector means is for the cluster to say.
    pub fn of_gateway_api(servers: &[Server<'m>], own: &'m str) -> Self {
        let mut binding = Self::default();
        for server in servers {
            let namespace = match server.field.at("allowedRoutes.namespaces.from").text() {
                Some("All" | "Selector") => None,
                Some("None") => continue,
                _ => Some(own),
            };
            let name = server.field.get("name").text().unwrap_or_default();
            let mut hosts = Hosts::default();
            match server.hosts.first().and_then(Field::text) {
                Some(host) if !host.is_empty() => hosts.insert(host),
                _ => hosts.insert("*"),
            }
            let choice = Some((name, server.port));
            binding.0.entry(namespace).or_default().push(Listener { choice, hosts });
        }
        binding
    }

    /// Whether some server is for routes of a namespace.
    pub fn admits_namespace(&self, namespace: &str) -> bool {
        self.listeners(namespace).next().is_some()
    }

    /// Whether it is for those that name the gateway so.
    pub fn admits(&self, parent: &Parent<'_>, namespace: &str) -> bool {
        self.listeners(namespace).any(|listener| listener.is_chosen(parent))
    }

    /// Whether it is for this host of theirs, too, or for some hosts of this wildcard.
    pub fn takes(&self, parent: &Parent<'_>, namespace: &str, host: &str) -> bool {
        let mut chosen = self.listeners(namespace).filter(|one| one.is_chosen(parent));
        chosen.any(|listener| listener.hosts.take(host))
    }

    /// Whether some server is for a host, whatever the route.
    pub fn serves(&self, host: &str) -> bool {
        self.0.values().flatten().any(|listener| listener.hosts.take(host))
    }

    /// Those for routes of a namespace.
    fn listeners<'b>(&'b self, namespace: &'b str) -> impl Iterator<Item = &'b Listener<'m>> {
        [None, Some(namespace)].into_iter().filter_map(|key| self.0.get(&key)).flatten()
    }
}

impl Listener<'_> {
    /// Whether a route that names its gateway so means this listener, too.
    fn is_chosen(&self, parent: &Parent<'_>) -> bool {
        self.choice.is_none_or(|(name, port)| {
            parent.section.is_none_or(|section| section == name)
                && parent.port.is_none_or(|wanted| wanted == port)
        })
    }
}
