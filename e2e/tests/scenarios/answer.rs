//! A response as the scenarios read it, with the echo upstream's JSON in it; and how a request is
//! sent to get one.

use std::net::SocketAddr;

use gatepost_testbed::client::{self, Body, soon};
use gatepost_testbed::echo::ECHO;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

/// Headers that gateways and clients write on every request, independent of the policy.
const GATEWAYS_OWN: &[&str] = &[
    "host",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
    "content-length",
    "transfer-encoding",
];

/// A whole response.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: HeaderMap,
}

/// The part of an answer that is the same on both gateways: what the upstream received, or what the
/// gateway answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Upstream {
        status: u16,
        name: String,
        method: String,
        authority: String,
        path: String,
        headers: Vec<(String, String)>,
        body: String,
    },
    Gateway {
        status: u16,
        content_type: String,
        body: String,
    },
}

impl Answer {
    /// Reads a response to its end.
    pub async fn read(response: Response<Incoming>) -> hyper::Result<Self> {
        let (parts, body) = response.into_parts();
        let body = soon(body.collect()).await?;
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        Ok(Self {
            status: parts.status.as_u16(),
            headers: parts.headers.iter().map(header).collect(),
            trailers: body.trailers().cloned().unwrap_or_default(),
            body: body.to_bytes().to_vec(),
        })
    }

    /// The status line and headers of an HTTP/1.1 answer.
    pub fn of_raw_head(head: &[u8]) -> Self {
        let text = String::from_utf8_lossy(head);
        let mut lines = text.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .and_then(|status| status.parse().ok());
        let header = |line: &str| {
            line.split_once(':')
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        Self {
            status: status.expect("a status line"),
            headers: lines.filter_map(header).collect(),
            ..Self::default()
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of each line of a header, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|(key, _)| key == name);
        lines.map(|(_, value)| value.as_str()).collect()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What the upstream received, if one was reached.
    pub fn echo(&self) -> Option<Value> {
        let echo: Value =
            serde_json::from_slice(self.header(ECHO).map_or(&self.body, str::as_bytes)).ok()?;
        echo.get("upstream").is_some().then_some(echo)
    }

    /// The name of the upstream that answered, or `gateway <status>`.
    pub fn by(&self) -> String {
        match self.echo() {
            Some(echo) => text(&echo["upstream"]),
            None => format!("gateway {}", self.status),
        }
    }

    /// The authority that the upstream received.
    pub fn authority(&self) -> String {
        self.echo().map(|echo| text(&echo["authority"])).unwrap_or_default()
    }

    /// Every value of a header that the upstream received.
    pub fn received(&self, name: &str) -> Vec<String> {
        let Some(echo) = self.echo() else { return Vec::new() };
        client::received(&echo, name).into_iter().map(str::to_owned).collect()
    }

    pub fn seen(&self) -> Seen {
        let Some(echo) = self.echo() else {
            let content_type = self.header("content-type").unwrap_or_default().to_owned();
            return Seen::Gateway { status: self.status, content_type, body: self.text() };
        };
        let own = |name: &str| GATEWAYS_OWN.contains(&name) || name.starts_with("x-envoy-");
        let mut headers: Vec<_> = pairs(&echo).into_iter().filter(|(name, _)| !own(name)).collect();
        // The order of headers with different names has no meaning. A stable sort keeps the order
        // of those with the same name.
        headers.sort_by(|(left, _), (right, _)| left.cmp(right));
        Seen::Upstream {
            status: self.status,
            name: text(&echo["upstream"]),
            method: text(&echo["method"]),
            authority: text(&echo["authority"]),
            path: text(&echo["path"]),
            headers,
            body: text(&echo["body"]),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn pairs(echo: &Value) -> Vec<(String, String)> {
    let headers = echo["headers"].as_array().map(Vec::as_slice).unwrap_or_default();
    headers.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

/// Sends one request on a connection of its own.
pub async fn send(version: Version, address: SocketAddr, request: Request<Body>) -> Answer {
    try_send(version, address, request).await.expect("an answer")
}

/// Sends one request on a connection of its own; the error is a stream or connection that ended
/// instead of answering.
pub async fn try_send(
    version: Version,
    address: SocketAddr,
    request: Request<Body>,
) -> hyper::Result<Answer> {
    Answer::read(client::try_send(version, address, request).await?).await
}
