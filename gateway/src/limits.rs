//! The sizes that the gateway sets on both sides: towards clients in `server`, towards upstreams in
//! `http1_pool` and `http2_pool`.

/// Concurrent streams on one HTTP/2 connection.
pub(crate) const MAX_STREAMS: u16 = 100;
/// How many unread bytes one HTTP/2 stream may have in flight to the gateway.
pub(crate) const STREAM_WINDOW: u32 = 64 * 1024;
/// The sum of all streams' windows, so that a reader that stopped never blocks the other streams of
/// its connection.
pub(crate) const CONNECTION_WINDOW: u32 = MAX_STREAMS as u32 * STREAM_WINDOW;
/// HTTP/2 counts 32 bytes more for each header than Envoy does; `codec_checks` applies the exact
/// limit.
pub(crate) const MAX_HEADER_LIST: u32 = 64 * 1024;
/// How many headers a request or a response may have (Envoy's `max_headers_count`).
pub(crate) const MAX_FIELDS: usize = 100;
/// The bytes of a response's head. Envoy's default for upstreams is larger than for clients.
pub(crate) const MAX_RESPONSE_HEAD: usize = 80 * 1024;
