//! From the tree of a tests file to a [`Suite`].

use super::counters::is_counter;
use super::error::SuiteError;
use super::fields::{At, Errors, Fields};
use super::model::{
    Case, DEFAULT_SOURCE, Expect, Forward, Outcome, Reply, Request, Route, Routes, Suite,
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
    let fields = at.fields(errors, &["name", "request", "expect"])?;
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
    let expect = fields.require(errors, "expect").and_then(|at| expect(&at, routes, errors));
    let span = name_at?.span(errors);
    Some(Case { name: title?.to_owned(), span, request: request?, expect: expect? })
}

fn request(at: &At<'_>, errors: &mut Errors<'_>) -> Option<Request> {
    let fields = at.fields(errors, &["method", "authority", "path", "headers", "source"])?;
    let method = fields.get("method").map_or(Some("GET"), |at| method(&at, errors));
    let authority = fields.require(errors, "authority").and_then(|at| authority(&at, errors));
    let path = fields.get("path").map_or(Some("/"), |at| path(&at, errors));
    let headers = headers(&fields, errors);
    let source = fields.get("source").map_or(Some(DEFAULT_SOURCE), |at| address(&at, errors));
    let fields = headers
        .into_iter()
        .flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)));
    Some(Request {
        method: method?.to_owned(),
        authority: authority?.to_owned(),
        path: path?.to_owned(),
        headers: fields.collect(),
        source: source?,
    })
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

/// The field `headers`: names in lower case with all their values.
fn headers(fields: &Fields<'_>, errors: &mut Errors<'_>) -> Vec<(String, Vec<String>)> {
    let mut headers: Vec<(String, Vec<String>)> = Vec::new();
    let entries = fields.get("headers").map(|at| at.entries(errors)).unwrap_or_default();
    for (key, at) in entries {
        let Some(name) = header_name(key, &at, errors) else { continue };
        if headers.iter().any(|(earlier, _)| *earlier == name) {
            at.error_at_key(errors, &SuiteError::DuplicateHeader(name.clone()));
        }
        let values = at.one_or_more(errors).unwrap_or_default();
        let values = values.iter().filter_map(|at| header_value(at, errors)).collect();
        headers.push((name, values));
    }
    headers
}

fn header_name(text: &str, at: &At<'_>, errors: &mut Errors<'_>) -> Option<String> {
    let name = text.to_ascii_lowercase();
    let field = match name.as_str() {
        "host" | ":authority" => Some("authority"),
        ":path" => Some("path"),
        ":method" => Some("method"),
        _ => None,
    };
    let error = match field {
        Some(field) => SuiteError::HeaderHasField { name, field },
        None if is_token(&name) => return Some(name),
        None => SuiteError::HeaderName(text.to_owned()),
    };
    at.error_at_key(errors, &error);
    None
}

fn header_value(at: &At<'_>, errors: &mut Errors<'_>) -> Option<String> {
    let text = at.text_or_number(errors)?;
    let blank = [' ', '\t'];
    let valid = !text.chars().any(|c| c.is_control() && c != '\t')
        && !text.starts_with(blank)
        && !text.ends_with(blank);
    if !valid {
        at.error(errors, &SuiteError::HeaderValue);
    }
    valid.then(|| text.to_owned())
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn expect(at: &At<'_>, routes: &Routes, errors: &mut Errors<'_>) -> Option<Expect> {
    let fields = at.fields(errors, &["forward", "reply", "counters"])?;
    let outcome = match (fields.get("forward"), fields.get("reply")) {
        (Some(at), None) => forward(&at, routes, errors).map(Outcome::Forward),
        (None, Some(at)) => reply(&at, errors).map(Outcome::Reply),
        _ => {
            fields.at().error(errors, &SuiteError::ForwardOrReply);
            None
        }
    };
    let counters = fields.get("counters").map(|at| counters(&at, errors));
    Some(Expect { outcome: outcome?, counters })
}

fn forward(at: &At<'_>, routes: &Routes, errors: &mut Errors<'_>) -> Option<Forward> {
    let fields = at.fields(errors, &["authority", "path", "headers", "absent", "upstream"])?;
    let authority = fields.get("authority").and_then(|at| authority(&at, errors));
    let path = fields.get("path").and_then(|at| path(&at, errors));
    let headers = headers(&fields, errors);
    let mut absent: Vec<String> = Vec::new();
    for at in fields.get("absent").and_then(|at| at.elements(errors)).unwrap_or_default() {
        let Some(name) = at.text(errors).and_then(|text| header_name(text, &at, errors)) else {
            continue;
        };
        if headers.iter().any(|(present, _)| *present == name) {
            at.error(errors, &SuiteError::PresentAndAbsent(name.clone()));
        }
        absent.push(name);
    }
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
