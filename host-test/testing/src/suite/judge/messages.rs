//! Messages: the request that reached the upstream and the response that reached the client.

use std::collections::BTreeMap;

use gatepost_host::Headers;

use super::Judge;
use crate::quote::{quoted, quoted_list, quoted_pair};
use crate::suite::model::{Forward, Reply, Response};
use crate::suite::observed::{self, Message};
use crate::suite::values::{Matcher, json_difference};

impl Judge {
    pub(super) fn forward(&mut self, expected: &Forward, sent: &Message, found: &Message) {
        let Forward { method, scheme, authority, path, headers, absent, body, trailers } = expected;
        for (what, name, matcher) in [
            ("method", ":method", method),
            ("scheme", ":scheme", scheme),
            ("authority", ":authority", authority),
            ("path", ":path", path),
        ] {
            if let Some(matcher) = matcher {
                self.value(
                    "forward",
                    what,
                    matcher,
                    found.headers.joined(name.as_bytes()).as_deref(),
                );
            }
        }
        self.headers("forward", headers, absent, &found.headers);
        if self.strict {
            let pseudo = [
                (":method", method),
                (":scheme", scheme),
                (":authority", authority),
                (":path", path),
            ];
            let named =
                pseudo.iter().filter(|(_, matcher)| matcher.is_some()).map(|(name, _)| *name);
            self.unchanged(
                "forward",
                named.chain(names(headers, absent)),
                &sent.headers,
                &found.headers,
            );
        }
        self.body("forward", body.as_ref(), Some(sent), found);
        self.trailers("forward", trailers, Some(sent), found);
    }

    pub(super) fn response(
        &mut self,
        expected: &Response,
        answered: Option<&Message>,
        found: &Message,
    ) {
        let Response { status, headers, absent, body, trailers } = expected;
        if let Some(status) = status {
            self.status("response", *status, &found.headers);
        }
        self.headers("response", headers, absent, &found.headers);
        if let (true, Some(answered)) = (self.strict, answered) {
            let named = status.map(|_| ":status").into_iter();
            self.unchanged(
                "response",
                named.chain(names(headers, absent)),
                &answered.headers,
                &found.headers,
            );
        }
        self.body("response", body.as_ref(), answered, found);
        self.trailers("response", trailers, answered, found);
    }

    pub(super) fn reply(
        &mut self,
        expected: &Reply,
        found: &observed::Reply,
        response: Option<&Message>,
    ) {
        let Reply { status, headers, absent, body, details, grpc_status, plugin } = expected;
        let at = "reply";
        if let Some(status) = status.filter(|status| *status != found.status) {
            self.differs(at, "status", status.to_string(), found.status.to_string());
        }
        if let Some(details) = details {
            self.value(at, "details", details, Some(found.details.as_bytes()));
        }
        if let Some(status) = grpc_status.filter(|status| Some(*status) != found.grpc_status) {
            let found =
                found.grpc_status.map_or_else(|| "none".to_owned(), |status| status.to_string());
            self.differs(at, "gRPC status", status.to_string(), found);
        }
        if let Some(plugin) = plugin {
            self.value(at, "plugin", plugin, found.plugin.as_deref().map(str::as_bytes));
        }
        let nothing = Message::default();
        let response = response.unwrap_or(&nothing);
        self.headers(at, headers, absent, &response.headers);
        self.body(at, body.as_ref(), None, response);
    }

    fn status(&mut self, at: &str, expected: u16, headers: &Headers) {
        let found =
            headers.get(":status").map(|status| String::from_utf8_lossy(status).into_owned());
        if found.as_deref() != Some(&expected.to_string()) {
            self.differs(
                at,
                "status",
                expected.to_string(),
                found.unwrap_or_else(|| "none".to_owned()),
            );
        }
    }

    pub(super) fn value(
        &mut self,
        at: &str,
        what: impl std::fmt::Display,
        matcher: &Matcher,
        found: Option<&[u8]>,
    ) {
        if matcher.matches(found) {
            return;
        }
        let (expected, found) = match (matcher, found) {
            (_, None) => (matcher.to_string(), "none".to_owned()),
            (Matcher::Exact(exact), Some(found)) => quoted_pair(exact, found),
            (Matcher::Json(json), Some(found)) => json_pair(json, found),
            (_, Some(found)) => (matcher.to_string(), quoted(found)),
        };
        self.differs(at, what, expected, found);
    }

    pub(super) fn headers(
        &mut self,
        at: &str,
        headers: &BTreeMap<String, Matcher>,
        absent: &[String],
        found: &Headers,
    ) {
        for (name, matcher) in headers {
            self.value(
                at,
                format!("header {name}"),
                matcher,
                found.joined(name.as_bytes()).as_deref(),
            );
        }
        for name in absent {
            self.value(
                at,
                format!("header {name}"),
                &Matcher::Present(false),
                found.joined(name.as_bytes()).as_deref(),
            );
        }
    }

    /// Headers that the test does not name must be there as they were sent, and no others.
    fn unchanged<'a>(
        &mut self,
        at: &str,
        named: impl Iterator<Item = &'a str>,
        sent: &Headers,
        found: &Headers,
    ) {
        let named: Vec<&str> = named.collect();
        let mut names: Vec<&[u8]> = sent.iter().chain(found.iter()).map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        for name in names
            .into_iter()
            .filter(|name| !named.iter().any(|named| named.as_bytes().eq_ignore_ascii_case(name)))
        {
            let (sent, found): (Vec<_>, Vec<_>) =
                (sent.get_all(name).collect(), found.get_all(name).collect());
            if sent != found {
                let what = format!(
                    "header {}, which the test does not name",
                    String::from_utf8_lossy(name)
                );
                self.differs(at, what, quoted_list(sent), quoted_list(found));
            }
        }
    }

    fn body(
        &mut self,
        at: &str,
        expected: Option<&Matcher>,
        sent: Option<&Message>,
        found: &Message,
    ) {
        match (expected, sent) {
            (Some(matcher), _) => self.value(at, "body", matcher, Some(&found.body)),
            (None, Some(sent)) if self.strict && sent.body != found.body => {
                let (sent, found) = quoted_pair(&sent.body, &found.body);
                self.differs(at, "body, which the test does not name", sent, found);
            }
            _ => {}
        }
    }

    fn trailers(
        &mut self,
        at: &str,
        expected: &BTreeMap<String, Matcher>,
        sent: Option<&Message>,
        found: &Message,
    ) {
        for (name, matcher) in expected {
            let value =
                found.trailers.as_ref().and_then(|trailers| trailers.joined(name.as_bytes()));
            self.value(at, format!("trailer {name}"), matcher, value.as_deref());
        }
        if let (true, Some(sent)) = (self.strict, sent) {
            let none = Headers::default();
            let (sent, found) =
                (sent.trailers.as_ref().unwrap_or(&none), found.trailers.as_ref().unwrap_or(&none));
            self.unchanged(
                &format!("{at} trailers"),
                expected.keys().map(String::as_str),
                sent,
                found,
            );
        }
    }
}

fn names<'a>(
    headers: &'a BTreeMap<String, Matcher>,
    absent: &'a [String],
) -> impl Iterator<Item = &'a str> {
    headers.keys().chain(absent).map(String::as_str)
}

/// Two JSON values where they first differ.
fn json_pair(expected: &serde_json::Value, found: &[u8]) -> (String, String) {
    let difference =
        serde_json::from_slice(found).ok().and_then(|found| json_difference(expected, &found));
    let Some((at, expected_there, found_there)) = difference else {
        return (format!("the JSON {expected}"), quoted(found));
    };
    let there = |value: Option<serde_json::Value>| {
        value.map_or_else(|| "nothing".to_owned(), |value| value.to_string())
    };
    let place = if at.is_empty() { String::new() } else { format!(" at {at}") };
    (format!("{}{place}", there(expected_there)), there(found_there) + &place)
}
