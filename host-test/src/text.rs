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

/// The bytes as a `String`, with U+FFFD for what is not UTF-8. It takes no more memory than its
/// length, which is what limits count: a text that grows while it is made takes up to twice as
/// much.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    text.shrink_to_fit();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_takes_no_more_than_its_length() {
        let mut long = vec![b'a'; 64_000];
        long[0] = 0x80;
        for bytes in [&long[..], &[0x80; 1000], b"valid", b""] {
            let text = lossy(bytes);
            assert_eq!(text.capacity(), text.len());
        }
    }
}
