//! Host names are handled as bytes, because reading them as `str` would check each byte again.

/// Bytes that are known to be ASCII, as text.
pub(crate) fn text(ascii: &[u8]) -> &str {
    std::str::from_utf8(ascii).unwrap_or_default()
}
