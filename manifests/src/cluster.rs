//! What the objects say about each other: which pods two selectors mean, which listeners a gateway
//! has, which Service leads to its pods. Objects that are not among the manifests may be in the
//! cluster, so nothing here takes an absent object for a missing one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::rc::Rc;

use crate::binding::parents;
use crate::envoy_filter;
use crate::field::Field;
use crate::gateway::{Gateway, Services, delegates, is_route};
use crate::object::Object;
use crate::plugin::Plugin;
use crate::pods::{GATEWAY_NAME, Selection, Workload, labels};
use crate::policy::PolicyDocument;
use crate::read::Manifests;
use crate::topology::Mesh;

/// The first port that needs no privileges, which Istio's gateways have not.
const UNPRIVILEGED: u16 = 1024;

/// The objects, as findings look at them.
pub(crate) struct Cluster<'m> {
    pub manifests: &'m Manifests,
    pub mesh: Mesh<'m>,
    /// By group and kind.
    objects: HashMap<(&'m str, &'m str), Vec<&'m Object>>,
    /// By group, kind, namespace and name.
    named: HashMap<[&'m str; 4], &'m Object>,
    /// By namespace.
    workloads: BTreeMap<&'m str, Vec<Workload<'m>>>,
    pub gateways: Vec<Gateway<'m>>,
    /// The place of each gateway, by its group, namespace and name.
    numbers: HashMap<[&'m str; 3], usize>,
    pub plugins: Vec<Plugin<'m>>,
    /// The policies of the plugins, or those that were given beside the manifests.
    pub policies: Vec<PolicyDocument<'m>>,
}

impl<'m> Cluster<'m> {
    pub fn new(manifests: &'m Manifests, given: Vec<PolicyDocument<'m>>) -> Self {
        let all = manifests.objects.iter();
        let mesh = Mesh::new(manifests);
        let of_object = |object| {
            let plugin = Plugin::of(object, &mesh.root_namespace).into_iter();
            plugin.chain(envoy_filter::plugins(object, &mesh.root_namespace))
        };
        let plugins: Vec<Plugin<'m>> = all.clone().flat_map(of_object).collect();
        let mut objects: HashMap<_, Vec<_>> = HashMap::new();
        let mut named = HashMap::new();
        let mut workloads: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for object in all.clone() {
            let kind = (object.group(), object.origin.kind.as_str());
            objects.entry(kind).or_default().push(object);
            named.entry([kind.0, kind.1, object.namespace(), object.name()]).or_insert(object);
            if let Some(workload) = Workload::new(object) {
                workloads.entry(object.namespace()).or_default().push(workload);
            }
        }
        let of_plugins = plugins.iter().filter_map(|plugin| plugin.policy.clone());
        let maps = all.clone().filter(|object| object.is("", "ConfigMap"));
        let of_maps = maps.flat_map(|map| {
            let pods = map.embedded().next().and_then(|_| pods_with(map, &workloads));
            map.embedded().filter_map(move |root| PolicyDocument::new(root, pods.clone()))
        });
        let embedded: Vec<_> = of_plugins.chain(of_maps).collect();
        let mut cluster = Self {
            manifests,
            mesh,
            objects,
            named,
            workloads,
            gateways: all.clone().filter_map(Gateway::of).collect(),
            numbers: HashMap::new(),
            plugins,
            policies: if embedded.is_empty() { given } else { embedded },
        };
        let mut gateways = std::mem::take(&mut cluster.gateways);
        gateways.retain_mut(|gateway| cluster.find_pods(gateway));
        cluster.gateways = gateways;
        // Many gateways have the same pods.
        let mut known: HashMap<Selection<'m>, Rc<Services<'m>>> = HashMap::new();
        for gateway in &cluster.gateways {
            if !known.contains_key(&gateway.pods) {
                let services = cluster.services(&gateway.pods);
                known.insert(gateway.pods.clone(), Rc::new(services));
            }
        }
        for (number, gateway) in cluster.gateways.iter_mut().enumerate() {
            gateway.services = known.get(&gateway.pods).cloned().unwrap_or_default();
            cluster.numbers.insert(gateway.name(), number);
        }
        let mut known: HashMap<(Selection<'m>, u16), Vec<u16>> = HashMap::new();
        let mut gateways = std::mem::take(&mut cluster.gateways);
        for Gateway { pods, services, servers, .. } in &mut gateways {
            for server in servers {
                let listeners = known
                    .entry((pods.clone(), server.port))
                    .or_insert_with(|| cluster.listeners(pods, services, server.port));
                server.listeners.clone_from(listeners);
            }
        }
        cluster.gateways = gateways;
        for route in all.filter(|object| is_route(object)) {
            let names: BTreeSet<_> = parents(route).iter().map(|parent| parent.gateway).collect();
            for name in names {
                let number = cluster.numbers.get(&name).copied();
                if let Some(gateway) = number.and_then(|number| cluster.gateways.get_mut(number)) {
                    gateway.routes.push(route);
                    let names = delegates(route).into_iter();
                    gateway.routes.extend(names.filter_map(|(namespace, name)| {
                        let key = ["networking.istio.io", "VirtualService", namespace, name];
                        cluster.named.get(&key).copied()
                    }));
                }
            }
        }
        cluster
    }

    /// The gateway of that group, namespace and name.
    pub fn gateway(&self, name: &[&str; 3]) -> Option<&Gateway<'m>> {
        self.numbers.get(name).and_then(|number| self.gateways.get(*number))
    }

    /// Whether a VirtualService is for a gateway's pods: `exportTo` names their namespace. Where
    /// the pods are not among the manifests it may.
    pub fn is_exported(&self, route: &Object, gateway: &Gateway<'_>) -> bool {
        let names = route.at("spec.exportTo").items();
        let names: Vec<&str> = names.iter().filter_map(Field::text).collect();
        let is_named = |namespace: &str| {
            names.iter().any(|name| match *name {
                "*" => true,
                "." => namespace == route.namespace(),
                name => namespace == name,
            })
        };
        let mut pods = self.selected(&gateway.pods).peekable();
        names.is_empty()
            || pods.peek().is_none()
            || pods.any(|pod| is_named(pod.object.namespace()))
    }

    /// The objects of a group and kind.
    pub fn objects(
        &self,
        group: &'static str,
        kind: &'static str,
    ) -> impl Iterator<Item = &'m Object> + Clone {
        self.objects.get(&(group, kind)).into_iter().flatten().copied()
    }

    /// The object of that name.
    pub fn object(
        &self,
        group: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Option<&'m Object> {
        self.named.get(&[group, kind, namespace, name]).copied()
    }

    /// The workloads that a selector means.
    pub fn selected(&self, selection: &Selection<'_>) -> impl Iterator<Item = &Workload<'m>> {
        let (first, last) = match selection.namespace {
            Some(namespace) => (Bound::Included(namespace), Bound::Included(namespace)),
            None => (Bound::Unbounded, Bound::Unbounded),
        };
        let namespaces = self.workloads.range::<str, _>((first, last));
        namespaces.flat_map(|(_, all)| all).filter(|workload| selection.means(workload))
    }

    /// What makes pods.
    pub fn workloads(&self) -> impl Iterator<Item = &Workload<'m>> {
        self.workloads.values().flatten()
    }

    /// The workloads of a namespace.
    pub fn workloads_in(&self, namespace: &str) -> impl Iterator<Item = &Workload<'m>> {
        self.workloads.get(namespace).into_iter().flatten()
    }

    /// Whether two selectors mean some of the same pods, as far as the manifests tell.
    pub fn overlap(&self, one: &Selection<'_>, other: &Selection<'_>) -> bool {
        // The one with fewer pods to look at.
        let (one, other) = if one.namespace.is_some() { (one, other) } else { (other, one) };
        if self.selected(one).any(|workload| other.means(workload)) {
            return true;
        }
        let both_are_known =
            self.selected(one).next().is_some() && self.selected(other).next().is_some();
        !both_are_known && one.may_be(other)
    }

    /// Whether a policy runs on a gateway. One that no object brings may run anywhere.
    pub fn runs(&self, document: &PolicyDocument<'_>, gateway: &Gateway<'_>) -> bool {
        document.pods.as_ref().is_none_or(|pods| self.are_among(&gateway.pods, pods))
    }

    /// Whether some of these pods are among those of several selectors.
    pub fn are_among(&self, pods: &Selection<'_>, several: &[Selection<'_>]) -> bool {
        several.iter().any(|selection| self.overlap(pods, selection))
    }

    /// Finds the pods of a Gateway whose address is a Service's name: Istio makes none for it.
    /// False where that Service is not among the manifests.
    fn find_pods(&self, gateway: &mut Gateway<'m>) -> bool {
        let addresses = gateway.object.at("spec.addresses").items();
        let mut names = addresses.iter().filter(|address| address.get("type").is("Hostname"));
        let Some(host) = names.find_map(|address| address.get("value").text()) else {
            return true;
        };
        let mut labels = host.split('.');
        let name = labels.next().unwrap_or_default();
        let namespace = labels.next().unwrap_or(gateway.object.namespace());
        let Some(service) = self.object("", "Service", namespace, name) else { return false };
        gateway.pods = Selection::new(&service.at("spec.selector"), Some(service.namespace()));
        true
    }

    /// The Services that lead to some of these pods.
    fn services(&self, pods: &Selection<'_>) -> Services<'m> {
        let leads_there = |service: &&'m Object| {
            let labels = labels(&service.at("spec.selector"));
            let namespace = Some(service.namespace());
            !labels.is_empty() && self.overlap(&Selection { labels, namespace }, pods)
        };
        Services::new(self.objects("", "Service").filter(leads_there).collect())
    }

    /// The port of the pods that a port of a Service leads to.
    pub fn target_port(&self, service: &'m Object, port: &Field<'m>) -> Option<u16> {
        let target = port.get("targetPort");
        match (target.port(), target.text()) {
            (Some(number), _) => Some(number),
            (None, Some(name)) => {
                let labels = labels(&service.at("spec.selector"));
                let pods = Selection { labels, namespace: Some(service.namespace()) };
                let mut containers = self
                    .selected(&pods)
                    .flat_map(|workload| workload.template.at("spec.containers").each("ports"));
                containers
                    .find(|container| container.get("name").is(name))
                    .and_then(|container| container.get("containerPort").port())
            }
            (None, None) => port.get("port").port(),
        }
    }

    /// The ports on which the pods behind these Services listen for a gateway's server with this
    /// port: where a Service has it, what that leads to. None where that is not known.
    fn listeners(&self, pods: &Selection<'_>, services: &Services<'m>, port: u16) -> Vec<u16> {
        let translated = |service: &&&'m Object| {
            let name = "experimental.istio.io/disable-gateway-port-translation";
            !service.label(name).is("true")
        };
        let ports = services.all().iter().filter(translated).flat_map(|service| {
            let ports = service.at("spec.ports").items();
            let of_server =
                ports.into_iter().filter(|known| known.get("port").port() == Some(port));
            of_server.map(move |known| (*service, known)).collect::<Vec<_>>()
        });
        let ports = ports.map(|(service, known)| self.target_port(service, &known));
        let Some(mut ports) = ports.collect::<Option<Vec<u16>>>() else { return Vec::new() };
        ports.sort_unstable();
        ports.dedup();
        if !ports.is_empty() {
            return ports;
        }
        // On such a port no pod listens: a Service that is not among the manifests leads from it to
        // another. For a Gateway of the Gateway API Istio makes the Service, with the same port.
        let is_made = pods.labels.iter().any(|(label, _)| *label == GATEWAY_NAME);
        match services.all().is_empty() && port < UNPRIVILEGED && !is_made {
            true => Vec::new(),
            false => vec![port],
        }
    }
}

/// The pods that mount a ConfigMap; nothing where no workload here does, so any may have it.
fn pods_with<'m>(
    map: &'m Object,
    workloads: &BTreeMap<&'m str, Vec<Workload<'m>>>,
) -> Option<Vec<Selection<'m>>> {
    let mounts = |workload: &&Workload<'m>| {
        let volumes = workload.template.at("spec.volumes").items();
        volumes.iter().any(|volume| volume.at("configMap.name").is(map.name()))
    };
    let workloads = workloads.get(map.namespace())?.iter().filter(mounts);
    let pods = workloads.map(|workload| Selection {
        labels: workload.labels.clone(),
        namespace: Some(map.namespace()),
    });
    let pods: Vec<_> = pods.collect();
    (!pods.is_empty()).then_some(pods)
}
