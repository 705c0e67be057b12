//! Runs cases over the network: each request is sent to a gateway, any gateway, and the response of
//! the echo upstream behind it shows what arrived. The client's address is sent in
//! `x-forwarded-for`, so the gateway must trust one hop. The upstream must know the response that
//! the case gives ([`given`]) beforehand.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gatepost_authoring::suite::{self, Case, Request};
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

use super::observation::{Forwarded, Observation, Outcome, Replied};
use crate::echo::{ECHO, GreeterClient};

/// How many trusted hops a gateway must be configured with.
pub const TRUSTED_HOPS: u32 = 1;

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The connection failed.
    #[error("{0}")]
    Connection(String),
    /// No response in time.
    #[error("no answer within {} seconds", LIMIT.as_secs())]
    Timeout,
    /// The request cannot be written as HTTP.
    #[error("the request cannot be sent: {0}")]
    Unsendable(String),
    /// The response cannot be written as HTTP.
    #[error("the response cannot be sent: {0}")]
    Unanswerable(String),
    /// A gRPC response that did not come from an echo upstream.
    #[error("an answer that no echo upstream gives: {0}")]
    NoEcho(String),
}

/// The JSON of an echo upstream.
#[derive(Deserialize)]
struct Echo {
    upstream: String,
    authority: String,
    path: String,
    headers: Vec<(String, String)>,
}

/// Whether a header is one that gateways and clients set on every request, independent of the
/// policy.
#[must_use]
pub fn is_added(name: &str) -> bool {
    const ADDED: &[&str] = &[
        "host",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-request-id",
        "content-length",
        "transfer-encoding",
        "user-agent",
    ];
    // What tonic's client adds.
    const GRPC: &[&str] = &["te", "content-type", "grpc-accept-encoding", "grpc-timeout"];
    ADDED.contains(&name) || GRPC.contains(&name) || name.starts_with("x-envoy-")
}

/// The status and headers with which the upstream answers the request of a case.
///
/// # Errors
/// When they cannot be written as HTTP.
pub fn given(case: &Case) -> Result<http::Response<()>, WireError> {
    let suite::Response { status, headers } = case.response.clone().unwrap_or_default();
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value.as_bytes());
    }
    response.body(()).map_err(|error| WireError::Unanswerable(error.to_string()))
}

/// Sends the request of a case to a gateway. The result has no counters.
///
/// # Errors
/// When the request cannot be sent, or there is no response to judge.
pub async fn send(gateway: SocketAddr, case: &Case) -> Result<Observation, WireError> {
    let sent = async {
        if is_grpc(&case.request) {
            send_grpc(gateway, &case.request).await
        } else {
            send_http(gateway, &case.request).await
        }
    };
    tokio::time::timeout(LIMIT, sent).await.map_err(|_| WireError::Timeout)?
}

fn is_grpc(request: &Request) -> bool {
    request
        .headers
        .iter()
        .any(|(name, value)| name == "content-type" && value.starts_with("application/grpc"))
}

async fn send_http(gateway: SocketAddr, request: &Request) -> Result<Observation, WireError> {
    let unsendable = |error: &dyn std::fmt::Display| WireError::Unsendable(error.to_string());
    let failed = |error: hyper::Error| WireError::Connection(error.to_string());
    let mut message = http::Request::builder()
        .method(request.method.as_str())
        .uri(request.path.as_str())
        .body(Empty::<Bytes>::new())
        .map_err(|error| unsendable(&error))?;
    let headers = message.headers_mut();
    headers.insert(
        HOST,
        HeaderValue::from_str(&request.authority).map_err(|error| unsendable(&error))?,
    );
    headers.insert(
        "x-forwarded-for",
        request.source.to_string().parse().map_err(|error| unsendable(&error))?,
    );
    for (name, value) in &request.headers {
        let name: HeaderName = name.parse().map_err(|error| unsendable(&error))?;
        headers.append(name, value.parse().map_err(|error| unsendable(&error))?);
    }
    let stream = TcpStream::connect(gateway)
        .await
        .map_err(|error| WireError::Connection(error.to_string()))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let connection = tokio::spawn(connection);
    let (parts, body) = sender.send_request(message).await.map_err(failed)?.into_parts();
    let body = body.collect().await.map_err(failed)?.to_bytes();
    connection.abort();
    let echo = parts.headers.get(ECHO).map_or(&*body, HeaderValue::as_bytes);
    let outcome = match serde_json::from_slice(echo) {
        Ok(echo) => Outcome::Forwarded(forwarded(echo)),
        Err(_) => Outcome::Replied(Replied {
            status: Some(parts.status.as_u16()),
            body: Some(String::from_utf8_lossy(&body).into_owned()),
            ..Replied::default()
        }),
    };
    Ok(observed(outcome, &parts.headers))
}

fn observed(outcome: Outcome, headers: &HeaderMap) -> Observation {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let response = headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
    Observation { outcome, response: response.collect(), counters: None }
}

async fn send_grpc(gateway: SocketAddr, request: &Request) -> Result<Observation, WireError> {
    let failed = |status: tonic::Status| WireError::Connection(status.to_string());
    let mut client = GreeterClient::connect(gateway, &request.authority).await.map_err(failed)?;
    let source = request.source.to_string();
    let own = |name: &str| matches!(name, "content-type" | "te" | "user-agent");
    let metadata = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value))
        .filter(|(name, _)| !own(name));
    for (name, value) in metadata.chain([("x-forwarded-for", &source)]) {
        client = client
            .with_metadata(name, value.as_bytes())
            .map_err(|status| WireError::Unsendable(status.to_string()))?;
    }
    match client.call(&request.path, "gatepost").await {
        Ok(response) => {
            let (metadata, reply, _) = response.into_parts();
            let echo = serde_json::from_str(&reply.received_json)
                .map_err(|error| WireError::NoEcho(format!("{error}: {}", reply.received_json)))?;
            Ok(observed(Outcome::Forwarded(forwarded(echo)), &metadata.into_headers()))
        }
        Err(status) => {
            let outcome = Outcome::Replied(Replied {
                grpc_status: u32::try_from(status.code() as i32).ok(),
                body: Some(status.message().to_owned()),
                ..Replied::default()
            });
            Ok(observed(outcome, &status.metadata().clone().into_headers()))
        }
    }
}

fn forwarded(echo: Echo) -> Forwarded {
    let Echo { upstream, authority, path, headers } = echo;
    Forwarded { authority, path, headers, upstream: Some(upstream) }
}
