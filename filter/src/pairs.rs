//! The headers of a request as the host serialises them: one block of bytes, walked in place. The
//! layout is that of `proxy_get_header_map_pairs`: a count; the lengths of each name and value;
//! then each name and value, each closed by a zero byte. All numbers are 32 bits, little endian.

/// A block of header pairs. If its lengths do not fit the block, the pairs end there.
#[derive(Clone, Copy)]
pub(crate) struct Pairs<'a> {
    lengths: &'a [u8],
    data: &'a [u8],
}

impl<'a> Pairs<'a> {
    /// Reads the head of a block; nothing if the block is shorter than that.
    pub fn new(block: &'a [u8]) -> Option<Self> {
        if block.is_empty() {
            return Some(Self { lengths: &[], data: &[] });
        }
        let (count, rest) = split_u32(block)?;
        let (lengths, data) = rest.split_at_checked(count.checked_mul(8)?)?;
        Some(Self { lengths, data })
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (both, lengths) = self.lengths.split_first_chunk::<8>()?;
        let both = u64::from_le_bytes(*both);
        let (name, value) = (both as u32, (both >> 32) as u32);
        // Name and value each end in a zero byte. In 64 bits the sum cannot overflow.
        let len =
            usize::try_from(u64::from(name).wrapping_add(u64::from(value)).wrapping_add(2)).ok()?;
        let (pair, data) = self.data.split_at_checked(len)?;
        let (name, rest) = pair.split_at_checked(name as usize)?;
        let value = rest.get(1..)?.get(..value as usize)?;
        (self.lengths, self.data) = (lengths, data);
        Some((name, value))
    }
}

fn split_u32(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*number) as usize, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
        let number = |n: usize| u32::try_from(n).expect("short").to_le_bytes();
        let mut block = number(pairs.len()).to_vec();
        for (name, value) in pairs {
            block.extend(number(name.len()));
            block.extend(number(value.len()));
        }
        for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
            block.extend_from_slice(text);
            block.push(0);
        }
        block
    }

    #[test]
    fn pairs_come_out_as_they_went_in() {
        let pairs: &[(&[u8], &[u8])] =
            &[(b":path", b"/"), (b"empty", b""), (b"odd", b"\xff\0\xfe"), (b"env", b"env1")];
        let block = block(pairs);
        assert_eq!(Pairs::new(&block).expect("whole").collect::<Vec<_>>(), pairs);
    }

    #[test]
    fn no_headers_are_no_pairs() {
        assert_eq!(Pairs::new(&[]).expect("empty").count(), 0);
        assert_eq!(Pairs::new(&block(&[])).expect("empty").count(), 0);
    }

    #[test]
    fn a_block_that_contradicts_itself_ends_there() {
        let whole = block(&[(b"a", b"b"), (b"c", b"d")]);
        for len in 0..whole.len() {
            let cut = whole.get(..len).expect("within");
            assert!(Pairs::new(cut).is_none_or(|pairs| pairs.count() < 2), "{len}");
        }
        assert!(Pairs::new(&[0xff, 0xff, 0xff, 0xff, 0]).is_none());
        assert!(Pairs::new(&[1, 0, 0]).is_none());
        let mut wild = whole;
        wild.splice(4..8, [0xff; 4]);
        assert_eq!(Pairs::new(&wild).expect("long enough").count(), 0);
    }
}
