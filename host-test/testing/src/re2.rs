//! RE2's regular expressions on the `regex` crate. Both run in linear time and share most of their
//! syntax; what differs is rewritten here: RE2's `\d`, `\s`, `\w` and `\b` are ASCII, a
//! brace that begins no repetition and a bracket in a class are ordinary characters, and `\Q…\E`,
//! `\C` and `\<` exist or mean something else.

use regex::bytes::Regex;

/// A pattern that has to match a whole text.
#[derive(Clone, Debug)]
pub(crate) struct FullMatch(Regex);

impl FullMatch {
    pub(crate) fn new(pattern: &str) -> Result<Self, regex::Error> {
        let translated = translate(pattern);
        // Alone first: the parentheses around it must not complete a pattern that is not
        // well-formed.
        Regex::new(&translated)?;
        Regex::new(&format!(r"\A(?:{translated})\z")).map(Self)
    }

    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }
}

fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = match c {
            '\\' => escape(after, &mut out, false),
            '[' => class(after, &mut out),
            '{' => {
                let repetition = repetition(after);
                out.push_str(if repetition.is_empty() { r"\{" } else { "{" });
                out.push_str(repetition);
                &after[repetition.len()..]
            }
            '}' => {
                out.push_str(r"\}");
                after
            }
            _ => {
                out.push(c);
                after
            }
        };
    }
    out
}

/// The rest of a repetition after its brace, `n}`, `n,}` or `n,m}`; empty when it is no repetition.
fn repetition(after: &str) -> &str {
    let Some((inside, _)) = after.split_once('}') else { return "" };
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !least.is_empty() && digits(least) && digits(most) { &after[..=inside.len()] } else { "" }
}

/// Translates what follows a backslash; returns the rest of the pattern.
fn escape<'a>(after: &'a str, out: &mut String, in_class: bool) -> &'a str {
    let Some(c) = after.chars().next() else {
        out.push('\\');
        return after;
    };
    let rest = &after[c.len_utf8()..];
    match c {
        'Q' if !in_class => {
            let (literal, rest) = rest.split_once(r"\E").unwrap_or((rest, ""));
            out.push_str(&regex::escape(literal));
            return rest;
        }
        'd' | 'D' | 'w' | 'W' | 's' | 'S' => out.push_str(perl_class(c)),
        'b' | 'B' if !in_class => out.push_str(&format!(r"(?-u:\{c})")),
        'C' if !in_class => out.push_str(r"(?s-u:.)"),
        '<' | '>' => out.push(c),
        // A class or a character by its name or number.
        'p' | 'P' | 'x' if rest.starts_with('{') => {
            let end = rest.find('}').map_or(rest.len(), |at| at + 1);
            out.push('\\');
            out.push(c);
            out.push_str(&rest[..end]);
            return &rest[end..];
        }
        _ => {
            out.push('\\');
            out.push(c);
        }
    }
    rest
}

/// RE2's own sets, written out; a negated one is any other character, not any other byte.
fn perl_class(c: char) -> &'static str {
    match c {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        's' => r"[\t\n\f\r ]",
        _ => r"[^\t\n\f\r ]",
    }
}

/// Translates a bracketed class after its `[`; returns the rest of the pattern after its `]`.
fn class<'a>(after: &'a str, out: &mut String) -> &'a str {
    out.push('[');
    let mut rest = after;
    if let Some(negated) = rest.strip_prefix('^') {
        out.push('^');
        rest = negated;
    }
    let mut first = true;
    while let Some(c) = rest.chars().next() {
        let next = &rest[c.len_utf8()..];
        rest = match c {
            ']' if !first => {
                out.push(']');
                return next;
            }
            ']' => {
                out.push_str(r"\]");
                next
            }
            '\\' => escape(next, out, true),
            '[' if next.starts_with(':') && next.contains(":]") => {
                let end = next.find(":]").map_or(next.len(), |at| at + 2);
                out.push('[');
                out.push_str(&next[..end]);
                &next[end..]
            }
            // Ordinary characters in RE2, set operators in the `regex` crate.
            '[' | '&' | '~' => {
                out.push('\\');
                out.push(c);
                next
            }
            '-' if next.starts_with('-') => {
                out.push_str(r"\-");
                next
            }
            _ => {
                out.push(c);
                next
            }
        };
        first = false;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &[u8]) -> bool {
        FullMatch::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).matches(text)
    }

    #[test]
    fn the_whole_text_has_to_match() {
        assert!(matches("a|ab", b"ab"));
        assert!(!matches("b", b"abc"));
        assert!(!matches(".*", b"two\nlines"));
        assert!(matches("(?s).*", b"two\nlines"));
        assert!(matches("", b""));
    }

    #[test]
    fn braces_that_repeat_nothing_are_ordinary() {
        assert!(matches(r#".*{"user":"(.*)"}"#, br#"got {"user":"me"}"#));
        assert!(matches(r"{}", b"{}"));
        assert!(matches(r"a{,2}", b"a{,2}"));
        assert!(matches(r"a{2}b{1,}c{0,1}", b"aabb"));
        assert!(matches(r"\{a\}", b"{a}"));
        assert!(matches(r"\p{Greek}+[\p{Greek}\x{61}]", "αβγa".as_bytes()));
        assert!(matches(r"x{2}}", b"xx}"));
    }

    #[test]
    fn the_short_classes_are_ascii() {
        assert!(!matches(r"\d", "٣".as_bytes()));
        assert!(matches(r"[\d.]+\s[^\s]", "1.5 é".as_bytes()));
        assert!(!matches(r"\s", b"\x0b"));
        assert!(matches(r"\w\b.", "aé".as_bytes()));
    }

    #[test]
    fn brackets_and_operators_in_a_class_are_ordinary() {
        assert!(matches(r"[[a]]", b"a]"));
        assert!(matches(r"[a&&b]+", b"&ab&"));
        assert!(matches(r"[]x]+", b"]x"));
        assert!(matches(r"[^]x]", b"y"));
        assert!(matches(r"[[:alpha:]_]+", b"a_b"));
    }

    #[test]
    fn quoted_text_and_foreign_escapes_mean_what_they_do_in_re2() {
        assert!(matches(r"\Qa.b\E+", b"a.bb"));
        assert!(!matches(r"\Qa.b\E", b"axb"));
        assert!(matches(r"\<\>\_\-\C", b"<>_-\xff"));
    }

    #[test]
    fn bytes_that_are_no_text_are_matched_as_themselves() {
        assert!(!matches(".", b"\xff"));
        assert!(matches(r"a\C*", b"a\xff\xfe"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in ["[asd", "a)(b", "(", "*"] {
            assert!(FullMatch::new(pattern).is_err(), "{pattern}");
        }
    }
}
