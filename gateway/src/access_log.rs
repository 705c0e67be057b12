//! What the gateway reports of each request, and how it looks as a line of text. Where the line
//! goes is the caller's choice.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::escaped::escaped;

/// A function that the gateway calls once for each request. It runs on the connection's task and
/// must not block.
#[derive(Clone)]
pub struct AccessLog(Arc<dyn Fn(&Access) + Send + Sync>);

impl AccessLog {
    /// Wraps the function.
    pub fn new(log: impl Fn(&Access) + Send + Sync + 'static) -> Self {
        Self(Arc::new(log))
    }

    pub(crate) fn record(&self, access: &Access) {
        (self.0)(access);
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessLog")
    }
}

/// One request, as it came and as it was answered. The client chose the bytes: they may be anything
/// but line ends.
///
/// Its `Display` is one line without a line end:
/// `SOURCE METHOD AUTHORITY+PATH -> UPSTREAM STATUS DETAILS DURATIONms`, with bytes that are not
/// UTF-8 written as [`escaped`] does.
#[derive(Clone, Debug)]
pub struct Access {
    /// The trusted address of the client.
    pub source: SocketAddr,
    /// The method, as it came.
    pub method: Bytes,
    /// The authority, as it came; empty when it was missing.
    pub authority: Bytes,
    /// The path and query, as they came.
    pub path: Bytes,
    /// The authority after the filter, which selected the route; none when the filter answered.
    pub routed_authority: Option<Bytes>,
    /// The address of the upstream that got the request; none when there was no route.
    pub upstream: Option<String>,
    /// The HTTP status that the client got (200 for every gRPC answer).
    pub status: u16,
    /// Why the gateway or its filter answered, `via_upstream` when the upstream did, and `-` when
    /// the filter gave no reason.
    pub details: String,
    /// From the request's head to the response's head.
    pub duration: Duration,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {}{} -> {} {} {} {}ms",
            self.source,
            escaped(&self.method),
            escaped(&self.authority),
            escaped(&self.path),
            self.upstream.as_deref().unwrap_or("-"),
            self.status,
            self.details,
            self.duration.as_millis()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_line_and_its_bytes_can_be_recovered() {
        let access = Access {
            source: ([192, 0, 2, 9], 4711).into(),
            method: Bytes::from_static(b"GET"),
            authority: Bytes::from_static(b"a.example"),
            path: Bytes::from_static(b"/caf\xe9"),
            routed_authority: None,
            upstream: None,
            status: 404,
            details: "gatepost.host.private".to_owned(),
            duration: Duration::from_millis(3),
        };
        assert_eq!(
            access.to_string(),
            "192.0.2.9:4711 GET a.example/caf\\xe9 -> - 404 gatepost.host.private 3ms"
        );
    }
}
