//! Host names are kept as bytes: turning them into `str` each time would check each byte again.

/// Turns bytes that are known to be ASCII into text.
pub(crate) fn text(ascii: &[u8]) -> &str {
    std::str::from_utf8(ascii).unwrap_or_default()
}
