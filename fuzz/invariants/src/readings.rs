//! How other parsers may read an authority. A proxy or server behind the gateway parses the Host
//! again, and may read another host than the gateway did. A private host must not be reachable by a
//! spelling that only such a parser understands.

use crate::authority::reference;

/// The hosts, in canonical form, as which these bytes are read by the crates `url` (as browsers do)
/// and `http` (as RFC 3986 says), by the reference parser, and by a parser that splits the text at
/// its delimiters.
#[must_use]
pub fn of(raw: &[u8]) -> Vec<String> {
    let mut hosts: Vec<String> =
        reference(raw).map(|reference| reference.host).into_iter().collect();
    if let Ok(text) = str::from_utf8(raw) {
        hosts.extend(
            url::Url::parse(&format!("http://{text}/"))
                .ok()
                .as_ref()
                .and_then(url::Url::host_str)
                .map(str::to_owned),
        );
    }
    if let Ok(authority) = http::uri::Authority::try_from(raw) {
        hosts.push(authority.host().to_owned());
    }
    // A parser that is less strict may read one of these, if the authority is not valid.
    if reference(raw).is_none() {
        let cuts = |byte: &u8| {
            matches!(byte, b'@' | b',' | b'/' | b'\\' | b'?' | b'#' | b' ' | b'\t' | b':')
        };
        hosts.extend(raw.split(cuts).map(|piece| String::from_utf8_lossy(piece).into_owned()));
        // An IPv6 literal, with any zone.
        let literal = raw
            .split(|byte| *byte == b'[')
            .nth(1)
            .and_then(|rest| rest.split(|byte| b"]%".contains(byte)).next());
        hosts.extend(literal.map(|literal| format!("[{}]", String::from_utf8_lossy(literal))));
    }
    // A parser that knows no octal numbers.
    let decimal = |host: &String| -> Option<String> {
        let labels = host.split('.').map(|label| label.parse::<u8>().ok().map(|n| n.to_string()));
        Some(labels.collect::<Option<Vec<_>>>()?.join("."))
    };
    let decimals: Vec<String> = hosts.iter().filter_map(decimal).collect();
    hosts.extend(decimals);
    hosts
        .iter()
        .filter_map(|host| reference(host.trim_end_matches('.').as_bytes()))
        .map(|reference| reference.host)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_host_is_read_through_what_hides_it() {
        for (raw, host) in [
            ("A.test:80", "a.test"),
            ("user@a.test", "a.test"),
            ("b.test, a.test", "a.test"),
            ("%61.test", "a.test"),
            ("\u{ff41}.test", "a.test"),
            ("a\t.te\nst", "a.test"),
            ("0x7f.1", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("0127.0.0.1", "87.0.0.1"),
            ("0127.0.0.1", "127.0.0.1"),
            ("[0::1%25eth0]:80", "[::1]"),
        ] {
            assert!(
                of(raw.as_bytes()).iter().any(|read| read == host),
                "{raw}: {:?}",
                of(raw.as_bytes())
            );
        }
    }
}
