//! What Google's load balancers send to: the Services that Ingresses and the routes of GKE Gateways
//! name.

use crate::cluster::Cluster;
use crate::field::Field;
use crate::ingress::Ingress;
use crate::object::Object;

/// A port of a Service that a balancer sends to.
#[derive(Clone)]
pub(crate) struct Backend<'m> {
    /// The Ingress, or the HTTPRoute.
    pub object: &'m Object,
    /// Where it names the Service.
    pub reference: Field<'m>,
    pub service: &'m Object,
    /// The Service's port.
    pub port: Field<'m>,
}

/// The annotation that names BackendConfigs.
pub(crate) const BACKEND_CONFIG: &str = "cloud.google.com/backend-config";

/// The annotation that says which protocol a balancer speaks to a port.
pub(crate) const APP_PROTOCOLS: &str = "cloud.google.com/app-protocols";

impl<'m> Backend<'m> {
    /// Whether an Ingress names it, and not a route.
    pub fn is_of_ingress(&self) -> bool {
        self.object.origin.kind == "Ingress"
    }

    /// The port of the pods.
    pub fn target_port(&self, cluster: &Cluster<'m>) -> Option<u16> {
        cluster.target_port(self.service, &self.port)
    }

    /// The name of the BackendConfig of an Ingress's port; nothing where the Service has none.
    pub fn configuration(&self) -> Option<String> {
        let text = self.service.annotation(BACKEND_CONFIG).text()?;
        let names = serde_json::from_str::<serde_json::Value>(text).ok()?;
        let port = self.port.get("port").port().map(|port| port.to_string());
        let of_port = [self.port.get("name").text(), port.as_deref()].into_iter().flatten();
        let mut of_port = of_port.filter_map(|port| names.get("ports")?.get(port));
        let name = of_port.next().or_else(|| names.get("default"))?;
        name.as_str().map(str::to_owned)
    }

    /// Whether the balancer speaks TLS to the pods.
    pub fn is_tls(&self) -> bool {
        let protocol = self.port.get("appProtocol");
        if !self.is_of_ingress() {
            return protocol.is("HTTPS") || protocol.is("HTTP2");
        }
        let Some(text) = self.service.annotation(APP_PROTOCOLS).text() else { return false };
        let protocols = serde_json::from_str::<serde_json::Value>(text).unwrap_or_default();
        let name = self.port.get("name").text().unwrap_or_default();
        matches!(protocols.get(name).and_then(|value| value.as_str()), Some("HTTPS" | "HTTP2"))
    }
}

/// Everything that the balancers of the manifests send to.
pub(crate) fn backends<'m>(cluster: &Cluster<'m>) -> Vec<Backend<'m>> {
    let objects = cluster.manifests.objects.iter();
    objects
        .flat_map(|object| of_ingress(cluster, object).into_iter().chain(of_route(cluster, object)))
        .collect()
}

/// Whether GKE makes a load balancer of an object.
pub(crate) fn is_gke_ingress(object: &Object) -> bool {
    let is_ingress =
        object.is("networking.k8s.io", "Ingress") || object.is("extensions", "Ingress");
    is_ingress && Ingress::new(object).is_of_gke()
}

fn of_ingress<'m>(cluster: &Cluster<'m>, object: &'m Object) -> Vec<Backend<'m>> {
    if !is_gke_ingress(object) {
        return Vec::new();
    }
    let spec = object.at("spec");
    let paths = spec.get("rules").each("http.paths");
    let backends = paths.iter().map(|path| path.get("backend"));
    let defaults = [spec.get("defaultBackend"), spec.get("backend")];
    let all = backends.chain(defaults).filter(Field::exists);
    all.filter_map(|backend| {
        // The versions before `v1` have other names.
        let (name, port) = match backend.get("service") {
            service if service.exists() => {
                let port = service.get("port");
                let by_number = port.get("number");
                let port = if by_number.exists() { by_number } else { port.get("name") };
                (service.get("name"), port)
            }
            _ => (backend.get("serviceName"), backend.get("servicePort")),
        };
        let service = cluster.object("", "Service", object.namespace(), name.text()?)?;
        Some(Backend { object, service, port: port_of(service, &port)?, reference: port })
    })
    .collect()
}

fn of_route<'m>(cluster: &Cluster<'m>, object: &'m Object) -> Vec<Backend<'m>> {
    if !object.is("gateway.networking.k8s.io", "HTTPRoute") {
        return Vec::new();
    }
    let parents = object.at("spec.parentRefs").items();
    let is_of_gke = parents.iter().any(|parent| {
        let namespace = parent.get("namespace").text().unwrap_or(object.namespace());
        let name = parent.get("name").text().unwrap_or_default();
        let gateway = cluster.object("gateway.networking.k8s.io", "Gateway", namespace, name);
        let class = gateway.and_then(|gateway| gateway.at("spec.gatewayClassName").text());
        class.is_some_and(|class| class.starts_with("gke-"))
    });
    if !is_of_gke {
        return Vec::new();
    }
    let references = object.at("spec.rules").each("backendRefs").into_iter();
    references
        .filter_map(|reference| {
            let namespace = reference.get("namespace").text().unwrap_or(object.namespace());
            let name = reference.get("name").text()?;
            let service = cluster.object("", "Service", namespace, name)?;
            let port = reference.get("port");
            Some(Backend { object, service, port: port_of(service, &port)?, reference: port })
        })
        .collect()
}

/// The port of a Service that a number or a name means.
fn port_of<'m>(service: &'m Object, wanted: &Field<'m>) -> Option<Field<'m>> {
    service.at("spec.ports").items().into_iter().find(|port| {
        let by_number = wanted.port().is_some() && port.get("port").port() == wanted.port();
        by_number || wanted.text().is_some_and(|name| port.get("name").is(name))
    })
}
