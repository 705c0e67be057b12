//! A real Envoy with the filter, with TLS for browsers or without it for caches.

use std::net::SocketAddr;

use gatepost_authoring::PolicyFile;
use gatepost_e2e::certificate::Certificate;
use gatepost_render::FailurePolicy;
use gatepost_render::bootstrap::{AccessLog, Bootstrap, Module, Plugin, PluginSource, Route};
use gatepost_testbed::envoy::LISTENER;
use gatepost_testbed::envoy::process::{Envoy, Options};
use serde_json::{Value, json};

/// A running gateway, ended when this is dropped.
pub struct Gateway {
    pub address: SocketAddr,
    envoy: Envoy,
}

impl Gateway {
    /// Starts it for HTTP with a policy in YAML. `routes` are hosts and the addresses behind them.
    pub fn http(policy: &str, routes: &[(&str, SocketAddr)]) -> Self {
        Self::start(&document(policy, routes))
    }

    /// The same for HTTPS, over HTTP/1.1 and HTTP/2.
    pub fn https(policy: &str, routes: &[(&str, SocketAddr)]) -> Self {
        let mut document = document(policy, routes);
        let listener = &mut document["static_resources"]["listeners"][0];
        listener["filter_chains"][0]["transport_socket"] = json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.\
                          DownstreamTlsContext",
                "common_tls_context": {
                    "alpn_protocols": ["h2", "http/1.1"],
                    "tls_certificates": [certificate()],
                },
            },
        });
        Self::start(&document)
    }

    fn start(document: &Value) -> Self {
        let binary = gatepost_e2e::envoy().unwrap_or_else(|error| panic!("{error}"));
        let envoy = Envoy::start(&binary, &document.to_string(), &Options::default())
            .unwrap_or_else(|error| panic!("{error}"));
        Self { address: envoy.listener(LISTENER).expect("a listener"), envoy }
    }

    /// What Envoy's listener has counted, such as `downstream_rq_total`.
    pub fn counter(&self, name: &str) -> u64 {
        let counters = self.envoy.counters().expect("counters");
        counters[&format!("http.gatepost.{name}")]
    }
}

fn document(policy: &str, routes: &[(&str, SocketAddr)]) -> Value {
    let policy =
        PolicyFile::parse("policy.yaml", policy).unwrap_or_else(|report| panic!("{report:?}"));
    let route = |(host, address): &(&str, SocketAddr)| format!("{host}={address}").parse();
    let routes: Vec<Route> = routes.iter().map(route).collect::<Result<_, _>>().expect("routes");
    let plugin = Plugin {
        module: Module::Inline(gatepost_filter_wasm::MODULE),
        configuration: &policy.json,
        on_failure: FailurePolicy::Closed,
    };
    let bootstrap = Bootstrap {
        listen: ([127, 0, 0, 1], 0).into(),
        admin: None,
        routes: &routes,
        trusted_hops: 0,
        access_log: AccessLog::Off,
        plugin: PluginSource::Static(plugin),
    };
    serde_json::from_str(&bootstrap.render().expect("a document")).expect("JSON")
}

/// A certificate as Envoy's configuration takes it.
fn certificate() -> Value {
    let Certificate { chain, key } = Certificate::of("gateway.test");
    json!({
        "certificate_chain": { "inline_string": chain },
        "private_key": { "inline_string": key },
    })
}
