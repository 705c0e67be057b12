//! The ports that gateways open: servers of Istio's Gateway, listeners of the Gateway API.

use crate::field::Field;

/// A port that a gateway opens.
pub(crate) struct Server<'m> {
    pub field: Field<'m>,
    /// As the gateway writes it: a Service's port, where a Service has it.
    pub port: u16,
    /// The ports on which the gateway's pods listen for it; none where a Service names a port of
    /// containers that are not here.
    pub listeners: Vec<u16>,
    pub protocol: &'m str,
    pub hosts: Vec<Field<'m>>,
}

impl<'m> Server<'m> {
    /// A server of Istio's Gateway.
    pub fn of_istio(field: Field<'m>) -> Option<Self> {
        Some(Self {
            port: field.at("port.number").port()?,
            listeners: Vec::new(),
            protocol: field.at("port.protocol").text().unwrap_or_default(),
            hosts: field.get("hosts").items(),
            field,
        })
    }

    /// A listener of a Gateway of the Gateway API.
    pub fn of_gateway_api(field: Field<'m>) -> Option<Self> {
        let host = field.get("hostname");
        Some(Self {
            port: field.get("port").port()?,
            listeners: Vec::new(),
            protocol: field.get("protocol").text().unwrap_or_default(),
            hosts: if host.exists() { vec![host] } else { Vec::new() },
            field,
        })
    }

    /// Whether clients speak TLS to it.
    pub fn is_tls(&self) -> bool {
        matches!(self.protocol.to_ascii_uppercase().as_str(), "HTTPS" | "TLS")
    }

    /// Whether it tells its filter chains apart by names that a client sends: none of its hosts is
    /// for all of them.
    pub fn needs_sni(&self) -> bool {
        let is_any = |host: &str| host == "*" || host.ends_with("/*");
        let names = self.hosts.iter().filter_map(Field::text);
        self.is_tls() && !self.hosts.is_empty() && !names.into_iter().any(is_any)
    }
}
