//! Bytes from the network as text, for logs and for the test bed's echo.

use std::fmt::Write as _;

/// Bytes as text without loss: UTF-8 stays as it is, a backslash is doubled, and each byte that is
/// not part of UTF-8 becomes `\xNN`.
///
/// ```
/// assert_eq!(gatepost_gateway::escaped(b"caf\xc3\xa9 \xff \\"), "café \\xff \\\\");
/// ```
#[must_use]
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '\\' {
                text.push('\\');
            }
            text.push(character);
        }
        for byte in chunk.invalid() {
            // Writing to a String does not fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_bytes_never_become_the_same_text() {
        assert_eq!(escaped(b"\\xff"), "\\\\xff");
        assert_eq!(escaped(b"\xff"), "\\xff");
        assert_eq!(escaped("\u{fffd}".as_bytes()), "\u{fffd}");
    }
}
