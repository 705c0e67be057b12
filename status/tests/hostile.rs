//! Answers that no gateway gives: each ends in an error, in bounded time and memory, and the other
//! gateways are asked all the same.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use gatepost_status::Shown;
use gatepost_status::ask::{AskError, all};

/// A server that gives every client what `answer` writes. It ends with the process.
fn serve(answer: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + 'static) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/stats/prometheus", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.read(&mut [0; 4096]);
            // The other side may hang up.
            let _ = answer(&mut client);
        }
    });
    url
}

fn text(head: &str, body: &'static [u8]) -> String {
    let head = format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n");
    serve(move |client| {
        client.write_all(head.as_bytes())?;
        client.write_all(body)
    })
}

const GOOD: &[u8] = b"gatepost_policy_gatepost{} 7\n";

fn asked(urls: &[String], within: Duration) -> Vec<String> {
    asked_until(urls, within, None)
}

fn asked_until(urls: &[String], within: Duration, end: Option<Instant>) -> Vec<String> {
    let said = |answer: Result<Shown, AskError>| match answer {
        Ok(shown) => format!("{} plugins", shown.plugins.len()),
        Err(error) => error.to_string(),
    };
    all(urls, within, end).into_iter().map(said).collect()
}

#[test]
fn each_gateway_is_judged_by_its_own_answer() {
    let closed = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    let urls = [
        text("200 OK\r\ncontent-length: 29", GOOD),
        text("200 OK", GOOD),
        text("404 Not Found", b""),
        text("302 Found\r\nlocation: http://192.0.2.1/", b""),
        text("200 OK", b"<html>\n"),
        text("200 OK", b"\xff\n"),
        text("200 OK", b"gatepost_policy_gatepost{} 7"),
        text("200 OK\r\ncontent-length: 100", GOOD),
        text("200 OK", b""),
        closed,
        "http://[".to_owned(),
    ];
    let said = asked(&urls, Duration::from_secs(20));
    let expected = [
        "1 plugins",
        "1 plugins",
        "the answer is 404",
        "the answer is 302",
        "line 1 is no metric of Prometheus: it does not begin with a name",
        "the answer is no text in UTF-8",
        "line 1 is no metric of Prometheus: it is cut off",
    ];
    assert_eq!(said[..7], expected);
    assert!(said[7].contains("disconnected") || said[7].contains("protocol"), "{}", said[7]);
    assert_eq!(said[8], "0 plugins");
    assert!(said[9].contains("refused"), "{}", said[9]);
    assert!(said[10].contains("invalid"), "{}", said[10]);
}

#[test]
fn an_endless_answer_ends_at_the_limit() {
    let line = "a".repeat(1 << 20) + " 1\n";
    let url = serve(move |client| {
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        loop {
            client.write_all(line.as_bytes())?;
        }
    });
    assert_eq!(asked(&[url], Duration::from_secs(60)), ["the answer has more than 32 MiB"]);
}

#[test]
fn slow_answers_and_silence_end_in_time_together() {
    let slow = || {
        serve(|client| {
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            loop {
                client.write_all(b"#")?;
                std::thread::sleep(Duration::from_millis(50));
            }
        })
    };
    let silent = || {
        serve(|_| {
            loop {
                std::thread::sleep(Duration::from_secs(60));
            }
        })
    };
    let mut urls: Vec<String> = (0..8).flat_map(|_| [slow(), silent()]).collect();
    urls.push(text("200 OK", GOOD));
    let started = Instant::now();
    let said = asked(&urls, Duration::from_secs(2));
    // Eight at once, and again, and one more.
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert_eq!(said.last().map(String::as_str), Some("1 plugins"));
    assert!(said[..16].iter().all(|said| said == "no whole answer came in time"), "{said:?}");
}

#[test]
fn nobody_is_asked_when_the_time_of_all_is_over() {
    let silent = serve(|_| {
        loop {
            std::thread::sleep(Duration::from_secs(60));
        }
    });
    let (urls, started) = (vec![silent; 100], Instant::now());
    let end = started + Duration::from_secs(1);
    let said = asked_until(&urls, Duration::from_secs(60), Some(end));
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert_eq!(said[0], "no whole answer came in time");
    assert_eq!(said[99], "there was no time left to ask");
}
