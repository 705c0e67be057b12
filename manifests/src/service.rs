//! Services.

use crate::finding::Finding;
use crate::object::{Object, Origin};

/// A Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Where it was found.
    pub origin: Origin,
    /// Its ports.
    pub ports: Vec<ServicePort>,
}

impl Service {
    pub(crate) fn new(object: &Object) -> Result<Self, Box<Finding>> {
        let ports = object.at("spec.ports");
        if ports.exists() && ports.items().is_empty() {
            return Err(Box::new(ports.error(
                "wrong-type",
                "a Service's ports are a list",
                "write `ports: [{ name: http, port: 80 }]`",
            )));
        }
        let mut list = Vec::new();
        for port in ports.items() {
            let Some(number) = port.get("port").port() else {
                let place = port.get("port");
                let help = "write a number up to 65535";
                return Err(Box::new(place.error(
                    "wrong-type",
                    "a Service's port needs its number",
                    help,
                )));
            };
            list.push(ServicePort {
                name: port.get("name").text().unwrap_or_default().to_owned(),
                port: number,
                app_protocol: port.get("appProtocol").text().unwrap_or_default().to_owned(),
            });
        }
        Ok(Self { origin: object.origin.clone(), ports: list })
    }
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name. Istio takes the protocol from what comes before the first `-`.
    pub name: String,
    /// Its number.
    pub port: u16,
    /// The protocol, which wins over the name.
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
