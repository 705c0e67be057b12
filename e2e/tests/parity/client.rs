//! Sends the requests of a scenario. It speaks HTTP/2, in which the client controls the parts of a
//! message and what carries its end.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::net::TcpStream;

use crate::client_http1;
use crate::scenario::{BETWEEN_PARTS, End, Request, header, part};
use crate::seen::{self, Answer};

/// The longest time for one answer. It is far longer than any answer takes.
const LIMIT: Duration = Duration::from_secs(6);

/// The answers to all requests, in their order.
pub async fn ask(address: SocketAddr, requests: &[Request], http1: bool) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut running: Vec<tokio::task::JoinHandle<Answer>> = Vec::new();
    for request in requests {
        if !request.at_once {
            for answer in running.drain(..) {
                answers.push(answer.await.expect("a client that does not panic"));
            }
        }
        tokio::time::sleep(Duration::from_millis(request.after_ms)).await;
        let request = request.clone();
        running.push(tokio::spawn(async move {
            let limit = request.gives_up_ms.map_or(LIMIT, Duration::from_millis);
            tokio::time::timeout(limit, exchange(address, &request, http1))
                .await
                .unwrap_or(Answer { cut: true, ..Answer::default() })
        }));
    }
    for answer in running {
        answers.push(answer.await.expect("a client that does not panic"));
    }
    answers
}

async fn exchange(address: SocketAddr, request: &Request, http1: bool) -> Answer {
    let cut = Answer { cut: true, ..Answer::default() };
    let Ok(stream) = TcpStream::connect(address).await else { return cut };
    stream.set_nodelay(true).expect("a TCP socket");
    if http1 {
        return client_http1::exchange(stream, request).await.unwrap_or(cut);
    }
    let Ok((client, connection)) = h2::client::handshake(stream).await else { return cut };
    let connection = tokio::spawn(connection);
    let answer = send(client, request).await;
    connection.abort();
    answer.unwrap_or(cut)
}

async fn send(client: SendRequest<Bytes>, request: &Request) -> Result<Answer, h2::Error> {
    let mut client = client.ready().await?;
    let uri = format!("http://{}{}", request.authority, request.path);
    let mut head = http::Request::builder()
        .method(request.method.as_str())
        .uri(uri)
        .version(http::Version::HTTP_2);
    for line in &request.headers {
        let (name, value) = header(line);
        head = head.header(name, value);
    }
    let head = head.body(()).expect("a request that can be sent");
    let end = |last: bool| last && request.trailers.is_empty() && request.end == End::Last;
    let (response, mut stream) = client.send_request(head, end(request.body.is_empty()))?;
    let mut ended = end(request.body.is_empty());
    for (number, text) in request.body.iter().enumerate() {
        tokio::time::sleep(BETWEEN_PARTS).await;
        // An early answer may have ended the stream; it is read below.
        ended = end(number + 1 == request.body.len());
        if stream.send_data(part(text).into(), ended).is_err() {
            ended = true;
            break;
        }
    }
    if !ended {
        tokio::time::sleep(BETWEEN_PARTS).await;
        let trailers = &request.trailers;
        let _ = if trailers.is_empty() {
            stream.send_data(Bytes::new(), true)
        } else {
            stream.send_trailers(map(trailers))
        };
    }
    read(response.await?).await
}

async fn read(response: http::Response<h2::RecvStream>) -> Result<Answer, h2::Error> {
    let (head, mut stream) = response.into_parts();
    let mut answer = Answer {
        status: head.status.as_u16(),
        headers: seen::lines(&head.headers),
        ..Answer::default()
    };
    let mut bytes = Vec::new();
    while let Some(data) = stream.data().await {
        match data {
            Ok(data) => {
                let _ = stream.flow_control().release_capacity(data.len());
                bytes.extend_from_slice(&data);
            }
            Err(_) => {
                answer.cut = true;
                break;
            }
        }
    }
    if !answer.cut {
        match stream.trailers().await {
            Ok(trailers) => {
                answer.trailers = trailers.as_ref().map(seen::lines).unwrap_or_default();
            }
            Err(_) => answer.cut = true,
        }
    }
    answer.body = seen::body(&bytes);
    Ok(answer)
}

/// Header lines as a map.
pub fn map(lines: &[String]) -> http::HeaderMap {
    let pair = |line: &String| {
        let (name, value) = header(line);
        let name = http::HeaderName::from_bytes(name.as_bytes())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        (
            name,
            http::HeaderValue::from_bytes(value.as_bytes())
                .unwrap_or_else(|error| panic!("{value}: {error}")),
        )
    };
    let mut map = http::HeaderMap::new();
    lines.iter().map(pair).for_each(|(name, value)| {
        map.append(name, value);
    });
    map
}
