//! Where an HTTP/1.1 request's body ends, followed in the bytes that pass. Only bodies are followed
//! whose framing is clear: one length, or chunks (RFC 9112 §6, §7.1).

/// What is left of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    /// This many bytes.
    Length(u64),
    Chunked(Chunks),
}

/// The place in a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunks {
    /// In the digits of a size.
    Size(u64),
    /// Behind a size, in its extension, up to the line's end.
    Extension(u64),
    /// In the data: this many bytes, and the line end behind them.
    Data(u64),
    /// In the trailers; whether the line is empty so far.
    Trailers { line_is_empty: bool },
}

/// The bytes can be no chunks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoChunks;

impl BodyEnd {
    /// A chunked body from its beginning.
    pub(crate) const CHUNKED: Self = Self::Chunked(Chunks::Size(0));

    pub(crate) fn is_over(self) -> bool {
        self == Self::Length(0)
    }

    /// Takes the bytes of the body from the front of these, and says how many they are.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<usize, NoChunks> {
        match self {
            Self::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= taken as u64;
                Ok(taken)
            }
            Self::Chunked(chunks) => {
                let mut at = 0;
                while let Some(&byte) = bytes.get(at) {
                    if let Chunks::Data(left) = chunks {
                        let rest = bytes.len() - at;
                        let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(rest);
                        *left -= taken as u64;
                        at += taken;
                        if *left == 0 {
                            *chunks = Chunks::Size(0);
                        }
                        continue;
                    }
                    at += 1;
                    match chunks.next(byte)? {
                        Some(next) => *chunks = next,
                        None => {
                            *self = Self::Length(0);
                            return Ok(at);
                        }
                    }
                }
                Ok(at)
            }
        }
    }
}

impl Chunks {
    /// The place behind a byte that is no data; `None` behind the last one. hyper judges the
    /// syntax; what counts here is that both see the same end, so what is doubtful is refused.
    fn next(self, byte: u8) -> Result<Option<Self>, NoChunks> {
        Ok(Some(match (self, byte) {
            (Self::Size(size), _) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                let size = size.checked_mul(16).and_then(|size| size.checked_add(digit));
                Self::Size(size.ok_or(NoChunks)?)
            }
            (Self::Size(0) | Self::Extension(0), b'\n') => Self::Trailers { line_is_empty: true },
            // The data ends with a line end.
            (Self::Size(size) | Self::Extension(size), b'\n') => {
                Self::Data(size.checked_add(2).ok_or(NoChunks)?)
            }
            (Self::Size(size), b'\r' | b';' | b' ' | b'\t') | (Self::Extension(size), _) => {
                Self::Extension(size)
            }
            (Self::Size(_), _) => return Err(NoChunks),
            (Self::Trailers { line_is_empty: true }, b'\n') => return Ok(None),
            (Self::Trailers { .. }, b'\n') => Self::Trailers { line_is_empty: true },
            (Self::Trailers { line_is_empty }, b'\r') => Self::Trailers { line_is_empty },
            (Self::Trailers { .. }, _) => Self::Trailers { line_is_empty: false },
            (Self::Data(left), _) => Self::Data(left),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long the body is, when its bytes come in parts of this size.
    fn length(mut body: BodyEnd, bytes: &[u8], part: usize) -> Result<Option<usize>, NoChunks> {
        let mut taken = 0;
        for part in bytes.chunks(part) {
            taken += body.take(part)?;
            if body.is_over() {
                return Ok(Some(taken));
            }
        }
        Ok(None)
    }

    #[test]
    fn a_body_ends_where_its_framing_says_however_its_bytes_come() {
        let next = "GET / HTTP/1.1";
        for (body, bytes) in [
            (BodyEnd::Length(5), "hello"),
            (BodyEnd::CHUNKED, "0\r\n\r\n"),
            (BodyEnd::CHUNKED, "5\r\nhello\r\n0\r\n\r\n"),
            (BodyEnd::CHUNKED, "a;x=\"0\"\r\n0\r\n\r\n0\r\n\r\n\r\n00\r\nx: 0\r\ny: 1\r\n\r\n"),
        ] {
            for part in [1, 2, 3, 100] {
                let bytes = [bytes, next].concat();
                assert_eq!(
                    length(body, bytes.as_bytes(), part),
                    Ok(Some(bytes.len() - next.len())),
                    "{bytes:?} by {part}"
                );
            }
        }
    }

    #[test]
    fn a_body_that_is_not_whole_has_no_end() {
        for bytes in ["", "5", "5\r\nhello", "5\r\nhello\r\n0\r\n", "0\r\nx: 1\r\n"] {
            assert_eq!(length(BodyEnd::CHUNKED, bytes.as_bytes(), 2), Ok(None), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_chunk_is_an_error() {
        for bytes in ["x\r\n", "-1\r\n", "11111111111111111\r\n", "ffffffffffffffff\r\n"] {
            assert_eq!(length(BodyEnd::CHUNKED, bytes.as_bytes(), 1), Err(NoChunks), "{bytes:?}");
        }
    }
}
