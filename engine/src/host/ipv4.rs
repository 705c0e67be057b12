//! IPv4 addresses that are written as numbers. A name such as `127.1`, `0x7f.1` or `2130706433` is
//! an address to `inet_aton`, to most resolvers, and to the URLs of browsers (WHATWG URL §3.5): it
//! has up to four numbers, decimal, octal or hexadecimal, and the last one fills the remaining
//! bytes.

use std::net::Ipv4Addr;

/// The addresses as which other parsers may read a host in canonical form: at most two, because
/// some read a number that begins with 0 as octal and some as decimal.
pub(crate) fn ipv4_readings(host: &str) -> impl Iterator<Item = Ipv4Addr> {
    let octal = ipv4_of(host, 8);
    let decimal = ipv4_of(host, 10).filter(|decimal| Some(*decimal) != octal);
    octal.into_iter().chain(decimal)
}

/// The address that a host is when a number that begins with 0 has this radix.
fn ipv4_of(host: &str, after_zero: u32) -> Option<Ipv4Addr> {
    let mut labels = host.split('.');
    let last = number(labels.next_back()?, after_zero)?;
    let (mut address, mut bits_left) = (0_u32, 32_u32);
    for label in labels {
        bits_left = bits_left.checked_sub(8).filter(|left| *left > 0)?;
        let byte = u8::try_from(number(label, after_zero)?).ok()?;
        address |= u32::from(byte).checked_shl(bits_left)?;
    }
    let fits = u64::from(last).checked_shr(bits_left)? == 0;
    fits.then(|| Ipv4Addr::from_bits(address | last))
}

/// A number in decimal, in `after_zero` after a 0, or in hexadecimal after 0x; 0x alone is zero.
fn number(label: &str, after_zero: u32) -> Option<u32> {
    let (digits, radix) = match label.as_bytes() {
        [b'0', b'x', digits @ ..] => (digits, 16),
        [b'0', digits @ ..] => (digits, after_zero),
        [] => return None,
        digits => (digits, 10),
    };
    digits.iter().try_fold(0_u32, |number, digit| {
        number.checked_mul(radix)?.checked_add(char::from(*digit).to_digit(radix)?)
    })
}

#[cfg(test)]
mod tests {
    use super::ipv4_readings;

    fn readings(host: &str) -> Vec<String> {
        ipv4_readings(host).map(|address| address.to_string()).collect()
    }

    #[test]
    fn an_address_is_read_in_every_way_to_write_it() {
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "2130706433",
            "0177.1",
            "0x7f.1",
            "0x7f000001",
            "127.0.0.0x1",
            "00177.0x0.0.01",
        ] {
            assert_eq!(readings(host).first().map(String::as_str), Some("127.0.0.1"), "{host}");
        }
        assert_eq!(readings("127.0.0.0x"), ["127.0.0.0"]);
    }

    #[test]
    fn a_number_that_begins_with_0_is_octal_and_decimal() {
        assert_eq!(readings("0127.0.0.1"), ["87.0.0.1", "127.0.0.1"]);
        assert_eq!(readings("010.01"), ["8.0.0.1", "10.0.0.1"]);
        assert_eq!(readings("127.0.0.09"), ["127.0.0.9"]);
        assert_eq!(readings("127.0.0.01"), ["127.0.0.1"]);
    }

    #[test]
    fn what_is_no_number_is_a_name() {
        for host in [
            "",
            "a",
            "0.0.0.0.0",
            "256.1.1",
            "1.16777216",
            "4294967296",
            "0a",
            "0xg",
            "1.a",
            "a.1",
            "1..1",
            "1.-1",
            "[::1]",
        ] {
            assert_eq!(readings(host), [""; 0], "{host}");
        }
    }
}
