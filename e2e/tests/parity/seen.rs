//! The result of a scenario, seen from outside: answers, the requests that reached an upstream, log
//! lines and metrics. Two proxies agree when these are equal.

use std::collections::BTreeMap;

use serde::Serialize;

/// Headers in their order, names in lower case, bytes that are not ASCII escaped.
pub type Lines = Vec<String>;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Seen {
    pub answers: Vec<Answer>,
    pub upstream: Vec<Forwarded>,
    /// `plugin level message`.
    pub log: Vec<String>,
    pub metrics: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Zero when the stream was reset before an answer.
    pub status: u16,
    pub headers: Lines,
    pub body: String,
    pub trailers: Lines,
    /// The stream was reset, or nothing more came.
    pub cut: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Forwarded {
    pub to: String,
    pub headers: Lines,
    pub body: String,
    pub trailers: Lines,
    pub cut: bool,
}

/// What Envoy adds to a request or a response outside of its filters, and what differs between
/// runs.
const NOT_COMPARED: &[&str] =
    &["date", "x-request-id", "x-forwarded-proto", "x-envoy-upstream-service-time"];

pub fn lines(headers: &http::HeaderMap) -> Lines {
    let shown = headers.iter().filter(|(name, _)| !NOT_COMPARED.contains(&name.as_str()));
    shown.map(|(name, value)| format!("{name}: {}", value.as_bytes().escape_ascii())).collect()
}

/// A body as text. A long one becomes its length and its beginning.
pub fn body(bytes: &[u8]) -> String {
    if bytes.len() > 3000 {
        return format!("{} bytes: {}…", bytes.len(), bytes[..40].escape_ascii());
    }
    bytes.escape_ascii().to_string()
}

/// A guest's message without what differs between runs: the date and the duration that Envoy puts
/// into headers.
pub fn log_message(message: &str) -> String {
    [" date=\"", " x-envoy-upstream-service-time=\""].iter().fold(
        message.to_owned(),
        |message, header| {
            let Some((before, rest)) = message.split_once(header) else { return message };
            let (_, after) = rest.split_once('"').unwrap_or_default();
            format!("{before}{after}")
        },
    )
}

impl Seen {
    /// The result as lines that a person can read and compare.
    pub fn text(&self) -> String {
        let list = |headers: &Lines| {
            headers.iter().map(|line| format!("[{line}]")).collect::<Vec<_>>().join(" ")
        };
        let cut = |cut: bool| if cut { " cut" } else { "" };
        let mut text = String::new();
        for answer in &self.answers {
            let (headers, trailers) = (list(&answer.headers), list(&answer.trailers));
            text += &format!(
                "  answer {} {headers} \"{}\" {trailers}{}\n",
                answer.status,
                answer.body,
                cut(answer.cut)
            );
        }
        for sent in &self.upstream {
            let (headers, trailers) = (list(&sent.headers), list(&sent.trailers));
            text +=
                &format!("  {} {headers} \"{}\" {trailers}{}\n", sent.to, sent.body, cut(sent.cut));
        }
        for (name, value) in &self.metrics {
            text += &format!("  metric {name} {value}\n");
        }
        for line in &self.log {
            text += &format!("    {line}\n");
        }
        text
    }
}
