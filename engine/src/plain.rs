//! Plain text: bytes as text, and text put together without formatting.

use alloc::string::String;
use alloc::vec::Vec;

/// Bytes that are known to be ASCII, as a text.
pub(crate) fn text(ascii: &[u8]) -> &str {
    core::str::from_utf8(ascii).unwrap_or_default()
}

/// A text with values in place of each `%`.
pub(crate) fn fill(template: &str, values: [&str; 2]) -> String {
    let mut values = values.into_iter();
    let mut filled = String::new();
    for (number, part) in template.split('%').enumerate() {
        if number > 0 {
            filled.push_str(values.next().unwrap_or_default());
        }
        filled.push_str(part);
    }
    filled
}

/// A number in decimal. The standard library's formatting would be a twentieth of the filter.
#[must_use]
pub fn decimal(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(b'0' | (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    digits.iter().rev().copied().map(char::from).collect()
}

pub(crate) fn signed(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    [sign, &decimal(number.unsigned_abs())].concat()
}

/// Adds a letter, or the escape of one that would end a line or steer a terminal.
pub(crate) fn push_escaped(text: &mut String, letter: char) {
    match letter {
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        letter if letter.is_control() => {
            // Control characters end at 0x9f.
            let number = u32::from(letter);
            let digits =
                [number >> 4, number & 0xf].map(|digit| char::from_digit(digit, 16).unwrap_or('0'));
            text.push_str("\\u{");
            text.extend(digits.into_iter().skip(usize::from(number < 0x10)));
            text.push('}');
        }
        letter => text.push(letter),
    }
}

/// Adds a text in quotes, on one line.
pub(crate) fn push_quoted(text: &mut String, quoted: &str) {
    text.push('"');
    for letter in quoted.chars() {
        if matches!(letter, '"' | '\\') {
            text.push('\\');
        }
        push_escaped(text, letter);
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_as_rust_escapes_them() {
        for letter in (0..0x100).filter_map(char::from_u32).filter(|letter| letter.is_control()) {
            let mut escaped = String::new();
            push_escaped(&mut escaped, letter);
            assert_eq!(escaped, letter.escape_default().to_string());
        }
    }

    #[test]
    fn numbers_are_written_in_decimal() {
        for number in [0, 7, 10, 8_388_608, u64::MAX] {
            assert_eq!(decimal(number), number.to_string());
        }
        assert_eq!(signed(i64::MIN), i64::MIN.to_string());
    }
}
