//! Bytes that are mostly text: what guests pass as names, values and messages.

use std::fmt;

use bytes::Bytes;
use serde::{Serialize, Serializer};

/// Bytes that are shown as text. Bytes that are not UTF-8 are shown as `\xNN`.
///
/// ```
/// use gatepost_host::Text;
///
/// let text = Text(b"caf\xe9"[..].into()); // Latin-1
/// assert_eq!(text.to_string(), r"caf\xe9");
/// assert_eq!(text.as_bytes(), b"caf\xe9");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text(pub Bytes);

impl Text {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn copy(bytes: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
