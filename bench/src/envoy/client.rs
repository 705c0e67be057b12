//! One HTTP/1.1 connection that sends a request unchanged and reads the answer with its body, which
//! `wrk` does not show.

use std::borrow::Cow;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::answer::Answer;
use super::arm::Arm;
use super::error::EnvoyError;

/// A connection, opened again after an answer that closes it.
#[derive(Debug)]
pub struct Client {
    to: SocketAddr,
    stream: TcpStream,
}

/// The largest number of headers in an answer of these routes.
const HEADERS: usize = 32;

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When the listener does not accept.
    pub fn connect(to: SocketAddr) -> Result<Self, EnvoyError> {
        let failed = |error| EnvoyError::System { what: format!("cannot connect to {to}"), error };
        let stream = TcpStream::connect(to).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(failed)?;
        Ok(Self { to, stream })
    }

    /// Sends a request to an arm, which must answer as expected.
    ///
    /// # Errors
    /// [`EnvoyError::WrongAnswer`] when it answers otherwise, and those of
    /// [`exchange`](Self::exchange).
    pub fn expect(
        &mut self,
        arm: &Arm,
        request: &str,
        expected: &Answer,
    ) -> Result<(), EnvoyError> {
        self.send(request)?;
        self.receive(arm, request, expected)
    }

    /// Waits for an arm's answer to a request that was sent, which must be as expected.
    ///
    /// # Errors
    /// Those of [`expect`](Self::expect).
    pub fn receive(
        &mut self,
        arm: &Arm,
        request: &str,
        expected: &Answer,
    ) -> Result<(), EnvoyError> {
        let got = self.answer()?;
        let matches = match arm.answers() {
            true => got == *expected,
            false => got.of_request_alone() == expected.of_request_alone(),
        };
        if matches {
            return Ok(());
        }
        Err(EnvoyError::WrongAnswer {
            arm: arm.name.clone(),
            request: request.to_owned(),
            expected: expected.clone().into(),
            got: got.into(),
        })
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// When the connection ends first, or something else than HTTP/1.1 comes.
    pub fn exchange(&mut self, request: &str) -> Result<Answer, EnvoyError> {
        self.send(request)?;
        self.answer()
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When the connection has ended.
    pub fn send(&mut self, request: &str) -> Result<(), EnvoyError> {
        self.stream.write_all(request.as_bytes()).map_err(failed(self.to))
    }

    fn answer(&mut self) -> Result<Answer, EnvoyError> {
        let mut bytes = Vec::new();
        loop {
            let mut piece = [0; 4096];
            let count = self.stream.read(&mut piece).map_err(failed(self.to))?;
            bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
            if let Some((answer, closes)) = parse(&bytes)? {
                if closes {
                    *self = Self::connect(self.to)?;
                }
                return Ok(answer);
            }
            if count == 0 {
                return Err(EnvoyError::Response(String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
    }
}

fn failed(to: SocketAddr) -> impl FnOnce(std::io::Error) -> EnvoyError {
    EnvoyError::system(format!("a request to {to}"))
}

/// The answer, if it is complete, and whether it closes the connection.
fn parse(bytes: &[u8]) -> Result<Option<(Answer, bool)>, EnvoyError> {
    let bad =
        |why: String| EnvoyError::Response(format!("{why}: {}", String::from_utf8_lossy(bytes)));
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) =
        response.parse(bytes).map_err(|error| bad(error.to_string()))?
    else {
        return Ok(None);
    };
    let find = |name: &str| {
        let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.map(|header| String::from_utf8_lossy(header.value))
    };
    let length: usize = match find("content-length") {
        Some(length) => {
            length.parse().map_err(|_| bad("no number is the content-length".to_owned()))?
        }
        None => return Err(bad("there is no content-length".to_owned())),
    };
    let closes = find("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let Some(body) = bytes.get(head..head + length) else { return Ok(None) };
    let answer = Answer {
        status: response.code.unwrap_or(0),
        body: String::from_utf8_lossy(body).into_owned(),
        location: find("location").map(Cow::into_owned),
        vary: find("vary").map(Cow::into_owned),
    };
    Ok(Some((answer, closes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_all_of_it_is_there() {
        let text = b"HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\nconnection: close\r\n\r\nnever";
        assert_eq!(parse(&text[..20]).unwrap(), None);
        assert_eq!(parse(&text[..text.len() - 1]).unwrap(), None);
        assert_eq!(parse(text).unwrap(), Some((Answer::refused(404, "never"), true)));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        assert!(parse(b"SSH-2.0\r\n\r\n").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
