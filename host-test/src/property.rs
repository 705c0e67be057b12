//! Property values and their byte form, which is Envoy's: text as it is, numbers as eight
//! little-endian bytes, a boolean as one byte. What each path names is in `attributes`.

use bytes::Bytes;

/// A property's value.
///
/// ```
/// use gatepost_host::{PropertyValue, StreamInfo};
///
/// let info = StreamInfo {
///     properties: vec![
///         ("connection.mtls".into(), PropertyValue::Bool(true)),
///         ("request.geo.country".into(), PropertyValue::text("CH")),
///     ],
///     ..StreamInfo::default()
/// };
/// assert_eq!(info.properties[1].1, PropertyValue::Bytes("CH".into()));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum PropertyValue {
    /// Text or bytes, as they are.
    Bytes(Bytes),
    /// A signed number: also a time or a duration, in nanoseconds.
    Int(i64),
    /// An unsigned number.
    Uint(u64),
    /// A floating-point number.
    Double(f64),
    /// A boolean.
    Bool(bool),
}

impl PropertyValue {
    /// A text value.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Bytes(Bytes::copy_from_slice(text.as_bytes()))
    }

    /// The byte form that guests get.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            PropertyValue::Bytes(bytes) => bytes,
            PropertyValue::Int(number) => Bytes::copy_from_slice(&number.to_le_bytes()),
            PropertyValue::Uint(number) => Bytes::copy_from_slice(&number.to_le_bytes()),
            PropertyValue::Double(number) => Bytes::copy_from_slice(&number.to_le_bytes()),
            PropertyValue::Bool(truth) => Bytes::copy_from_slice(&[u8::from(truth)]),
        }
    }
}
