//! Objects that load a wasm module into a gateway: WasmPlugin, TrafficExtension and EnvoyFilter.

use crate::field::Field;
use crate::object::Object;
use crate::pods::{GATEWAY_NAME, Selection};
use crate::policy::PolicyDocument;

/// The label of everything that Gatepost renders.
pub(crate) const NAME_LABEL: &str = "app.kubernetes.io/name";

/// A plugin that is Gatepost's.
pub(crate) struct Plugin<'m> {
    pub object: &'m Object,
    pub module: Module<'m>,
    pub attachment: Attachment<'m>,
    /// The pods that it is for: those of its selector, or of each of the Gateways that it names.
    pub pods: Vec<Selection<'m>>,
    pub policy: Option<PolicyDocument<'m>>,
}

/// Where a module comes from, and what a gateway does without it.
pub(crate) struct Module<'m> {
    /// What says it.
    pub place: Field<'m>,
    /// As the `url` of a WasmPlugin says it; empty when nothing Istio knows says it.
    pub url: String,
    /// The digest of a module that is fetched.
    pub digest: Field<'m>,
    /// What lets requests through where there is no module.
    pub fail_open: Option<Field<'m>>,
    /// The Secret for the registry; nothing for a kind of object that names none.
    pub pull_secret: Option<Field<'m>>,
    /// What names the engine that is to run it; nothing for a kind of object that names none.
    pub runtime: Option<Field<'m>>,
}

/// Which listeners of which pods a plugin is for.
pub(crate) struct Attachment<'m> {
    /// `spec`.
    pub spec: Field<'m>,
    /// What holds the labels of the pods.
    pub selector: Field<'m>,
    /// Those labels.
    pub labels: Field<'m>,
    /// What it is for instead of pods with labels.
    pub targets: Vec<Field<'m>>,
    /// Whether it is for gateways alone, whatever the pods.
    pub is_for_gateways: bool,
    /// What says which listeners.
    pub listeners: Field<'m>,
    /// Their ports; none is all of them.
    pub ports: Vec<Field<'m>>,
    /// Whether it is for every listener, beside those of `ports`.
    pub is_on_every_listener: bool,
    /// What says that it is for traffic that a gateway has not.
    pub other_traffic: Option<Field<'m>>,
    /// What lets it run after authentication.
    pub late: Option<Field<'m>>,
    /// What puts it where Envoy takes no filter: after the one that forwards requests.
    pub after_router: Option<Field<'m>>,
    /// The name of a filter that is discovered, where listeners look for another one.
    pub misnamed: Option<(Field<'m>, &'m str)>,
    /// The name of a filter of connections that has no filters of HTTP inside it.
    pub outside_http: Option<Field<'m>>,
    /// What makes it a filter of connections, which has no requests.
    pub of_connections: Option<Field<'m>>,
    /// How its kind of object says these things.
    pub words: &'static Words,
}

impl Attachment<'_> {
    /// Whether it says nothing about pods: it is for all of the namespace, or of the mesh.
    pub fn is_for_all_pods(&self) -> bool {
        self.labels.members().is_empty() && self.targets.is_empty()
    }

    /// Whether it is for the listener on a port.
    pub fn is_on(&self, port: u16) -> bool {
        self.is_on_every_listener || self.ports.iter().any(|one| one.port() == Some(port))
    }
}

/// What to write in an object of some kind.
pub(crate) struct Words {
    pub selector: &'static str,
    pub ports: &'static str,
    pub traffic: &'static str,
    pub early: &'static str,
    pub fail_closed: &'static str,
}

const WORDS: Words = Words {
    selector: "selector: { matchLabels: { istio: ingressgateway } }",
    ports: "match[].ports",
    traffic: "write CLIENT, or remove `mode`",
    early: "write `phase: AUTHN`",
    fail_closed: "write FAIL_RELOAD",
};

impl<'m> Plugin<'m> {
    /// The plugin that a WasmPlugin or TrafficExtension is, if it is Gatepost's.
    pub fn of(object: &'m Object, root_namespace: &str) -> Option<Self> {
        let spec = object.at("spec");
        match (object.group(), object.origin.kind.as_str()) {
            ("extensions.istio.io", "WasmPlugin") => Self::new(object, &spec, root_namespace),
            // It has the fields of a WasmPlugin one level deeper.
            ("extensions.istio.io", "TrafficExtension") => {
                Self::new(object, &spec.get("wasm"), root_namespace)
            }
            _ => None,
        }
    }

    /// The plugin of an object whose field `wasm` describes the module.
    fn new(object: &'m Object, wasm: &Field<'m>, root_namespace: &str) -> Option<Self> {
        let configuration = wasm.get("pluginConfig");
        let is_ours = object.label(NAME_LABEL).is("gatepost");
        if !is_ours && !PolicyDocument::is_one(&configuration) {
            return None;
        }
        let place = wasm.get("url");
        let module = Module {
            url: place.text().unwrap_or_default().to_owned(),
            place,
            digest: wasm.get("sha256"),
            fail_open: Some(wasm.get("failStrategy")).filter(|strategy| strategy.is("FAIL_OPEN")),
            pull_secret: Some(wasm.get("imagePullSecret")),
            runtime: None,
        };
        let spec = object.at("spec");
        let listeners = spec.get("match");
        // One of them is enough, and traffic of servers never is one for a gateway.
        let all = listeners.items().into_iter();
        let (of_servers, of_clients): (Vec<_>, Vec<_>) =
            all.partition(|one| one.get("mode").is("SERVER"));
        let is_for_servers = of_clients.is_empty();
        let matches = if is_for_servers { of_servers } else { of_clients };
        let ports: Vec<Field<'m>> =
            matches.iter().flat_map(|one| one.get("ports").items()).collect();
        let mut first_mode = matches.iter().map(|one| one.get("mode"));
        let attachment = Attachment {
            selector: spec.get("selector"),
            labels: spec.at("selector.matchLabels"),
            targets: targets(&spec),
            is_for_gateways: false,
            other_traffic: first_mode.next().filter(|_| is_for_servers),
            ports: ports.iter().map(|port| port.get("number")).collect(),
            is_on_every_listener: matches.is_empty()
                || matches.iter().any(|one| one.get("ports").items().is_empty()),
            late: Some(spec.get("phase")).filter(|phase| !phase.is("AUTHN")),
            after_router: None,
            misnamed: None,
            outside_http: None,
            of_connections: Some(wasm.get("type")).filter(|kind| kind.is("NETWORK")),
            words: &WORDS,
            listeners,
            spec,
        };
        Some(Self::with(object, module, attachment, configuration, root_namespace))
    }

    /// A plugin with what its object says of it.
    pub fn with(
        object: &'m Object,
        module: Module<'m>,
        attachment: Attachment<'m>,
        policy: Field<'m>,
        root_namespace: &str,
    ) -> Self {
        // The root namespace's plugins are for all namespaces.
        let namespace = object.namespace();
        let namespace = (namespace != root_namespace).then_some(namespace);
        let targets = attachment.targets.iter().filter(|target| target.get("kind").is("Gateway"));
        let names = targets.filter_map(|target| target.get("name").text());
        let of_gateway = |name| Selection {
            labels: vec![(GATEWAY_NAME, name)],
            namespace: Some(object.namespace()),
        };
        let pods = match attachment.targets.is_empty() {
            true => vec![Selection::new(&attachment.labels, namespace)],
            false => names.map(of_gateway).collect(),
        };
        let policy = PolicyDocument::new(policy, Some(pods.clone()));
        Self { object, module, attachment, pods, policy }
    }

    /// What it is called in messages: `WasmPlugin istio-system/gatepost`.
    pub fn name(&self) -> String {
        self.object.origin.to_string()
    }
}

/// What a `spec` is for instead of pods with labels.
pub(crate) fn targets<'m>(spec: &Field<'m>) -> Vec<Field<'m>> {
    let all = spec.get("targetRefs").items().into_iter();
    all.chain([spec.get("targetRef")]).filter(Field::exists).collect()
}
