//! Services.

use serde::Deserialize;

use crate::object::Origin;

/// A Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Where it was found.
    pub origin: Origin,
    /// Its ports.
    pub ports: Vec<ServicePort>,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    /// Its name. Istio takes the protocol from what comes before the first `-`.
    #[serde(default)]
    pub name: String,
    /// Its number.
    pub port: u16,
    /// The protocol, which wins over the name.
    #[serde(default)]
    pub app_protocol: String,
}

impl ServicePort {
    /// The protocol as Istio reads it: `grpc` of `grpc-api`. Empty if nothing names one.
    #[must_use]
    pub fn protocol(&self) -> &str {
        let named = self.name.split('-').next().unwrap_or_default();
        if self.app_protocol.is_empty() { named } else { &self.app_protocol }
    }
}

/// `ServiceSpec`.
#[derive(Deserialize)]
pub(crate) struct Spec {
    #[serde(default)]
    pub ports: Vec<ServicePort>,
}
