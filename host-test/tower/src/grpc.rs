//! gRPC over HTTP/2 in bytes: the framing of messages, the timeout's header, and the encoding of a
//! status message (the protocol's specification, PROTOCOL-HTTP2).

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};

/// A message with gRPC's five bytes before it: not compressed, and its length.
pub(crate) fn frame(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0][..], &length.to_be_bytes(), message].concat().into()
}

/// In milliseconds, or in seconds where those have more than gRPC's eight digits.
pub(crate) fn timeout(timeout: Duration) -> String {
    match timeout.as_millis() {
        millis @ 0..=99_999_999 => format!("{millis}m"),
        _ => format!("{}S", timeout.as_secs().min(99_999_999)),
    }
}

/// What came is no gRPC message, or one that is too long.
pub(crate) struct Malformed;

/// Takes the first message out of what has come, when it is complete.
pub(crate) fn take_message(
    received: &mut BytesMut,
    max_bytes: usize,
) -> Result<Option<Bytes>, Malformed> {
    let Some((&[compressed, a, b, c, d], rest)) = received.split_first_chunk::<5>() else {
        return Ok(None);
    };
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    // The request allows no compression.
    if compressed != 0 || length > max_bytes {
        return Err(Malformed);
    }
    if rest.len() < length {
        return Ok(None);
    }
    received.advance(5);
    Ok(Some(received.split_to(length).freeze()))
}

/// A `grpc-message` decoded. What is no valid encoding stays as it is.
pub(crate) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        match (digit(at + 1), digit(at + 2)) {
            (Some(high), Some(low)) if *byte == b'%' => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_out_of_what_comes() {
        let mut received = BytesMut::new();
        let mut more = |bytes: &[u8], most| {
            received.extend_from_slice(bytes);
            take_message(&mut received, most).map_err(|Malformed| "malformed")
        };
        assert_eq!(more(&[0, 0, 0], 10), Ok(None));
        assert_eq!(more(&[0, 3, b'o'], 10), Ok(None));
        assert_eq!(more(b"ne\0\0\0\0\0\0", 10), Ok(Some("one".into())));
        assert_eq!(more(b"", 10), Ok(Some(Bytes::new())));
        assert_eq!(more(b"\0\0\0\x0b", 10), Err("malformed"));
        assert_eq!(take_message(&mut frame(b"two").into(), 3).ok().flatten(), Some("two".into()));
        assert!(take_message(&mut BytesMut::from(&[1, 0, 0, 0, 0][..]), 3).is_err());
    }

    #[test]
    fn a_grpc_message_is_decoded() {
        for (text, meant) in [
            ("no way", "no way"),
            ("100%25%0Aoff", "100%\noff"),
            ("%zz %4", "%zz %4"),
            ("%c3%A9", "é"),
        ] {
            assert_eq!(percent_decoded(text), meant);
        }
    }
}
