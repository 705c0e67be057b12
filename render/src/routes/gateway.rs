//! The gateway that routes belong to.

use std::fmt;
use std::str::FromStr;

/// The kinds that routes are written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Api {
    /// Istio's VirtualService.
    #[default]
    Istio,
    /// HTTPRoute and GRPCRoute of the Gateway API.
    Gateway,
}

/// A Gateway, of Istio or of the Gateway API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayName {
    namespace: String,
    name: String,
}

impl GatewayName {
    /// A gateway by its namespace and its name.
    #[must_use]
    pub fn in_namespace(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for GatewayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A text that names no gateway.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("write NAMESPACE/NAME, as in istio-system/public")]
pub struct NoGatewayName;

impl FromStr for GatewayName {
    type Err = NoGatewayName;

    fn from_str(text: &str) -> Result<Self, NoGatewayName> {
        let of_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(of_name);
        match text.split_once('/') {
            Some((namespace, name)) if is_name(namespace) && is_name(name) => {
                Ok(Self::in_namespace(namespace, name))
            }
            _ => Err(NoGatewayName),
        }
    }
}
