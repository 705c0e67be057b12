//! The echo for everything that is not gRPC, and the few paths with another behaviour, which tests
//! ask for.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use gatepost_gateway::escaped;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use serde_json::Value;

use super::identity::{Body, Closed, Identity};
use super::{login, received};

/// The header that carries the echo in a response without a body: to a HEAD, or by its status.
pub const ECHO: &str = "x-echo";

pub(super) async fn answer(
    identity: &Identity,
    request: Request<Incoming>,
) -> Result<Response<Body>, Closed> {
    let (parts, body) = request.into_parts();
    let mut head = identity.given().unwrap_or_else(json);
    if let Some(command) = parts.uri.path().strip_prefix("/.echo/") {
        let (command, argument) = command.split_once('/').unwrap_or((command, ""));
        match command {
            "close" => return Err(Closed),
            "mirror" => return Ok(Response::new(Body::new(body))),
            "bytes" => {
                return Ok(Response::new(Body::new(Full::new(Bytes::from(vec![
                    b'x';
                    argument
                        .parse()
                        .unwrap_or(0)
                ])))));
            }
            "stream" => return Ok(lines(argument.parse().unwrap_or(1))),
            "answer" => {
                return answered(argument, parts.uri.query().unwrap_or_default(), body);
            }
            "head" => {
                let lines = body.collect().await.map_err(|_| Closed)?.to_bytes();
                return with_lines(argument, &lines);
            }
            "login" => return Ok(login::login(&parts)),
            "account" => {
                if let Some(redirect) = login::account(&parts) {
                    return Ok(redirect);
                }
            }
            "status" => {
                *head.status_mut() = argument.parse().unwrap_or(StatusCode::BAD_REQUEST);
            }
            "delay" => {
                tokio::time::sleep(Duration::from_millis(argument.parse().unwrap_or(0))).await;
            }
            _ => {}
        }
    }
    let mut echo = received::head(&identity.name, &parts);
    // When the body is cut, the sender is gone and needs no answer.
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    if let Value::Object(fields) = &mut echo {
        fields.insert("body".to_owned(), escaped(&body).into());
    }
    let echo = Bytes::from(echo.to_string());
    // hyper drops the body of a response to HEAD with HTTP/1.1 only.
    let is_head = parts.method == Method::HEAD;
    // RFC 9110 §15.3.5, §15.3.6 and §15.4.5.
    let status = head.status().as_u16();
    let has_no_content = matches!(status, 204 | 205 | 304);
    if !has_no_content {
        head.headers_mut().insert(CONTENT_LENGTH, echo.len().into());
    }
    let is_in_header = is_head || has_no_content;
    let in_header = HeaderValue::from_maybe_shared(echo.clone()).ok().filter(|_| is_in_header);
    if let Some(echo) = in_header {
        head.headers_mut().insert(ECHO, echo);
    }
    let body = if is_in_header { Body::empty() } else { Body::new(Full::new(echo)) };
    Ok(head.map(|()| body))
}

/// The head of an echo for which no test gave another.
fn json() -> Response<()> {
    let mut head = Response::new(());
    head.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head
}

/// An answer with this status, the headers that a query has (`location=%2Flogin&set-cookie=a`), and
/// the request's body and trailers.
fn answered(status: &str, query: &str, body: Incoming) -> Result<Response<Body>, Closed> {
    let mut response = Response::builder().status(status);
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        response = response.header(&*name, &*value);
    }
    // A test that asks for what is no response gets none.
    response.body(Body::new(body)).map_err(|_| Closed)
}

/// An answer with this status and these header lines, `location: /login`, whatever their bytes are.
fn with_lines(status: &str, lines: &[u8]) -> Result<Response<Body>, Closed> {
    let mut response = Response::builder().status(status);
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Closed)?;
        let (name, value) = line.split_at(colon);
        response = response.header(name, value[1..].trim_ascii());
    }
    response.body(Body::empty()).map_err(|_| Closed)
}

/// Lines that are sent one by one: the pause after each gives the connection time to send it.
fn lines(count: u32) -> Response<Body> {
    let lines = stream::unfold(1, move |line| async move {
        if line > count {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        Some((Ok::<_, Closed>(Frame::data(Bytes::from(format!("line {line}\n")))), line + 1))
    });
    let mut response = Response::new(Body::new(StreamBody::new(lines)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}
