//! Two test beds with the same policy and routes: a real Envoy and the embedded gateway. A test
//! asks both, and its failure names the gateway.

use std::sync::LazyLock;

use gatepost_authoring::PolicyFile;
use gatepost_gateway::FilterModule;
use gatepost_testbed::shipped::{self, Shipped};
use gatepost_testbed::{GatewayKind, Testbed};

/// Compiled once for all tests: compiling takes longer than the rest of a start.
static MODULE: LazyLock<FilterModule> =
    LazyLock::new(|| FilterModule::compile().expect("the filter compiles"));

pub struct Pair {
    pub envoy: Testbed,
    pub embedded: Testbed,
}

impl Pair {
    /// Starts both with a policy in YAML. `routes` are host patterns and the names of the upstreams
    /// behind them.
    pub async fn start(policy: &str, routes: &[(&str, &str)]) -> Self {
        Self::with_configuration(&json(policy), routes).await
    }

    /// Starts both with a shipped policy and its own routes.
    pub async fn shipped(name: &str) -> Self {
        let (policy, suite) = shipped(name).read().unwrap_or_else(|report| panic!("{report:?}"));
        let routes: Vec<(&str, &str)> = suite
            .routes
            .iter()
            .map(|route| (route.host.as_str(), route.upstream.as_str()))
            .collect();
        Self::with_configuration(&policy.json, &routes).await
    }

    /// Starts both with a plugin configuration as the filter receives it.
    pub async fn with_configuration(configuration: &str, routes: &[(&str, &str)]) -> Self {
        Self {
            envoy: Testbed::start(&envoy(), configuration, routes)
                .await
                .unwrap_or_else(|error| panic!("{error}")),
            embedded: Testbed::start(&embedded(), configuration, routes)
                .await
                .unwrap_or_else(|error| panic!("{error}")),
        }
    }

    pub fn each(&self) -> [(&'static str, &Testbed); 2] {
        [("envoy", &self.envoy), ("embedded", &self.embedded)]
    }
}

/// The real Envoy.
pub fn envoy() -> GatewayKind {
    GatewayKind::Envoy(gatepost_e2e::envoy().unwrap_or_else(|error| panic!("{error}")))
}

/// The embedded gateway.
pub fn embedded() -> GatewayKind {
    GatewayKind::Embedded(module())
}

/// The filter as the embedded gateway runs it.
pub fn module() -> FilterModule {
    MODULE.clone()
}

/// The shipped policy of that name.
pub fn shipped(name: &str) -> &'static Shipped {
    shipped::ALL.iter().find(|shipped| shipped.name == name).expect("a policy that ships")
}

/// The plugin configuration that a policy in YAML becomes.
pub fn json(policy: &str) -> String {
    PolicyFile::parse("policy.yaml", policy).unwrap_or_else(|report| panic!("{report:?}")).json
}
