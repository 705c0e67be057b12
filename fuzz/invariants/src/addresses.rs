//! The addresses that a host may mean, in every family, and CIDR blocks of them. An IPv4 address is
//! compared in all its spellings as IPv6, so that a block needs no rule of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// The block that an entry of a policy is, or nothing if it is a pattern of names.
#[must_use]
pub fn block(entry: &str) -> Option<IpNet> {
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    entry.parse().ok().or_else(|| bare.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Every address that a host in canonical form may mean, in every spelling.
#[must_use]
pub fn of(host: &str) -> Vec<IpAddr> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let Ok(address) = bare.parse::<IpAddr>() else { return Vec::new() };
    let IpAddr::V6(v6) = address else { return spellings(bare.parse().ok(), address) };
    let [.., a, b, c, d] = v6.octets();
    let v4 = Ipv4Addr::new(a, b, c, d);
    let embeds = as_ipv6(v4).contains(&v6);
    spellings(embeds.then_some(v4), address)
}

fn spellings(v4: Option<Ipv4Addr>, address: IpAddr) -> Vec<IpAddr> {
    let mut all = vec![address];
    if let Some(v4) = v4 {
        all.push(v4.into());
        all.extend(as_ipv6(v4).into_iter().map(IpAddr::from));
    }
    all
}

/// The IPv6 addresses that hold an IPv4 address. `::` and `::1` are not among them.
fn as_ipv6(v4: Ipv4Addr) -> Vec<Ipv6Addr> {
    ["::ffff:", "64:ff9b::", "::"]
        .iter()
        .filter(|prefix| **prefix != "::" || v4.to_bits() > 1)
        .map(|prefix| format!("{prefix}{v4}").parse().expect("an address"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_contains_a_host_in_every_spelling() {
        let contains = |entry: &str, host: &str| {
            let block = block(entry).expect("a block");
            of(host).iter().any(|address| block.contains(address))
        };
        for host in ["10.1.2.3", "[::ffff:10.1.2.3]", "[::10.1.2.3]", "[64:ff9b::10.1.2.3]"] {
            for entry in ["10.0.0.0/8", "::ffff:10.0.0.0/104", "64:ff9b::/32", "::/0"] {
                assert!(contains(entry, host), "{entry} {host}");
            }
            assert!(!contains("11.0.0.0/8", host) && !contains("fc00::/7", host), "{host}");
        }
        assert!(contains("[::1]", "[::1]") && !contains("::1", "0.0.0.1"));
        assert!(block("*.svc").is_none() && of("a.svc").is_empty());
    }
}
