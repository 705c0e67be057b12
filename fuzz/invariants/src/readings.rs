//! What others may take an authority for. A proxy, server or client library behind the gateway
//! reads the Host again, and not always as the gateway did: a private host must not be reachable by
//! a spelling that only they understand.

use crate::authority::plain;

/// The hosts, in canonical form, that the crates `url` (as browsers do) and `http` (as RFC 3986
/// says), the plain reader, and somebody who cuts the text at its delimiters read in these bytes.
#[must_use]
pub fn of(raw: &[u8]) -> Vec<String> {
    let mut hosts: Vec<String> = plain(raw).map(|plain| plain.host).into_iter().collect();
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
    // Whoever is less strict reads one of these; a valid authority is read by nobody so.
    if plain(raw).is_none() {
        let cuts = |byte: &u8| {
            matches!(byte, b'@' | b',' | b'/' | b'\\' | b'?' | b'#' | b' ' | b'\t' | b':')
        };
        hosts.extend(raw.split(cuts).map(|piece| String::from_utf8_lossy(piece).into_owned()));
        // An IPv6 literal, whatever zone it names.
        let literal = raw
            .split(|byte| *byte == b'[')
            .nth(1)
            .and_then(|rest| rest.split(|byte| b"]%".contains(byte)).next());
        hosts.extend(literal.map(|literal| format!("[{}]", String::from_utf8_lossy(literal))));
    }
    hosts
        .iter()
        .filter_map(|host| plain(host.trim_end_matches('.').as_bytes()))
        .map(|plain| plain.host)
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
