//! Sends a request over HTTP/1.1, with chunks and trailers as the scenario has parts, and reads the
//! answer.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::scenario::{BETWEEN_PARTS, Request, part};
use crate::seen::{self, Answer};

pub async fn exchange(stream: TcpStream, request: &Request) -> io::Result<Answer> {
    let (reader, mut writer) = stream.into_split();
    let has_body = !request.body.is_empty() || !request.trailers.is_empty();
    let mut head =
        format!("{} {} HTTP/1.1\r\nhost: {}\r\n", request.method, request.path, request.authority);
    for line in &request.headers {
        head += &format!("{line}\r\n");
    }
    if has_body {
        head += "transfer-encoding: chunked\r\n";
    }
    writer.write_all(format!("{head}\r\n").as_bytes()).await?;
    let answer = tokio::spawn(read(BufReader::new(reader)));
    if has_body {
        // An early answer may close the connection; it is read below.
        let _ = body(&mut writer, request).await;
    }
    answer.await.expect("a reader that does not panic")
}

async fn body(writer: &mut (impl AsyncWriteExt + Unpin), request: &Request) -> io::Result<()> {
    for text in &request.body {
        tokio::time::sleep(BETWEEN_PARTS).await;
        let bytes = part(text);
        let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat();
        writer.write_all(&chunk).await?;
    }
    tokio::time::sleep(BETWEEN_PARTS).await;
    let trailers: String = request.trailers.iter().map(|line| format!("{line}\r\n")).collect();
    writer.write_all(format!("0\r\n{trailers}\r\n").as_bytes()).await
}

type Reader = BufReader<tokio::net::tcp::OwnedReadHalf>;

async fn line(reader: &mut Reader) -> io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

/// Header lines up to the empty one.
async fn headers(reader: &mut Reader) -> io::Result<http::HeaderMap> {
    let mut lines = Vec::new();
    loop {
        match line(reader).await? {
            line if line.is_empty() => return Ok(crate::client::map(&lines)),
            line => lines.push(line),
        }
    }
}

async fn read(mut reader: Reader) -> io::Result<Answer> {
    let status = line(&mut reader).await?;
    let status = status.split(' ').nth(1).and_then(|status| status.parse().ok());
    let mut head = headers(&mut reader).await?;
    // How the codec marks the end of a body and of the connection is no part of the answer.
    head.remove("connection");
    let is_chunked = head.remove("transfer-encoding").is_some();
    if head.get("content-length").is_some_and(|length| length == "0") {
        head.remove("content-length");
    }
    let mut answer = Answer {
        status: status.ok_or(io::ErrorKind::InvalidData)?,
        headers: seen::lines(&head),
        ..Answer::default()
    };
    let mut bytes = Vec::new();
    let rest = match head.get("content-length").and_then(|length| length.to_str().ok()) {
        Some(length) => {
            bytes.resize(length.parse().map_err(|_| io::ErrorKind::InvalidData)?, 0);
            reader.read_exact(&mut bytes).await.map(|_| http::HeaderMap::new())
        }
        None if is_chunked => chunks(&mut reader, &mut bytes).await,
        None => Ok(http::HeaderMap::new()),
    };
    answer.body = seen::body(&bytes);
    match rest {
        Ok(trailers) => answer.trailers = seen::lines(&trailers),
        Err(_) => answer.cut = true,
    }
    Ok(answer)
}

/// The chunks of a body, and the trailers after them.
async fn chunks(reader: &mut Reader, bytes: &mut Vec<u8>) -> io::Result<http::HeaderMap> {
    loop {
        let size = usize::from_str_radix(&line(reader).await?, 16)
            .map_err(|_| io::ErrorKind::InvalidData)?;
        if size == 0 {
            return headers(reader).await;
        }
        let start = bytes.len();
        bytes.resize(start + size, 0);
        reader.read_exact(&mut bytes[start..]).await?;
        line(reader).await?;
    }
}
