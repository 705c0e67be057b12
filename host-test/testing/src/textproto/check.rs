//! Compares the outcome of a phase with the test's expectation, by the rules of Google's runner: a
//! matcher needs one text of several that equals it, or that its pattern matches whole; an inverted
//! one needs that there is none.

use bytes::Bytes;
use gatepost_diagnostics::Diagnostic;

use super::map::HeaderMap;
use super::read::Suite;
use super::schema;
use super::schema::{Expectation, Header, HeadersMatcher, Immediate, Matcher, StringMatcher};
use crate::quote::{quoted, quoted_list, quoted_pair};
use crate::re2::FullMatch;
use crate::report::mismatch;

/// The outcome of a phase.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// The headers: the message's, or the reply's.
    pub(super) headers: HeaderMap,
    /// The message's headers, also when there was a reply.
    pub(super) message: HeaderMap,
    pub(super) body: Bytes,
    /// Why the message did not go on, if it did not. A phase without a header callback lets it.
    pub(super) stopped: Option<&'static str>,
    pub(super) reply: Option<Reply>,
    pub(super) log: Vec<Bytes>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    pub(super) http_status: u32,
    pub(super) grpc_status: u32,
    pub(super) details: Bytes,
    pub(super) body: Bytes,
    pub(super) headers: HeaderMap,
}

/// Collects the mismatches of one phase.
pub(super) struct Check<'a> {
    pub(super) suite: &'a Suite,
    pub(super) phase: &'a str,
    pub(super) mismatches: Vec<Diagnostic>,
}

impl Check<'_> {
    fn differs(
        &mut self,
        what: impl std::fmt::Display,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) {
        self.mismatches.push(mismatch(self.phase, what, expected, found));
    }

    /// Everything that a test can expect of a phase.
    pub(super) fn phase(&mut self, expected: &Expectation, outcome: &Outcome) {
        self.has_headers(&expected.has_header, &outcome.headers);
        self.no_headers(&expected.no_header, &outcome.headers);
        for matcher in &expected.headers {
            // A group is compared with the message, a line with the reply when there is one.
            let group = !(matcher.has_header.is_empty()
                && matcher.no_header.is_empty()
                && matcher.headers_serialized.is_empty());
            self.headers(matcher, if group { &outcome.message } else { &outcome.headers });
        }
        for matcher in &expected.body {
            self.text("body", matcher, std::slice::from_ref(&outcome.body));
        }
        self.immediate(expected.immediate.as_ref(), outcome);
        self.log(expected, &outcome.log);
    }

    /// Everything that a test can expect of the start and the end of a stream or a plugin.
    pub(super) fn log(&mut self, expected: &Expectation, log: &[Bytes]) {
        for matcher in &expected.log {
            self.text("log", matcher, log);
        }
    }

    fn has_headers(&mut self, expected: &[Header], found: &HeaderMap) {
        for Header { key, value } in expected {
            match found.get(key.as_bytes()) {
                _ if key.is_empty() => {
                    self.differs("has_header", "a key", "none: this expectation names no header");
                }
                None => self.differs(format!("header {key}"), quoted(value), "none"),
                Some(have) if have != value => {
                    let (expected, found) = quoted_pair(value, have);
                    self.differs(format!("header {key}"), expected, found);
                }
                Some(_) => {}
            }
        }
    }

    fn no_headers(&mut self, expected: &[Header], found: &HeaderMap) {
        for Header { key, .. } in expected {
            match found.get(key.as_bytes()) {
                _ if key.is_empty() => {
                    self.differs("no_header", "a key", "none: this expectation names no header");
                }
                Some(have) => self.differs(format!("header {key}"), "none", quoted(have)),
                None => {}
            }
        }
    }

    fn headers(&mut self, matcher: &HeadersMatcher, found: &HeaderMap) {
        let HeadersMatcher { invert, matcher, has_header, no_header, headers_serialized } = matcher;
        self.has_headers(has_header, found);
        self.no_headers(no_header, found);
        let lines = found.lines();
        for matcher in headers_serialized {
            self.text("header", matcher, &lines);
        }
        let is_group =
            !(has_header.is_empty() && no_header.is_empty() && headers_serialized.is_empty());
        if matcher.is_some() || !is_group {
            let matcher = StringMatcher { invert: *invert, matcher: matcher.clone() };
            self.text("header", &matcher, &lines);
        }
    }

    fn immediate(&mut self, expected: Option<&Immediate>, outcome: &Outcome) {
        let Some(expected) = expected else {
            if let Some(reply) = &outcome.reply {
                self.differs("outcome", "no immediate response", describe(reply));
            } else if let Some(why) = outcome.stopped {
                self.differs("outcome", "the message goes on", why);
            }
            return;
        };
        let Some(reply) = &outcome.reply else {
            let found = outcome.stopped.unwrap_or("the message went on");
            return self.differs("outcome", "an immediate response", found);
        };
        let Immediate { http_status, grpc_status, details, body, headers } = expected;
        if let Some(status) = http_status.filter(|status| *status != reply.http_status) {
            self.differs("HTTP status", status.to_string(), reply.http_status.to_string());
        }
        if let Some(status) = grpc_status.filter(|status| *status != reply.grpc_status) {
            self.differs("gRPC status", status.to_string(), grpc(reply.grpc_status));
        }
        // The host keeps details as a proxy's access log would show them, without white space.
        let shown = |text: &[u8]| {
            text.iter()
                .map(|b| if b.is_ascii_whitespace() { b'_' } else { *b })
                .collect::<Vec<u8>>()
        };
        if let Some(details) =
            details.as_ref().filter(|details| shown(details.as_bytes()) != shown(&reply.details))
        {
            self.differs("details", quoted(details.as_bytes()), quoted(&reply.details));
        }
        for matcher in body {
            self.text("body", matcher, std::slice::from_ref(&reply.body));
        }
        if let Some(headers) = headers {
            self.headers(headers, &reply.headers);
        }
    }

    fn text(&mut self, what: &str, matcher: &StringMatcher, found: &[Bytes]) {
        let wanted = match &matcher.matcher {
            Some(Matcher::Exact(exact)) => Wanted::Exact(Bytes::copy_from_slice(exact)),
            Some(Matcher::File(file)) => match self.suite.read(file) {
                Ok(exact) => Wanted::Exact(exact),
                Err(error) => {
                    return self.differs(what, format!("what is in {file}"), error.to_string());
                }
            },
            Some(Matcher::Regex(regex)) => match FullMatch::new(regex) {
                Ok(compiled) => Wanted::Match(compiled, regex.clone()),
                Err(error) => {
                    let last = error.to_string().lines().last().unwrap_or_default().to_owned();
                    return self.differs(
                        what,
                        format!("a text that matches {regex:?}"),
                        format!("no regular expression: {last}"),
                    );
                }
            },
            None => {
                return self.differs(
                    what,
                    "one of exact, regex and file",
                    "none: this matcher says nothing",
                );
            }
        };
        let fits = |text: &Bytes| match &wanted {
            Wanted::Exact(exact) => text == exact,
            Wanted::Match(regex, _) => regex.matches(text),
        };
        if found.iter().any(fits) != matcher.invert {
            return;
        }
        let all = || quoted_list(found.iter().map(|text| &text[..]));
        let (expected, found) = match (&wanted, found) {
            (Wanted::Exact(exact), [only]) if !matcher.invert => quoted_pair(exact, only),
            (Wanted::Exact(exact), _) => (quoted(exact), all()),
            (Wanted::Match(_, regex), _) => {
                (format!("a match of {}", quoted(regex.as_bytes())), all())
            }
        };
        let without = if matcher.invert { "nothing like " } else { "" };
        self.differs(what, format!("{without}{expected}"), found);
    }
}

/// What a text has to be.
enum Wanted {
    Exact(Bytes),
    Match(FullMatch, String),
}

/// What a plugin gives for no gRPC status.
pub(super) const NO_GRPC_STATUS: u32 = u32::MAX;

fn grpc(status: u32) -> String {
    if status == NO_GRPC_STATUS { "none".to_owned() } else { status.to_string() }
}

fn describe(reply: &Reply) -> String {
    let details = if reply.details.is_empty() {
        String::new()
    } else {
        format!(" ({})", quoted(&reply.details))
    };
    format!(
        "an immediate response {}{details} with the body {}",
        reply.http_status,
        quoted(&reply.body)
    )
}

impl schema::Test {
    /// What a test expects of a phase. A missing expectation still expects that the message goes
    /// on.
    pub(super) fn expectation(invocation: &schema::Invocation) -> Expectation {
        invocation.result.clone().unwrap_or_default()
    }
}
