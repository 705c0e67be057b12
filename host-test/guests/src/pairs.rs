//! The byte form of header maps in the ABI: the count, all lengths, then names and values, each
//! followed by a zero byte.

/// Writes pairs in the ABI's form.
#[must_use]
pub fn serialize<K: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(K, V)]) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut serialized = u32::try_from(pairs.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    for (key, value) in pairs {
        serialized.extend(length(key.as_ref()));
        serialized.extend(length(value.as_ref()));
    }
    for (key, value) in pairs {
        for bytes in [key.as_ref(), value.as_ref()] {
            serialized.extend_from_slice(bytes);
            serialized.push(0);
        }
    }
    serialized
}

/// Reads pairs in the ABI's form, up to the first that is incomplete.
#[must_use]
pub fn deserialize(bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let word = |at: usize| {
        let word: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(word)).ok()
    };
    let count = word(0).unwrap_or(0);
    let mut at = 4 + 8 * count;
    let mut pairs = Vec::new();
    for index in 0..count {
        let (Some(key), Some(value)) = (word(4 + 8 * index), word(8 + 8 * index)) else { break };
        let (Some(name), Some(content)) =
            (bytes.get(at..at + key), bytes.get(at + key + 1..at + key + 1 + value))
        else {
            break;
        };
        pairs.push((name.to_vec(), content.to_vec()));
        at += key + value + 2;
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_back_as_they_were() {
        let pairs = [("a", "1"), ("", ""), ("a", "2\0")];
        let back = deserialize(&serialize(&pairs));
        assert_eq!(
            back,
            pairs.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        );
    }

    #[test]
    fn bytes_that_stop_early_give_the_pairs_that_are_whole() {
        let mut bytes = serialize(&[("a", "1"), ("b", "2")]);
        bytes.truncate(bytes.len() - 2);
        assert_eq!(deserialize(&bytes), [(b"a".to_vec(), b"1".to_vec())]);
    }
}
