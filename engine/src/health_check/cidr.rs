//! CIDR blocks (RFC 4632): the source addresses of a health check.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::errors::PolicyErrorKind;

/// A CIDR block: all addresses that begin with the same bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block(IpNet);

impl Block {
    /// Reads a block such as `10.0.0.0/8`, or a bare address, which is a block of one. Bits behind
    /// the prefix may be set.
    pub fn parse(text: &str) -> Result<Self, PolicyErrorKind> {
        let block = match text.split_once('/') {
            None => text.parse::<IpAddr>().ok().map(IpNet::from),
            // A prefix length has no sign and no leading zeros (RFC 4632 §3.1).
            Some((_, length)) if length.starts_with(['+', '0']) && length != "0" => None,
            Some(_) => text.parse().ok(),
        };
        block.map(Self).ok_or_else(|| PolicyErrorKind::Cidr(text.to_owned()))
    }

    /// Whether the block contains an address. An IPv4 address that is mapped into IPv6 counts as
    /// the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(block: &str, address: &str) -> bool {
        Block::parse(block).expect(block).contains(address.parse().expect(address))
    }

    #[test]
    fn a_block_is_an_address_and_a_length() {
        for text in [
            "10.0.0.0/8",
            "10.1.2.3/8",
            "0.0.0.0/0",
            "::/0",
            "fc00::/7",
            "::1/128",
            "10.0.0.1",
            "2600:2d00:1:1::/64",
        ] {
            assert!(Block::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "10",
            "10.0.0.0/",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10.0.0.0/256",
            "/8",
            "a/8",
        ] {
            assert_eq!(Block::parse(text).expect_err(text), PolicyErrorKind::Cidr(text.into()));
        }
    }

    #[test]
    fn a_block_holds_the_addresses_that_begin_with_its_bits() {
        assert!(contains("10.1.2.3/8", "10.255.0.1"));
        assert!(!contains("10.1.2.3/8", "11.0.0.1"));
        assert!(contains("10.0.0.1", "10.0.0.1") && !contains("10.0.0.1", "10.0.0.2"));
        assert!(contains("2600:2d00:1:1::/64", "2600:2d00:1:1:ffff::"));
    }

    #[test]
    fn an_ipv4_mapped_address_is_an_ipv4_address() {
        assert!(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(!contains("10.0.0.0/8", "a00::"));
        assert!(!contains("::/0", "127.0.0.1"));
    }
}
