//! The upstream of a scenario: an HTTP/2 server that records each request as it came, and answers
//! what the scenario says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use tokio::net::{TcpListener, TcpStream};

use crate::client::map;
use crate::scenario::{BETWEEN_PARTS, End, Response, header, part};
use crate::seen::{self, Forwarded};

pub type Record = Arc<Mutex<Vec<Forwarded>>>;

/// Listens until the runtime ends. `name` is recorded with each request.
pub async fn listen(name: &'static str, response: Response, record: Record) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(name, stream, response.clone(), record.clone()));
        }
    });
    address
}

async fn connection(name: &'static str, stream: TcpStream, response: Response, record: Record) {
    let _ = stream.set_nodelay(true);
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (response, record) = (response.clone(), record.clone());
        tokio::spawn(async move {
            let forwarded = receive(name, request).await;
            let cut = forwarded.cut;
            record.lock().expect("a record").push(forwarded);
            if !cut {
                // A stream that is gone needs no answer.
                let _ = answer(respond, &response).await;
            }
        });
    }
}

/// A request's header lines, pseudo-headers first.
pub fn request_lines(head: &http::request::Parts) -> Vec<String> {
    let mut lines = vec![format!(":method: {}", head.method)];
    lines.extend(head.uri.authority().map(|authority| format!(":authority: {authority}")));
    lines.extend(head.uri.path_and_query().map(|path| format!(":path: {path}")));
    lines.extend(head.uri.scheme_str().map(|scheme| format!(":scheme: {scheme}")));
    lines.extend(seen::lines(&head.headers));
    lines
}

async fn receive(name: &str, request: http::Request<h2::RecvStream>) -> Forwarded {
    let (head, mut stream) = request.into_parts();
    let mut forwarded =
        Forwarded { to: name.to_owned(), headers: request_lines(&head), ..Forwarded::default() };
    let mut bytes = Vec::new();
    while let Some(data) = stream.data().await {
        let Ok(data) = data else {
            forwarded.cut = true;
            break;
        };
        let _ = stream.flow_control().release_capacity(data.len());
        bytes.extend_from_slice(&data);
    }
    if !forwarded.cut
        && let Ok(Some(trailers)) = stream.trailers().await
    {
        forwarded.trailers = seen::lines(&trailers);
    }
    forwarded.body = seen::body(&bytes);
    forwarded
}

async fn answer(mut respond: SendResponse<Bytes>, response: &Response) -> Result<(), h2::Error> {
    let mut head = http::Response::builder().status(response.status);
    for line in &response.headers {
        let (name, value) = header(line);
        head = head.header(name, value);
    }
    let end = |last: bool| {
        last && response.trailers.is_empty() && response.end == End::Last && !response.reset
    };
    let mut ended = end(response.body.is_empty());
    let mut stream =
        respond.send_response(head.body(()).expect("a response that can be sent"), ended)?;
    for (number, text) in response.body.iter().enumerate() {
        tokio::time::sleep(BETWEEN_PARTS).await;
        ended = end(number + 1 == response.body.len());
        stream.send_data(part(text).into(), ended)?;
    }
    if !ended {
        tokio::time::sleep(BETWEEN_PARTS).await;
        if response.reset {
            stream.send_reset(h2::Reason::INTERNAL_ERROR);
        } else if response.trailers.is_empty() {
            stream.send_data(Bytes::new(), true)?;
        } else {
            stream.send_trailers(map(&response.trailers))?;
        }
    }
    Ok(())
}
