//! Addresses and ports as text, without the standard library's formatting, which would be a
//! twentieth of the filter.

use arrayvec::ArrayString;
use core::net::{Ipv4Addr, Ipv6Addr};

/// A number in decimal.
pub(crate) fn decimal(number: u16) -> ArrayString<5> {
    let mut text = ArrayString::new();
    let mut begun = false;
    for place in [10_000_u16, 1_000, 100, 10, 1] {
        let digit = number.checked_div(place).unwrap_or(0) % 10;
        begun |= digit != 0 || place == 1;
        if let Some(letter) = char::from_digit(digit.into(), 10).filter(|_| begun) {
            let _ = text.try_push(letter);
        }
    }
    text
}

/// `10.0.0.1`
pub(crate) fn ipv4(address: Ipv4Addr) -> ArrayString<15> {
    let mut text = ArrayString::new();
    for (place, number) in address.octets().into_iter().enumerate() {
        let _ = text.try_push_str(if place == 0 { "" } else { "." });
        let _ = text.try_push_str(&decimal(number.into()));
    }
    text
}

/// `2001:db8::1` (RFC 5952 §4): lower case, no leading zeros, `::` for the first of the longest
/// runs of zeros, and a mapped IPv4 address in its own form.
pub(crate) fn ipv6(address: Ipv6Addr) -> ArrayString<45> {
    let mut text = ArrayString::new();
    if let Some(mapped) = address.to_ipv4_mapped() {
        let _ = text.try_push_str("::ffff:");
        let _ = text.try_push_str(&ipv4(mapped));
        return text;
    }
    let groups = address.segments();
    let zeros = longest_zeros(&groups);
    for (place, group) in groups.into_iter().enumerate() {
        match zeros {
            Some((start, _)) if place == start => text.push_str("::"),
            Some((start, end)) if (start..end).contains(&place) => {}
            _ => {
                if !text.is_empty() && !text.ends_with(':') {
                    let _ = text.try_push(':');
                }
                push_hexadecimal(&mut text, group);
            }
        }
    }
    text
}

/// Where the first of the longest runs of zeros begins and ends, if it is of two groups or more.
fn longest_zeros(groups: &[u16; 8]) -> Option<(usize, usize)> {
    let mut longest = (0, 0);
    for start in 0..8_usize {
        let length = groups.iter().skip(start).take_while(|group| **group == 0).count();
        if length > longest.1 {
            longest = (start, length);
        }
    }
    let (start, length) = longest;
    (length >= 2).then_some((start, start.saturating_add(length)))
}

fn push_hexadecimal(text: &mut ArrayString<45>, group: u16) {
    let mut begun = false;
    for place in [12, 8, 4, 0] {
        let digit = u32::from(group) >> place & 0xf;
        begun |= digit != 0 || place == 0;
        if let Some(letter) = char::from_digit(digit, 16).filter(|_| begun) {
            let _ = text.try_push(letter);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_address_is_written_as_the_standard_library_writes_it(
            groups in prop::array::uniform8(prop_oneof![Just(0_u16), Just(1), any::<u16>()]),
            bits: u32,
            number: u16,
        ) {
            let address = Ipv6Addr::from(groups);
            prop_assert_eq!(ipv6(address).to_string(), address.to_string());
            let address = Ipv4Addr::from_bits(bits);
            prop_assert_eq!(ipv4(address).to_string(), address.to_string());
            let mapped = address.to_ipv6_mapped();
            prop_assert_eq!(ipv6(mapped).to_string(), mapped.to_string());
            prop_assert_eq!(decimal(number).to_string(), number.to_string());
        }
    }

    #[test]
    fn the_longest_address_has_room() {
        assert_eq!(ipv6(Ipv6Addr::from([0xffff; 8])).len(), 39);
        assert_eq!(
            (ipv6(Ipv6Addr::UNSPECIFIED).as_str(), ipv6(Ipv6Addr::LOCALHOST).as_str()),
            ("::", "::1")
        );
    }
}
