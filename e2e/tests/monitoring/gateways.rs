//! Two Envoys with a policy each, which may be replaced, and requests to both.

use gatepost_authoring::PolicyFile;
use gatepost_render::FailurePolicy;
use gatepost_render::bootstrap::{AccessLog, Bootstrap, Module, Plugin, PluginSource, Route};
use gatepost_testbed::client::{get, send};
use gatepost_testbed::echo::Upstream;
use gatepost_testbed::envoy::LISTENER;
use gatepost_testbed::envoy::process::{Envoy, Options};
use http::Version;
use tempfile::TempDir;

/// An Envoy whose policy is a file.
pub struct Gateway {
    pub envoy: Envoy,
    folder: TempDir,
}

impl Gateway {
    pub fn start(upstream: &Upstream, policy: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        write(&folder, policy);
        let routes: Vec<Route> = vec![format!("*={}", upstream.addr()).parse().expect("a route")];
        let bootstrap = Bootstrap {
            listen: ([127, 0, 0, 1], 0).into(),
            admin: None,
            routes: &routes,
            trusted_hops: 0,
            access_log: AccessLog::Off,
            plugin: PluginSource::FileEcds { path: &folder.path().join("filter.json") },
        };
        let bootstrap = bootstrap.render().expect("a document");
        let binary = gatepost_e2e::envoy().expect("an Envoy");
        let envoy = Envoy::start(&binary, &bootstrap, &Options::default());
        Self { envoy: envoy.unwrap_or_else(|error| panic!("{error}")), folder }
    }

    /// Puts another policy in the place of the one before.
    pub fn replace(&self, policy: &str) {
        write(&self.folder, policy);
    }

    /// Sends a request for a host.
    pub async fn ask(&self, host: &str) {
        let address = self.envoy.listener(LISTENER).expect("a listener");
        let _ = send(Version::HTTP_11, address, get(&format!("http://{host}/"), &[])).await;
    }
}

fn write(folder: &TempDir, policy: &str) {
    let plugin = Plugin {
        module: Module::Inline(gatepost_filter_wasm::MODULE),
        configuration: policy,
        on_failure: FailurePolicy::Closed,
    };
    let (new, path) = (folder.path().join("new"), folder.path().join("filter.json"));
    std::fs::write(&new, plugin.render_ecds("1").expect("a document")).expect("written");
    std::fs::rename(new, path).expect("renamed");
}

/// A policy as the filter gets it, and its fingerprint.
pub fn policy(text: &str) -> (String, u64) {
    let text = format!("apiVersion: gatepost/v1\n{text}\n");
    let file = PolicyFile::parse("policy.yaml", &text);
    let file = file.unwrap_or_else(|report| panic!("{report:?}"));
    (file.json, file.policy.fingerprint())
}
