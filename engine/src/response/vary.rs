//! `Vary` (RFC 9110 §12.5.5): which request headers chose the response.

use super::{ChangedHeader, VARY};

/// `Vary` with these names. Nothing if it has them already, or `*`, which stands for all.
pub(super) fn with<'a>(
    names: &str,
    lines: impl Iterator<Item = &'a [u8]>,
) -> Option<ChangedHeader> {
    let mut lines: Vec<Vec<u8>> = lines.map(<[u8]>::to_vec).collect();
    let has = |name: &str| {
        let mut members = lines.iter().flat_map(|line| line.split(|byte| *byte == b','));
        members.any(|member| {
            let member = member.trim_ascii();
            member == b"*" || member.eq_ignore_ascii_case(name.as_bytes())
        })
    };
    let missing: Vec<&str> = names.split(", ").filter(|name| !has(name)).collect();
    if missing.is_empty() {
        return None;
    }
    let missing = missing.join(", ");
    let replaces = match lines.last_mut() {
        Some(last) => {
            if !last.trim_ascii().is_empty() {
                last.extend_from_slice(b", ");
            }
            last.extend_from_slice(missing.as_bytes());
            true
        }
        None => {
            lines.push(missing.into_bytes());
            false
        }
    };
    Some(ChangedHeader { name: VARY, lines, replaces })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gained(names: &str, lines: &[&str]) -> Option<(Vec<String>, bool)> {
        let lines = lines.iter().map(|line| line.as_bytes());
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
