//! `Vary` (RFC 9110 §12.5.5): which request headers chose the response.

use super::changes::ChangedHeader;

pub(super) const NAME: &str = "vary";

/// `Vary` with these names, in the lines that it has. Nothing if it has them already, or `*`, which
/// stands for all.
pub(super) fn with(names: &str, mut lines: Vec<Vec<u8>>) -> Option<ChangedHeader> {
    let is_known = |name: &&[u8]| {
        let mut known = lines.iter().flat_map(|line| members(line));
        known.any(|known| known == b"*" || known.eq_ignore_ascii_case(name))
    };
    let missing: Vec<&[u8]> = members(names.as_bytes()).filter(|name| !is_known(name)).collect();
    if missing.is_empty() {
        return None;
    }
    let replaces = !lines.is_empty();
    let mut line = lines.pop().unwrap_or_default();
    for name in missing {
        if !line.is_empty() {
            line.extend_from_slice(b", ");
        }
        line.extend_from_slice(name);
    }
    lines.push(line);
    Some(ChangedHeader { name: NAME, lines, replaces })
}

/// The members of a list (RFC 9110 §5.6.1).
fn members(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gained(names: &str, lines: &[&str]) -> Option<(Vec<String>, bool)> {
        let lines = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
        let ChangedHeader { lines, replaces, .. } = with(names, lines)?;
        let text = |line| String::from_utf8(line).expect("a text");
        Some((lines.into_iter().map(text).collect(), replaces))
    }

    #[test]
    fn a_response_without_vary_gains_a_line() {
        assert_eq!(gained("env, cookie", &[]), Some((vec!["env, cookie".to_owned()], false)));
    }

    #[test]
    fn the_last_line_gains_what_is_missing() {
        for (lines, expected) in [
            (&["accept-encoding"][..], &["accept-encoding, env, cookie"][..]),
            (&["Accept, Cookie"], &["Accept, Cookie, env"]),
            (&["ENV", "origin"], &["ENV", "origin, cookie"]),
            (&[""], &["env, cookie"]),
            (&["environment, xcookie"], &["environment, xcookie, env, cookie"]),
        ] {
            let expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
            assert_eq!(gained("env, cookie", lines), Some((expected, true)), "{lines:?}");
        }
    }

    #[test]
    fn nothing_comes_twice_and_nothing_beside_a_star() {
        for lines in [&["env,cookie"][..], &["Cookie", " , Env ,"], &["*"], &["accept", "a, *"]] {
            assert_eq!(gained("env, cookie", lines), None, "{lines:?}");
        }
    }
}
