//! CIDR blocks (RFC 4632): which addresses a health check comes from. An address is compared as one
//! number.

use alloc::borrow::ToOwned;
use core::net::IpAddr;

use crate::fault::FaultKind;

/// All addresses that begin with the same bits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    address: IpAddr,
    /// How many bits.
    length: u8,
}

impl Block {
    /// `10.0.0.0/8`, or a bare address, which is a block of its own. Bits behind the length may be
    /// set.
    pub fn parse(text: &str) -> Result<Self, FaultKind> {
        Self::of(text).ok_or_else(|| FaultKind::Cidr(text.to_owned()))
    }

    fn of(text: &str) -> Option<Self> {
        let (address, length) =
            text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => width,
            // A sign or leading zeros are no CIDR (RFC 4632 §3.1).
            Some(length) if length.starts_with(['+', '0']) && length != "0" => return None,
            Some(length) => length.parse().ok().filter(|length| *length <= width)?,
        };
        Some(Self { address, length })
    }

    /// Whether an address is one of these. An IPv4 address in IPv6's clothes is an IPv4 address.
    #[inline]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let different = number(self.address) ^ number(address);
        let rest = 128_u32.saturating_sub(self.length.into());
        address.is_ipv4() == self.address.is_ipv4() && different.checked_shr(rest).unwrap_or(0) == 0
    }
}

/// The address, with its first bit as the highest one.
#[inline]
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()).rotate_right(32),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, Ipv6Addr};

    use ipnet::IpNet;
    use proptest::prelude::*;

    use super::*;

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
            assert_eq!(Block::parse(text).expect_err(text), FaultKind::Cidr(text.into()));
        }
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_an_ipv4_address() {
        let block = Block::parse("10.0.0.0/8").expect("valid");
        assert!(block.contains("::ffff:10.1.2.3".parse().expect("valid")));
        assert!(!block.contains("a00::".parse().expect("valid")));
        assert!(!Block::parse("::/0").expect("valid").contains(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }

    fn address() -> impl Strategy<Value = IpAddr> {
        let four = any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
        prop_oneof![four, any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)))]
    }

    proptest! {
        #[test]
        fn a_block_holds_the_addresses_that_ipnet_says(block in address(), length in 0..=128_u8, flipped in 0..128_u32, other in address()) {
            let length = if block.is_ipv4() { length.min(32) } else { length };
            let ours = Block::parse(&format!("{block}/{length}")).expect("valid");
            let theirs = IpNet::new(block, length).expect("valid");
            let near = match block {
                IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() ^ 1 << (flipped % 32))),
                IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() ^ 1 << flipped)),
            };
            for address in [block, near, other] {
                prop_assert_eq!(ours.contains(address), theirs.contains(&address.to_canonical()), "{} in {}", address, theirs);
            }
        }
    }
}
