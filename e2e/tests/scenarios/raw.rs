//! HTTP/1.1 by hand, because an HTTP library cannot send what a hostile client sends. Answers are
//! read by their length, or up to the end of the connection, and nothing is decoded.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::answer::Answer;

/// The longest time that a test waits for one answer. It is far longer than any answer takes.
const LIMIT: Duration = Duration::from_secs(20);

/// A connection that stays open between requests.
pub struct Connection {
    stream: TcpStream,
    /// Bytes that were read after the last answer.
    rest: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the gateway accepts connections");
        stream.set_nodelay(true).expect("a TCP socket");
        Self { stream, rest: Vec::new() }
    }

    /// Sends bytes. A gateway may have hung up already; its answer can still be read.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = tokio::time::timeout(LIMIT, self.stream.write_all(bytes))
            .await
            .expect("the gateway reads, or hangs up");
    }

    /// The next answer, or nothing if the connection ends without one.
    pub async fn answer(&mut self) -> Option<Answer> {
        tokio::time::timeout(LIMIT, self.read_answer())
            .await
            .expect("an answer or an end of the connection")
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let head_end = loop {
            if let Some(at) = self.rest.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more().await {
                return None;
            }
        };
        let head: Vec<u8> = self.rest.drain(..head_end).collect();
        let mut answer = Answer::of_raw_head(&head);
        if (100..200).contains(&answer.status) {
            return Some(answer);
        }
        let length = answer.header("content-length").and_then(|length| length.parse().ok());
        loop {
            match length {
                Some(length) if self.rest.len() >= length => {
                    answer.body = self.rest.drain(..length).collect();
                    return Some(answer);
                }
                _ if self.more().await => {}
                // The connection ended: the body is what came until then.
                _ => {
                    answer.body = std::mem::take(&mut self.rest);
                    return Some(answer);
                }
            }
        }
    }

    async fn more(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer).await {
            Ok(0) | Err(_) => false,
            Ok(read) => {
                self.rest.extend_from_slice(&buffer[..read]);
                true
            }
        }
    }
}

/// Sends bytes on a connection of their own and reads the first answer.
pub async fn send(address: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    let mut connection = Connection::open(address).await;
    connection.write(bytes).await;
    match tokio::time::timeout(LIMIT, connection.read_answer()).await {
        Ok(answer) => answer,
        Err(_) => panic!(
            "neither an answer nor an end of the connection to {:?}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(300)])
        ),
    }
}

/// Sends bytes and hangs up without reading.
pub async fn hang_up_after(address: SocketAddr, bytes: &[u8]) {
    Connection::open(address).await.write(bytes).await;
}

/// A GET of `/` with these header lines, each without its line end. Host is not among them unless
/// given.
pub fn get(lines: &[&[u8]]) -> Vec<u8> {
    request(b"GET / HTTP/1.1", lines)
}

/// A request line and header lines, and the empty line.
pub fn request(first: &[u8], lines: &[&[u8]]) -> Vec<u8> {
    let mut bytes = [first, b"\r\n"].concat();
    for line in lines {
        bytes.extend_from_slice(line);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}
