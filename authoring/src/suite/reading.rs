//! From the tree of a tests file to a [`Suite`].

use super::counters::is_counter;
use super::error::SuiteError;
use super::fields::{At, Errors};
use super::headers::{Message, absent, headers, is_token, lines};
use super::model::{
    Case, DEFAULT_SOURCE, Expect, ExpectedResponse, Forward, Outcome, Reply, Request, Response,
    Route, Routes, Suite,
};
use crate::read::read;
use gatepost_diagnostics::{FileError, Report, Source, Span};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

impl Suite {
    /// Reads the file at `path`, YAML or JSON.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        Ok(suite(Source::read(path)?)?)
    }

    /// Reads a text; `name` is what diagnostics call the file.
    pub fn parse(name: &str, text: &str) -> Result<Self, Report> {
        suite(Source::new(name, text))
    }
}

fn suite(source: Source) -> Result<Suite, Report> {
    let source = Arc::new(source);
    let reading = read(&source);
    let mut errors =
        Errors { source: &source, reading: &reading, diagnostics: reading.errors.clone() };
    let read = reading.root.as_ref().and_then(|root| file(&At::root(root), &mut errors));
    let diagnostics = errors.diagnostics;
    match read {
        Some((routes, cases)) if diagnostics.is_empty() => Ok(Suite { source, routes, cases }),
        _ => Err(Report::new(source, diagnostics)),
    }
}

fn file(root: &At<'_>, errors: &mut Errors<'_>) -> Option<(Routes, Vec<Case>)> {
    let fields = root.fields(errors, &["routes", "tests"])?;
    let routes = fields.get("routes").map(|at| routes(&at, errors)).unwrap_or_default();
    let tests = fields.require(errors, "tests")?;
    let elements = tests.elements(errors)?;
    if elements.is_empty() {
        tests.error(errors, &SuiteError::EmptyList);
    }
    let mut names = HashMap::new();
    let cases =
        elements.iter().filter_map(|element| case(element, &routes, &mut names, errors)).collect();
    Some((routes, cases))
}

fn routes(at: &At<'_>, errors: &mut Errors<'_>) -> Routes {
    let mut routes: Vec<Route> = Vec::new();
    for (key, value) in at.entries(errors) {
        let host = key.to_ascii_lowercase();
        if !is_route_host(&host) {
            value.error_at_key(errors, &SuiteError::RouteHost(key.to_owned()));
        } else if routes.iter().any(|route| route.host == host) {
            value.error_at_key(errors, &SuiteError::DuplicateRoute(host.clone()));
        }
        if let Some(upstream) = name(&value, errors) {
            routes.push(Route { host, upstream: upstream.to_owned() });
        }
    }
    Routes(routes)
}

fn is_route_host(host: &str) -> bool {
    let is_name = |name: &str| {
        let labels = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        name.split('.').all(labels)
    };
    let is_ipv6 = |name: &str| {
        let literal = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        literal.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
    };
    host == "*" || is_ipv6(host) || is_name(host.strip_prefix("*.").unwrap_or(host))
}

/// A text that is not empty.
fn name<'n>(at: &At<'n>, errors: &mut Errors<'_>) -> Option<&'n str> {
    let text = at.text(errors)?;
    if text.trim().is_empty() {
        at.error(errors, &SuiteError::EmptyText);
        return None;
    }
    Some(text)
}

fn case(
    at: &At<'_>,
    routes: &Routes,
    names: &mut HashMap<String, Span>,
    errors: &mut Errors<'_>,
) -> Option<Case> {
    let fields = at.fields(errors, &["name", "request", "response", "expect"])?;
    let name_at = fields.require(errors, "name");
    let title = name_at.as_ref().and_then(|at| name(at, errors));
    if let (Some(at), Some(title)) = (&name_at, title) {
        match names.get(title).copied() {
            Some(first) => {
                let first_line = errors.source.line(first.start);
                at.error(errors, &SuiteError::DuplicateName { first, first_line });
            }
            None => drop(names.insert(title.to_owned(), at.span(errors))),
        }
    }
    let request = fields.require(errors, "request").and_then(|at| request(&at, errors));
    let response_at = fields.get("response");
    let response = response_at.as_ref().and_then(|at| response(at, errors));
    let expect = fields.require(errors, "expect").and_then(|at| expect(&at, routes, errors));
    if let (Some(at), Some(Expect { outcome: Outcome::Reply(_), .. })) = (&response_at, &expect) {
        at.error_at_key(errors, &SuiteError::ResponseOfReply);
    }
    let span = name_at?.span(errors);
    Some(Case { name: title?.to_owned(), span, request: request?, response, expect: expect? })
}

fn request(at: &At<'_>, errors: &mut Errors<'_>) -> Option<Request> {
    let fields = at.fields(errors, &["method", "authority", "path", "headers", "source"])?;
    let method = fields.get("method").map_or(Some("GET"), |at| method(&at, errors));
    let authority = fields.require(errors, "authority").and_then(|at| authority(&at, errors));
    let path = fields.get("path").map_or(Some("/"), |at| path(&at, errors));
    let headers = headers(&fields, Message::Request, errors);
    let source = fields.get("source").map_or(Some(DEFAULT_SOURCE), |at| address(&at, errors));
    Some(Request {
        method: method?.to_owned(),
        authority: authority?.to_owned(),
        path: path?.to_owned(),
        headers: lines(headers),
        source: source?,
    })
}

fn response(at: &At<'_>, errors: &mut Errors<'_>) -> Option<Response> {
    let fields = at.fields(errors, &["status", "headers"])?;
    let status = fields.get("status").map_or(Some(200), |at| at.integer(errors, 200, 599));
    let headers = headers(&fields, Message::Response, errors);
    Some(Response { status: status?, headers: lines(headers) })
}

fn method<'n>(at: &At<'n>, errors: &mut Errors<'_>) -> Option<&'n str> {
    let text = at.text(errors)?;
    let valid = is_token(text) && !text.bytes().any(|byte| byte.is_ascii_lowercase());
    if !valid {
        at.error(errors, &SuiteError::Method(text.to_owned()));
    }
    valid.then_some(text)
}

/// Anything that a client could send, for refusals are tested too.
fn authority<'n>(at: &At<'n>, errors: &mut Errors<'_>) -> Option<&'n str> {
    let text = at.text(errors)?;
    let valid = !text.chars().any(char::is_control);
    if !valid {
        at.error(errors, &SuiteError::Authority);
    }
    valid.then_some(text)
}

fn path<'n>(at: &At<'n>, errors: &mut Errors<'_>) -> Option<&'n str> {
    let text = at.text(errors)?;
    let valid =
        (text.starts_with('/') || text == "*") && !text.chars().any(|c| c.is_control() || c == ' ');
    if !valid {
        at.error(errors, &SuiteError::Path(text.to_owned()));
    }
    valid.then_some(text)
}

fn address(at: &At<'_>, errors: &mut Errors<'_>) -> Option<IpAddr> {
    let text = at.text_or_number(errors)?;
    let address = text.parse().ok();
    if address.is_none() {
        at.error(errors, &SuiteError::Address(text.to_owned()));
    }
    address
}

fn expect(at: &At<'_>, routes: &Routes, errors: &mut Errors<'_>) -> Option<Expect> {
    let fields = at.fields(errors, &["forward", "reply", "response", "counters"])?;
    let outcome = match (fields.get("forward"), fields.get("reply")) {
        (Some(at), None) => forward(&at, routes, errors).map(Outcome::Forward),
        (None, Some(at)) => reply(&at, errors).map(Outcome::Reply),
        _ => {
            fields.at().error(errors, &SuiteError::ForwardOrReply);
            None
        }
    };
    let response = fields.get("response").and_then(|at| expected_response(&at, errors));
    let counters = fields.get("counters").map(|at| counters(&at, errors));
    Some(Expect { outcome: outcome?, response, counters })
}

fn expected_response(at: &At<'_>, errors: &mut Errors<'_>) -> Option<ExpectedResponse> {
    let fields = at.fields(errors, &["headers", "absent"])?;
    let headers = headers(&fields, Message::Response, errors);
    let absent = absent(&fields, Message::Response, &headers, errors);
    if ["headers", "absent"].iter().all(|name| fields.get(name).is_none()) {
        at.error(errors, &SuiteError::NothingExpected);
    }
    Some(ExpectedResponse { headers, absent })
}

fn forward(at: &At<'_>, routes: &Routes, errors: &mut Errors<'_>) -> Option<Forward> {
    let fields = at.fields(errors, &["authority", "path", "headers", "absent", "upstream"])?;
    let authority = fields.get("authority").and_then(|at| authority(&at, errors));
    let path = fields.get("path").and_then(|at| path(&at, errors));
    let headers = headers(&fields, Message::Request, errors);
    let absent = absent(&fields, Message::Request, &headers, errors);
    let upstream = fields.get("upstream").and_then(|at| upstream(&at, routes, errors));
    Some(Forward {
        authority: authority.map(str::to_owned),
        path: path.map(str::to_owned),
        headers,
        absent,
        upstream,
    })
}

fn upstream(at: &At<'_>, routes: &Routes, errors: &mut Errors<'_>) -> Option<String> {
    let name = name(at, errors)?;
    if !routes.iter().any(|route| route.upstream == name) {
        let mut seen = HashSet::new();
        let known = routes
            .iter()
            .map(|route| route.upstream.clone())
            .filter(|name| seen.insert(name.clone()))
            .collect();
        at.error(errors, &SuiteError::UnknownUpstream { name: name.to_owned(), known });
    }
    Some(name.to_owned())
}

fn reply(at: &At<'_>, errors: &mut Errors<'_>) -> Option<Reply> {
    let fields = at.fields(errors, &["status", "details", "grpcStatus", "body"])?;
    let status = fields.require(errors, "status").and_then(|at| at.integer(errors, 200, 599));
    let details = fields.get("details").and_then(|at| name(&at, errors));
    let grpc_status = fields.get("grpcStatus").and_then(|at| at.integer(errors, 0, 16));
    let body = fields.get("body").and_then(|at| at.text(errors));
    Some(Reply {
        status: status?,
        details: details.map(str::to_owned),
        grpc_status: grpc_status.and_then(|code| u8::try_from(code).ok()),
        body: body.map(str::to_owned),
    })
}

fn counters(at: &At<'_>, errors: &mut Errors<'_>) -> Vec<String> {
    let mut counters: Vec<String> = Vec::new();
    for at in at.elements(errors).unwrap_or_default() {
        let Some(name) = at.text(errors) else { continue };
        if !is_counter(name) {
            at.error(errors, &SuiteError::UnknownCounter(name.to_owned()));
        } else if counters.iter().any(|earlier| earlier == name) {
            at.error(errors, &SuiteError::DuplicateCounter(name.to_owned()));
        }
        counters.push(name.to_owned());
    }
    counters
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "response_tests.rs"]
mod response_tests;
