//! Host patterns, matched label by label.

use std::net::Ipv6Addr;

use crate::authority::is_ip_literal;

/// Whether a host in canonical form matches a pattern as a policy writes it.
#[must_use]
pub fn matches(pattern: &str, host: &str) -> bool {
    let pattern = pattern.strip_suffix('.').unwrap_or(pattern).to_ascii_lowercase();
    if let Some(literal) = pattern.strip_prefix('[').and_then(|pattern| pattern.strip_suffix(']')) {
        return literal.parse::<Ipv6Addr>().is_ok_and(|address| host == format!("[{address}]"));
    }
    if is_ip_literal(host) {
        return pattern == host;
    }
    let (pattern, host): (Vec<&str>, Vec<&str>) =
        (pattern.rsplit('.').collect(), host.rsplit('.').collect());
    let star = pattern.last() == Some(&"*");
    let wanted = pattern.len() - usize::from(star);
    let fits = if star { host.len() > wanted } else { host.len() == wanted };
    fits && pattern
        .iter()
        .take(wanted)
        .zip(&host)
        .all(|(wanted, label)| wanted.starts_with('{') || wanted == label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_the_language_says() {
        for (pattern, host) in [
            ("A.test.", "a.test"),
            ("*.svc", "a.b.svc"),
            ("{x}.svc", "a.svc"),
            ("[0::1]", "[::1]"),
            ("10.0.0.1", "10.0.0.1"),
            ("{x}.b.{y}.test", "a.b.c.test"),
        ] {
            assert!(matches(pattern, host), "{pattern} {host}");
        }
        for (pattern, host) in
            [("*.svc", "svc"), ("{x}.svc", "a.b.svc"), ("*.1", "10.0.0.1"), ("a.test", "b.a.test")]
        {
            assert!(!matches(pattern, host), "{pattern} {host}");
        }
    }
}
