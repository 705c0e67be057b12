//! Values as reports show them: bytes as quoted text, long values only around their difference.

/// Bytes as quoted text, those that are no UTF-8 as `\xNN`.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => text.push_str("\\\""),
                // A quote of the other kind needs no escape, which `escape_debug` would give it.
                '\'' => text.push('\''),
                _ => text.extend(c.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            text += &format!("\\x{byte:02x}");
        }
    }
    text.push('"');
    text
}

/// Longer values are shown in part.
const LONGEST: usize = 400;
/// How many bytes are shown before the first difference.
const BEFORE: usize = 40;

/// Two values as quoted text; when they are long, only the text around their first difference.
pub(crate) fn quoted_pair(expected: &[u8], found: &[u8]) -> (String, String) {
    if expected.len() <= LONGEST && found.len() <= LONGEST {
        return (quoted(expected), quoted(found));
    }
    let same = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
    let from = same.saturating_sub(BEFORE);
    let part = |bytes: &[u8]| {
        let end = bytes.len().min(from + LONGEST);
        let shown = quoted(bytes.get(from..end).unwrap_or_default());
        let (before, after) =
            (if from > 0 { "… " } else { "" }, if end < bytes.len() { " …" } else { "" });
        format!("{before}{shown}{after} ({} bytes, different from byte {same} on)", bytes.len())
    };
    (part(expected), part(found))
}

/// Several values, one after the other.
pub(crate) fn quoted_list<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> String {
    let values: Vec<String> = values.into_iter().map(quoted).collect();
    if values.is_empty() { "none".to_owned() } else { values.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_text_that_can_be_read() {
        assert_eq!(quoted(b"it's \"a\"\n\xff"), r#""it's \"a\"\n\xff""#);
        assert_eq!(quoted_list([]), "none");
        assert_eq!(quoted_list([&b"a"[..], b"b"]), r#""a", "b""#);
    }

    #[test]
    fn long_values_are_shown_around_their_difference() {
        let (mut expected, mut found) = (vec![b'a'; 1000], vec![b'a'; 1000]);
        expected[500] = b'b';
        found.push(b'c');
        let (expected, found) = quoted_pair(&expected, &found);
        assert!(
            expected.starts_with("… \"aaaa")
                && expected.ends_with("(1000 bytes, different from byte 500 on)"),
            "{expected}"
        );
        assert!(expected.contains("ab"), "{expected}");
        assert!(found.ends_with("(1001 bytes, different from byte 500 on)"), "{found}");
    }
}
