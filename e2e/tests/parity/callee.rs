//! The service that guests call: it answers with a description of the call that reached it, so that
//! a guest's log shows it. Headers of the call select the answer: `x-answer: never` gets none,
//! `reset` gets a reset, a number gets that status; `x-trailer` is sent back as a trailer.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use http::HeaderMap;
use tokio::net::{TcpListener, TcpStream};

use crate::upstream::request_lines;

/// The delay of every answer. It is longer than a client or an upstream takes for a message's
/// parts, so that the order is the same in every run.
pub const DELAY: Duration = Duration::from_millis(150);

/// Listens until the runtime ends.
pub async fn listen() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream));
        }
    });
    address
}

async fn connection(stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(async move {
            let grpc = request
                .headers()
                .get("content-type")
                .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
            // A caller that is gone needs no answer.
            let _ = if grpc {
                serve_grpc(request, respond).await
            } else {
                serve(request, respond).await
            };
        });
    }
}

/// The description of a call: its header lines without Envoy's own, its body and its trailers.
pub fn describe(lines: &[String], body: &[u8], trailers: &[String]) -> String {
    let own = |line: &&String| !line.starts_with("x-envoy-") && !line.starts_with("x-forwarded-");
    let headers: Vec<&str> = lines.iter().filter(own).map(String::as_str).collect();
    format!("[{}] {} [{}]", headers.join(", "), body.escape_ascii(), trailers.join(", "))
}

async fn serve(
    request: http::Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let (head, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        let _ = stream.flow_control().release_capacity(data.len());
        body.extend_from_slice(&data);
    }
    let trailers = stream.trailers().await?.as_ref().map(crate::seen::lines).unwrap_or_default();
    tokio::time::sleep(DELAY).await;
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let status = match header("x-answer") {
        Some("never") => {
            // Held open, so that the caller has to give up.
            tokio::time::sleep(Duration::from_secs(30)).await;
            return Ok(());
        }
        Some("reset") => {
            respond.send_reset(h2::Reason::INTERNAL_ERROR);
            return Ok(());
        }
        other => other.and_then(|status| status.parse().ok()).unwrap_or(200),
    };
    let answer = http::Response::builder()
        .status(status)
        .header("x-callee", "yes")
        .body(())
        .expect("an answer");
    let mut answers = respond.send_response(answer, false)?;
    let description = describe(&request_lines(&head), &body, &trailers);
    match header("x-trailer") {
        None => answers.send_data(description.into(), true),
        Some(value) => {
            answers.send_data(description.into(), false)?;
            let mut map = HeaderMap::new();
            map.insert("x-trailer", value.parse().expect("a value that came as one"));
            answers.send_trailers(map)
        }
    }
}

/// Each message comes back with `echo ` before it; metadata `x-grpc-status` and `x-grpc-message`
/// end the call. `x-answer: never` gets nothing.
async fn serve_grpc(
    request: http::Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let (head, mut stream) = request.into_parts();
    let header = |name: &str| head.headers.get(name).cloned();
    if header("x-answer").is_some() {
        tokio::time::sleep(Duration::from_secs(30)).await;
        return Ok(());
    }
    tokio::time::sleep(DELAY).await;
    let answer = http::Response::builder()
        .header("content-type", "application/grpc")
        .header("x-callee", "yes");
    let mut answers = respond.send_response(answer.body(()).expect("an answer"), false)?;
    let mut received = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        let _ = stream.flow_control().release_capacity(data.len());
        received.extend_from_slice(&data);
        while let Some(message) = take_message(&mut received) {
            answers.send_data(frame(&[b"echo ", message.as_slice()].concat()), false)?;
        }
    }
    let mut trailers = HeaderMap::new();
    trailers.insert(
        "grpc-status",
        header("x-grpc-status").unwrap_or(http::HeaderValue::from_static("0")),
    );
    if let Some(message) = header("x-grpc-message") {
        trailers.insert("grpc-message", message);
    }
    trailers.insert("x-trailer", http::HeaderValue::from_static("end"));
    answers.send_trailers(trailers)
}

fn take_message(received: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = u32::from_be_bytes(received.get(1..5)?.try_into().ok()?);
    let end = 5 + usize::try_from(length).ok()?;
    let message = received.get(5..end)?.to_vec();
    received.drain(..end);
    Some(message)
}

fn frame(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("a short message");
    [&[0], length.to_be_bytes().as_slice(), message].concat().into()
}
