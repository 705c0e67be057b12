//! Whether two short texts are the same. Nearly all that a decision compares are: `memcmp` would be
//! another function, whose lines have to come into the cache, and take them byte by byte in the
//! filter.

/// Whether the two are equal.
#[inline]
pub(crate) fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && same_bytes(left, right)
}

/// Told in words, the last one of which may overlap the one before. One function in the filter,
/// whose cost is its lines of code.
#[cfg_attr(target_family = "wasm", inline(never))]
#[cfg_attr(not(target_family = "wasm"), inline)]
fn same_bytes(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    if let (Some(left_end), Some(right_end)) = (left.last_chunk::<8>(), right.last_chunk::<8>()) {
        let (left, right) = (left.as_chunks::<8>().0, right.as_chunks::<8>().0);
        return left
            .iter()
            .zip(right)
            .all(|(left, right)| u64::from_le_bytes(*left) == u64::from_le_bytes(*right))
            && u64::from_le_bytes(*left_end) == u64::from_le_bytes(*right_end);
    }
    if let (Some(left_end), Some(right_end)) = (left.last_chunk::<4>(), right.last_chunk::<4>()) {
        let (left, right) = (left.first_chunk::<4>(), right.first_chunk::<4>());
        return left.map(|left| u32::from_le_bytes(*left))
            == right.map(|right| u32::from_le_bytes(*right))
            && u32::from_le_bytes(*left_end) == u32::from_le_bytes(*right_end);
    }
    left.iter().zip(right).all(|(left, right)| left == right)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_byte_makes_a_difference_wherever_it_stands() {
        for len in 0..40 {
            let text = vec![b'a'; len];
            assert!(same(&text, &text.clone()), "{len}");
            assert!(!same(&text, &vec![b'a'; len + 1]), "{len}");
            for at in 0..len {
                let mut other = text.clone();
                other[at] = b'b';
                assert!(!same(&text, &other), "{len} {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn same_is_what_equal_is(left in proptest::collection::vec(0u8..3, 0..20), right in proptest::collection::vec(0u8..3, 0..20)) {
            prop_assert_eq!(same(&left, &right), left == right);
        }
    }
}
