//! IP addresses in the one form in which they are compared, and CIDR blocks of them (RFC 4632). An
//! IPv4 address that is written inside an IPv6 address reaches the same machine, so it is compared
//! as the IPv4 address. The text that goes upstream keeps its form.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ascii::text;
use super::ipv4::ipv4_readings;
use crate::errors::PolicyErrorKind;

/// The prefixes behind which an IPv6 address holds an IPv4 address in its last 32 bits, as the
/// first 96 bits of an address.
const EMBEDDINGS: [u128; 3] = [
    // IPv4-mapped (RFC 4291 §2.5.5.2): a socket for both families connects to the IPv4 address.
    Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0).to_bits() >> 32,
    // IPv4-compatible (RFC 4291 §2.5.5.1). It is deprecated, and some systems still serve it.
    0,
    // NAT64 (RFC 6052 §2.1): a gateway of a network without IPv4 translates it.
    Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0).to_bits() >> 32,
];

/// The last of the addresses that look like IPv4-compatible ones and are not: the unspecified
/// address and the loopback address.
const LOOPBACK: u128 = Ipv6Addr::LOCALHOST.to_bits();

/// The form of an address in which it is compared.
pub(crate) fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if v6.to_bits() > LOOPBACK && is_embedded(v6.to_bits()) => {
            let [.., a, b, c, d] = v6.octets();
            IpAddr::from([a, b, c, d])
        }
        _ => address,
    }
}

fn is_embedded(v6: u128) -> bool {
    EMBEDDINGS.contains(&(v6 >> 32))
}

/// The addresses as which a host in canonical form may be read, each in the form in which it is
/// compared.
pub(crate) fn addresses_of(host: &[u8]) -> impl Iterator<Item = IpAddr> {
    let host = text(host);
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let v6 = literal.and_then(|literal| literal.parse::<Ipv6Addr>().ok()).map(IpAddr::V6);
    v6.into_iter().chain(ipv4_readings(host).map(IpAddr::V4)).map(canonical)
}

/// A CIDR block: all addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    /// The block's IPv4 addresses, with as many of their bits as count. An IPv6 block has some
    /// where it lies behind the prefix of an embedding, or contains such a prefix.
    v4: Option<(u32, u8)>,
    v6: Option<(u128, u8)>,
}

impl Block {
    /// Reads a block such as `10.0.0.0/8`, or a bare address, which is a block of one. Bits behind
    /// the prefix may be set.
    pub fn parse(text: &str) -> Result<Self, PolicyErrorKind> {
        Self::read(text).ok_or_else(|| PolicyErrorKind::Cidr(text.to_owned()))
    }

    fn read(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most: u8 = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => most,
            // A prefix length has no sign and no leading zeros (RFC 4632 §3.1).
            Some(length) if length.starts_with(['+', '0']) && length != "0" => return None,
            Some(length) => length.parse().ok().filter(|length| *length <= most)?,
        };
        Some(match address {
            IpAddr::V4(v4) => {
                Self { v4: Some((first_bits(v4.to_bits(), length), length)), v6: None }
            }
            IpAddr::V6(v6) => Self::of_v6(first_bits_v6(v6.to_bits(), length), length),
        })
    }

    fn of_v6(network: u128, length: u8) -> Self {
        let v6 = Some((network, length));
        #[expect(clippy::cast_possible_truncation, reason = "the last 32 bits are the address")]
        let embedded = network as u32;
        // The unspecified and the loopback address are no IPv4 addresses.
        let holds_own = network <= LOOPBACK;
        let is_own = holds_own && length >= 127;
        match length.checked_sub(96) {
            Some(length) if is_embedded(network) && !is_own => {
                Self { v4: Some((embedded, length)), v6: v6.filter(|_| holds_own) }
            }
            Some(_) => Self { v4: None, v6 },
            None => {
                let contains = |prefix: &u128| first_bits_v6(prefix << 32, length) == network;
                let holds_all = EMBEDDINGS.iter().any(contains);
                Self { v4: holds_all.then_some((0, 0)), v6 }
            }
        }
    }

    /// Whether the block contains an address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match canonical(address) {
            IpAddr::V4(address) => self
                .v4
                .is_some_and(|(network, length)| first_bits(address.to_bits(), length) == network),
            IpAddr::V6(address) => self.v6.is_some_and(|(network, length)| {
                first_bits_v6(address.to_bits(), length) == network
            }),
        }
    }
}

/// The first bits of an IPv4 address, and zeros behind them.
fn first_bits(address: u32, length: u8) -> u32 {
    let rest = u32::MAX.checked_shr(length.into()).unwrap_or(0);
    address & !rest
}

/// The first bits of an IPv6 address, and zeros behind them.
fn first_bits_v6(address: u128, length: u8) -> u128 {
    let rest = u128::MAX.checked_shr(length.into()).unwrap_or(0);
    address & !rest
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { v6: Some((network, length)), .. } => {
                write!(f, "{}/{length}", Ipv6Addr::from_bits(*network))
            }
            Self { v4: Some((network, length)), .. } => {
                write!(f, "{}/{length}", Ipv4Addr::from_bits(*network))
            }
            Self { v4: None, v6: None } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        assert!(!contains("10.0.0.0/8", "a00::"));
    }

    #[test]
    fn an_ipv4_address_inside_an_ipv6_address_is_the_ipv4_address() {
        for address in ["::ffff:10.1.2.3", "::10.1.2.3", "64:ff9b::10.1.2.3", "64:ff9b::a01:203"] {
            assert!(contains("10.0.0.0/8", address), "{address}");
            assert!(!contains("11.0.0.0/8", address), "{address}");
            assert!(!contains("64:ff9b::/128", address), "{address}");
        }
        for address in ["64:ff9b:0:0:0:1:a01:203", "2002:a01:203::", "::1:0:a01:203"] {
            assert!(!contains("10.0.0.0/8", address), "{address}");
        }
    }

    #[test]
    fn an_ipv6_block_inside_an_embedding_is_its_ipv4_block() {
        for block in ["::ffff:10.0.0.0/104", "::10.0.0.0/104", "64:ff9b::10.0.0.0/104"] {
            assert!(contains(block, "10.1.2.3") && contains(block, "::ffff:10.1.2.3"), "{block}");
            assert!(!contains(block, "11.0.0.0") && !contains(block, "::1"), "{block}");
            assert_eq!(Block::parse(block).expect("valid").to_string(), "10.0.0.0/8");
        }
        assert!(contains("::ffff:10.1.2.3", "10.1.2.3") && contains("::ffff:0:0/96", "8.8.8.8"));
    }

    #[test]
    fn an_ipv6_block_around_an_embedding_holds_all_ipv4_addresses() {
        for block in ["::/0", "::/64", "::/95", "::ffff:0:0/95", "64:ff9b::/32", "::/96"] {
            assert!(contains(block, "127.0.0.1"), "{block}");
        }
        assert!(contains("::/0", "2001:db8::1") && !contains("2000::/3", "127.0.0.1"));
    }

    #[test]
    fn the_unspecified_and_the_loopback_address_are_ipv6() {
        assert!(contains("::1", "::1") && !contains("::1", "0.0.0.1"));
        assert!(!contains("0.0.0.0/8", "::1") && !contains("0.0.0.0/0", "::"));
        assert!(contains("::/96", "::1") && contains("::/120", "::1"));
        assert!(contains("::/120", "0.0.0.2"));
    }

    #[test]
    fn a_host_is_read_as_every_address_that_it_may_mean() {
        let addresses = |host: &str| -> Vec<String> {
            addresses_of(host.as_bytes()).map(|address| address.to_string()).collect()
        };
        assert_eq!(addresses("127.0.0.1"), ["127.0.0.1"]);
        assert_eq!(addresses("[::ffff:127.0.0.1]"), ["127.0.0.1"]);
        assert_eq!(addresses("[64:ff9b::7f00:1]"), ["127.0.0.1"]);
        assert_eq!(addresses("[::1]"), ["::1"]);
        assert_eq!(addresses("0127.0.0.1"), ["87.0.0.1", "127.0.0.1"]);
        assert_eq!(addresses("a.example"), [""; 0]);
    }

    proptest! {
        #[test]
        fn an_ipv4_block_and_its_embedded_spellings_hold_the_same_addresses(
            bits: u32,
            length in 0_u8..=32,
            address: u32,
            embedding in 0_usize..3,
            other in 0_usize..3,
        ) {
            let embed = |bits: u32, prefix: usize| {
                Ipv6Addr::from_bits(EMBEDDINGS[prefix] << 32 | u128::from(bits))
            };
            let v4 = Block::parse(&format!("{}/{length}", std::net::Ipv4Addr::from_bits(bits)));
            let v6 = Block::parse(&format!("{}/{}", embed(bits, embedding), length + 96));
            let (v4, v6) = (v4.expect("valid"), v6.expect("valid"));
            for address in [address, address & 0xff | bits & !0xff, 0x7f00_0001] {
                let plain = IpAddr::V4(address.into());
                let spelt = IpAddr::V6(embed(address, other));
                if canonical(spelt) == plain && embed(bits, embedding).to_bits() > LOOPBACK {
                    prop_assert_eq!(v4.contains(plain), v6.contains(spelt));
                    prop_assert_eq!(v4.contains(spelt), v6.contains(plain));
                }
            }
        }
    }
}
