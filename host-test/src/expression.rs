//! Expressions that a guest keeps with its plugin, for Envoy's foreign functions `expr_create`,
//! `expr_evaluate` and `expr_delete`. Envoy's are CEL. Here are the two forms of CEL that need no
//! evaluation: a literal, and an attribute by its path.

use std::collections::BTreeMap;

use crate::abi::Status;
use crate::limits::Refused;
use crate::property::PropertyValue;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    Literal(PropertyValue),
    /// A path as `proxy_get_property` takes it.
    Attribute(Vec<u8>),
}

/// The expressions of one plugin.
#[derive(Debug, Default)]
pub(crate) struct Expressions {
    kept: BTreeMap<u32, Expression>,
    next: u32,
}

/// The most expressions of a plugin.
const MAX_COUNT: usize = 1024;
/// The most bytes of an expression.
const MAX_BYTES: usize = 4096;

impl Expressions {
    /// Keeps an expression; returns its token.
    pub(crate) fn create(&mut self, text: &[u8]) -> Result<u32, Refused> {
        let expression =
            std::str::from_utf8(text).ok().and_then(read).ok_or(Status::BadArgument)?;
        if self.kept.len() >= MAX_COUNT || text.len() > MAX_BYTES {
            return Err(Refused::Limit("expressions"));
        }
        while self.kept.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let token = self.next;
        self.next = token.wrapping_add(1);
        self.kept.insert(token, expression);
        Ok(token)
    }

    pub(crate) fn get(&self, token: u32) -> Option<&Expression> {
        self.kept.get(&token)
    }

    pub(crate) fn delete(&mut self, token: u32) {
        self.kept.remove(&token);
    }
}

fn read(text: &str) -> Option<Expression> {
    let text = text.trim_ascii();
    literal(text).map(Expression::Literal).or_else(|| attribute(text).map(Expression::Attribute))
}

fn literal(text: &str) -> Option<PropertyValue> {
    match text {
        "true" => return Some(PropertyValue::Bool(true)),
        "false" => return Some(PropertyValue::Bool(false)),
        _ => {}
    }
    if let Some(text) = quoted(text) {
        return Some(PropertyValue::text(text));
    }
    if !text.trim_start_matches('-').starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let hexadecimal = |digits: &str| u64::from_str_radix(digits, 16).ok();
    match (text.strip_suffix(['u', 'U']), text.strip_prefix("0x")) {
        (Some(number), _) => match number.strip_prefix("0x") {
            Some(digits) => hexadecimal(digits).map(PropertyValue::Uint),
            None => number.parse().ok().map(PropertyValue::Uint),
        },
        (None, Some(digits)) => hexadecimal(digits)?.try_into().ok().map(PropertyValue::Int),
        (None, None) if text.contains(['.', 'e', 'E']) => {
            text.parse().ok().map(PropertyValue::Double)
        }
        (None, None) => text.parse().ok().map(PropertyValue::Int),
    }
}

/// The text between quotes, if it has no escapes.
fn quoted(text: &str) -> Option<&str> {
    let inner =
        ['"', '\''].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))?;
    (!inner.contains(['"', '\'', '\\', '\n', '\r'])).then_some(inner)
}

/// `request.headers["x-id"]` as `request\0headers\0x-id`.
fn attribute(text: &str) -> Option<Vec<u8>> {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let mut path = Vec::new();
    for part in text.split('.') {
        let (word, indexes) = part.split_at(part.find('[').unwrap_or(part.len()));
        if !is_word(word) {
            return None;
        }
        let indexes: Vec<&str> = match indexes.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']')?.split("][").map(quoted).collect::<Option<_>>()?,
            None => Vec::new(),
        };
        for step in std::iter::once(word).chain(indexes) {
            if !path.is_empty() {
                path.push(0);
            }
            path.extend(step.as_bytes());
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn literals_have_their_types() {
        for (text, value) in [
            ("7", PropertyValue::Int(7)),
            (" -7 ", PropertyValue::Int(-7)),
            ("0x2a", PropertyValue::Int(42)),
            ("7u", PropertyValue::Uint(7)),
            ("1.5", PropertyValue::Double(1.5)),
            ("true", PropertyValue::Bool(true)),
            ("\"text\"", PropertyValue::text("text")),
            ("'a.b'", PropertyValue::text("a.b")),
        ] {
            assert_eq!(read(text), Some(Expression::Literal(value)), "{text}");
        }
    }

    #[test]
    fn attributes_are_paths() {
        for (text, path) in [
            ("plugin_name", "plugin_name"),
            ("request.url_path", "request\0url_path"),
            ("request.headers['x-id']", "request\0headers\0x-id"),
            ("metadata[\"a\"][\"b\"].c", "metadata\0a\0b\0c"),
        ] {
            assert_eq!(read(text), Some(Expression::Attribute(path.into())), "{text}");
        }
    }

    #[test]
    fn what_would_have_to_be_evaluated_is_no_expression() {
        for text in [
            "",
            "1 + 1",
            "a == b",
            "size('a')",
            "a.",
            ".a",
            "a[0]",
            "a['b'",
            "'a' + 'b'",
            "\"a\\n\"",
            "7x",
            "-",
            "a-b",
            "--7",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn tokens_count_up_and_are_limited() {
        let mut expressions = Expressions::default();
        let tokens: Vec<u32> = (0..MAX_COUNT).map(|_| expressions.create(b"1").unwrap()).collect();
        assert!(tokens.into_iter().eq(0..u32::try_from(MAX_COUNT).unwrap()));
        assert_eq!(expressions.create(b"1"), Err(Refused::Limit("expressions")));
        expressions.delete(3);
        assert_eq!(expressions.get(3), None);
        assert_eq!(expressions.create(b"1"), Ok(u32::try_from(MAX_COUNT).unwrap()));
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd_to_be_read(text in "[-a-z0-9_.'\"\\[\\] \u{e9}]{0,20}") {
            if let Some(Expression::Attribute(path)) = read(&text) {
                let first = path.split(|byte| *byte == 0).next();
                prop_assert!(first.is_some_and(|first| !first.is_empty()), "{path:?}");
            }
        }
    }
}
