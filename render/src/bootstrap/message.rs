//! Messages that many parts of Envoy's API use, and how all of them are written as JSON.

use std::net::SocketAddr;
use std::path::Path;

use crate::RenderError;
use serde::Serialize;

/// `config.core.v3.Address`. An IPv6 address stands without brackets.
#[derive(Serialize)]
pub(super) struct Address {
    pub(super) socket_address: SocketAddressField,
}

#[derive(Serialize)]
pub(super) struct SocketAddressField {
    pub(super) address: String,
    pub(super) port_value: u16,
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self {
            socket_address: SocketAddressField {
                address: address.ip().to_string(),
                port_value: address.port(),
            },
        }
    }
}

/// `config.core.v3.TypedExtensionConfig`, and every other place where Envoy takes a name and a
/// `google.protobuf.Any`.
#[derive(Serialize)]
pub(super) struct Extension<T> {
    pub(super) name: &'static str,
    pub(super) typed_config: Any<T>,
}

/// A `google.protobuf.Any` in protobuf's JSON: the message's own fields beside its type.
#[derive(Serialize)]
pub(super) struct Any<T> {
    #[serde(rename = "@type")]
    pub(super) type_url: &'static str,
    #[serde(flatten)]
    pub(super) message: T,
}

/// A message without fields.
#[derive(Serialize)]
pub(super) struct Empty {}

/// A document as JSON, ending in a newline.
pub(super) fn to_json(value: &impl Serialize) -> Result<String, RenderError> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| RenderError::Write { message: error.to_string() })?;
    text.push('\n');
    Ok(text)
}

/// A path as text.
pub(super) fn utf8(path: &Path) -> Result<&str, RenderError> {
    path.to_str().ok_or_else(|| RenderError::PathNotUtf8 { path: path.to_owned() })
}
