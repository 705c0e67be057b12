//! Reads along what an HTTP/2 upstream sends, for how many streams it allows: hyper keeps requests
//! beyond that number waiting, and does not say so in time to open another connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

/// A frame's length, type, flags and stream (RFC 9113 §4.1).
const HEADER: usize = 9;
const SETTINGS: u8 = 4;
/// A setting's identifier and value (RFC 9113 §6.5.1).
const SETTING: usize = 6;
const MAX_CONCURRENT_STREAMS: u16 = 3;

/// The connection to an upstream. It fails when the upstream's first frame is not `SETTINGS`: then
/// it does not speak HTTP/2 (RFC 9113 §3.4).
pub(crate) struct SettingsReader<I> {
    inner: I,
    /// How many streams the upstream allows; `None` until it said so.
    allows: watch::Sender<Option<usize>>,
    place: Place,
}

/// Where in the upstream's frames the next byte is.
enum Place {
    /// In a frame's header.
    Header(Vec<u8>),
    /// In settings, with this much left of them behind the part of one.
    Settings { left: usize, setting: Vec<u8> },
    /// In another frame.
    Other { left: usize },
}

/// The upstream does not speak HTTP/2.
struct NotHttp2;

impl<I> SettingsReader<I> {
    pub(crate) fn new(inner: I) -> (Self, watch::Receiver<Option<usize>>) {
        let (allows, allowed) = watch::channel(None);
        (Self { inner, allows, place: Place::Header(Vec::new()) }, allowed)
    }

    fn follow(&mut self, mut bytes: &[u8]) -> Result<(), NotHttp2> {
        while !bytes.is_empty() {
            match &mut self.place {
                Place::Header(header) => {
                    take(&mut bytes, header, HEADER);
                    let &[a, b, c, kind, ..] = &header[..] else { return Ok(()) };
                    if self.allows.borrow().is_none() && kind != SETTINGS {
                        return Err(NotHttp2);
                    }
                    if header.len() == HEADER {
                        let left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                        self.begin(kind, left);
                    }
                }
                Place::Settings { left, setting } => {
                    *left -= take(&mut bytes, setting, SETTING.min(setting.len() + *left));
                    if let &[high, low, a, b, c, d] = &setting[..] {
                        if u16::from_be_bytes([high, low]) == MAX_CONCURRENT_STREAMS {
                            let streams = u32::from_be_bytes([a, b, c, d]);
                            let streams = usize::try_from(streams).unwrap_or(usize::MAX);
                            self.allows.send_replace(Some(streams));
                        }
                        setting.clear();
                    }
                    if *left == 0 {
                        self.end_of_settings();
                    }
                }
                Place::Other { left } => {
                    let skipped = bytes.len().min(*left);
                    bytes = &bytes[skipped..];
                    *left -= skipped;
                    if *left == 0 {
                        self.place = Place::Header(Vec::new());
                    }
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, kind: u8, left: usize) {
        self.place = match (kind, left) {
            (SETTINGS, 0) => return self.end_of_settings(),
            (SETTINGS, _) => Place::Settings { left, setting: Vec::new() },
            (_, 0) => Place::Header(Vec::new()),
            _ => Place::Other { left },
        };
    }

    /// Without a word about streams there is no limit at the beginning, and the same one later.
    fn end_of_settings(&mut self) {
        self.place = Place::Header(Vec::new());
        self.allows.send_if_modified(|allows| {
            let is_first = allows.is_none();
            allows.get_or_insert(usize::MAX);
            is_first
        });
    }
}

/// Moves bytes until there are so many, and says how many were moved.
fn take(bytes: &mut &[u8], to: &mut Vec<u8>, length: usize) -> usize {
    let moved = bytes.len().min(length.saturating_sub(to.len()));
    to.extend_from_slice(&bytes[..moved]);
    *bytes = &bytes[moved..];
    moved
}

impl<I: AsyncRead + Unpin> AsyncRead for SettingsReader<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        let followed = self.follow(&buffer.filled()[before..]);
        Poll::Ready(followed.map_err(|NotHttp2| io::ErrorKind::InvalidData.into()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for SettingsReader<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the upstream allows after each of these frames, when its bytes come in parts.
    fn allowed(bytes: &[u8], part: usize) -> Result<Option<usize>, NotHttp2> {
        let (mut reader, allowed) = SettingsReader::new(());
        bytes.chunks(part).try_for_each(|part| reader.follow(part))?;
        let allowed = *allowed.borrow();
        Ok(allowed)
    }

    #[test]
    fn the_last_setting_counts_and_without_one_there_is_no_limit() {
        let settings = |payload: &[u8]| {
            [&[0, 0, u8::try_from(payload.len()).unwrap(), SETTINGS, 0, 0, 0, 0, 0], payload]
                .concat()
        };
        let data = [0, 0, 3, 0, 0, 0, 0, 0, 1, SETTINGS, SETTINGS, 3];
        for part in [1, 2, 7, 100] {
            let of = |frames: &[Vec<u8>]| allowed(&frames.concat(), part).ok().flatten();
            assert_eq!(of(&[]), None);
            assert_eq!(of(&[settings(&[])]), Some(usize::MAX));
            assert_eq!(of(&[settings(&[0, 4, 0, 0, 0, 1])]), Some(usize::MAX));
            let seven = settings(&[0, 1, 0, 0, 0, 9, 0, 3, 0, 0, 0, 7]);
            assert_eq!(of(std::slice::from_ref(&seven)), Some(7));
            assert_eq!(of(&[seven.clone(), data.to_vec(), settings(&[])]), Some(7));
            assert_eq!(of(&[seven, data.to_vec(), settings(&[0, 3, 0, 0, 1, 0])]), Some(256));
        }
    }

    #[test]
    fn another_beginning_is_not_http2() {
        for bytes in [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"\x15\x03\x01\0\x02\x02\x0a", &[0; 9]]
        {
            assert!(allowed(bytes, 100).is_err() && allowed(bytes, 1).is_err(), "{bytes:?}");
        }
    }
}
