//! The byte form of header pairs in the ABI: a count, the lengths of each name and value, then
//! names and values, each followed by a zero byte. Integers are little-endian. Decoding is as
//! strict as Envoy's and checks every length.

use crate::headers::Headers;

/// Envoy's limits on the pairs that a guest passes.
const MAX_BYTES: usize = 1 << 20;
const MAX_PAIRS: usize = 1024;

/// The number of bytes that [`encode`] writes.
pub(crate) fn encoded_len(headers: &Headers) -> usize {
    4 + headers.len() * 10 + headers.byte_size()
}

/// Writes the map into a buffer of exactly [`encoded_len`] bytes; none if the buffer has another
/// size.
pub(crate) fn encode(headers: &Headers, out: &mut [u8]) -> Option<()> {
    if out.len() != encoded_len(headers) {
        return None;
    }
    let (count, rest) = out.split_at_mut_checked(4)?;
    count.copy_from_slice(&u32::try_from(headers.len()).ok()?.to_le_bytes());
    let (lengths, mut data) = rest.split_at_mut_checked(headers.len() * 8)?;
    for ((name, value), lengths) in headers.lengths().zip(lengths.chunks_exact_mut(8)) {
        let (name_len, value_len) = lengths.split_at_mut_checked(4)?;
        name_len.copy_from_slice(&name.to_le_bytes());
        value_len.copy_from_slice(&value.to_le_bytes());
    }
    for piece in headers.pieces() {
        let (here, after) = data.split_at_mut_checked(piece.len())?;
        here.copy_from_slice(piece);
        data = after;
    }
    Some(())
}

/// The byte form of a list of pairs.
pub(crate) fn encode_list(pairs: &[(&[u8], Vec<u8>)]) -> Vec<u8> {
    let word = |len: usize| u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
    let mut out = word(pairs.len()).to_vec();
    for (name, value) in pairs {
        out.extend(word(name.len()));
        out.extend(word(value.len()));
    }
    for (name, value) in pairs {
        for bytes in [name, value.as_slice()] {
            out.extend_from_slice(bytes);
            out.push(0);
        }
    }
    out
}

/// Reads pairs; none unless the bytes are exactly one well-formed list. Envoy then uses an empty
/// list.
pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    if bytes.len() > MAX_BYTES {
        return None;
    }
    // A guest gets no bytes for an empty map, and may give that back.
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let (count, rest) = bytes.split_first_chunk::<4>()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    if count > MAX_PAIRS {
        return None;
    }
    let (lengths, mut data) = rest.split_at_checked(count * 8)?;
    let mut pairs = Vec::with_capacity(count);
    for lengths in lengths.chunks_exact(8) {
        let (name_len, value_len) = lengths.split_at_checked(4)?;
        let name = take(&mut data, name_len)?;
        let value = take(&mut data, value_len)?;
        pairs.push((name, value));
    }
    data.is_empty().then_some(pairs)
}

fn take<'a>(data: &mut &'a [u8], len: &[u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(u32::from_le_bytes(len.try_into().ok()?)).ok()?;
    let (part, rest) = data.split_at_checked(len)?;
    let (zero, rest) = rest.split_first()?;
    *data = rest;
    (*zero == 0).then_some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes_to_the_same_pairs() {
        let headers = Headers::request([(":path", "/"), ("empty", ""), ("a", "b")]);
        let mut bytes = vec![1; encoded_len(&headers)];
        encode(&headers, &mut bytes).unwrap();
        let pairs = decode(&bytes).unwrap();
        assert_eq!(pairs, [(&b":path"[..], &b"/"[..]), (b"empty", b""), (b"a", b"b")]);
    }

    #[test]
    fn malformed_pairs_are_refused_whole() {
        let good =
            [&1u32.to_le_bytes()[..], &1u32.to_le_bytes(), &1u32.to_le_bytes(), b"a\0b\0"].concat();
        assert!(decode(&good).is_some());
        assert_eq!(decode(b""), Some(Vec::new()));
        for cut in 1..good.len() {
            assert!(decode(&good[..cut]).is_none(), "cut at {cut}");
        }
        assert!(decode(&[&good[..], b"x"].concat()).is_none());
        assert!(decode(&u32::MAX.to_le_bytes()).is_none());
        let too_long =
            [&1u32.to_le_bytes()[..], &u32::MAX.to_le_bytes(), &1u32.to_le_bytes(), b"a\0b\0"]
                .concat();
        assert!(decode(&too_long).is_none());
        let mut unterminated = good.clone();
        unterminated[13] = b'!';
        assert!(decode(&unterminated).is_none());
    }

    #[test]
    fn a_buffer_of_the_wrong_size_is_left_alone() {
        assert!(encode(&Headers::request([("a", "b")]), &mut [0; 3]).is_none());
    }
}
