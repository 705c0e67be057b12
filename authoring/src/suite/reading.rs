//! From the tree of a tests file to a [`Suite`].

use super::fault::{SuiteFault, is_counter};
use super::fields::{At, Fields, Findings};
use super::{Case, DEFAULT_SOURCE, Expect, Forward, Outcome, Reply, Request, Route, Routes, Suite};
use crate::diagnostic::{Report, from_reading};
use crate::read::read;
use crate::source::Source;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

pub(super) fn suite(source: Source) -> Result<Suite, Report> {
    let source = Arc::new(source);
    let reading = read(&source);
    let mut findings = Findings {
        source: &source,
        reading: &reading,
        diagnostics: from_reading(&source, &reading),
    };
    let read = reading.root.as_ref().and_then(|root| file(&At::root(root), &mut findings));
    let diagnostics = findings.diagnostics;
    match read {
        Some((routes, cases)) if diagnostics.is_empty() => Ok(Suite { source, routes, cases }),
        _ => Err(Report::new(source, diagnostics)),
    }
}

fn file(root: &At<'_>, findings: &mut Findings<'_>) -> Option<(Routes, Vec<Case>)> {
    let fields = root.fields(findings, &["routes", "tests"])?;
    let routes = fields.get("routes").map(|at| routes(&at, findings)).unwrap_or_default();
    let tests = fields.require(findings, "tests")?;
    let elements = tests.elements(findings)?;
    if elements.is_empty() {
        tests.fault(findings, &SuiteFault::EmptyList);
    }
    let mut lines = HashMap::new();
    let cases = elements
        .iter()
        .filter_map(|element| case(element, &routes, &mut lines, findings))
        .collect();
    Some((routes, cases))
}

fn routes(at: &At<'_>, findings: &mut Findings<'_>) -> Routes {
    let mut routes: Vec<Route> = Vec::new();
    for (key, value) in at.entries(findings) {
        let host = key.to_ascii_lowercase();
        if !is_route_host(&host) {
            value.fault_at_key(findings, &SuiteFault::RouteHost(key.to_owned()));
        } else if routes.iter().any(|route| route.host == host) {
            value.fault_at_key(findings, &SuiteFault::DuplicateRoute(host.clone()));
        }
        if let Some(upstream) = name(&value, findings) {
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
fn name<'n>(at: &At<'n>, findings: &mut Findings<'_>) -> Option<&'n str> {
    let text = at.text(findings)?;
    if text.trim().is_empty() {
        at.fault(findings, &SuiteFault::EmptyText);
        return None;
    }
    Some(text)
}

fn case(
    at: &At<'_>,
    routes: &Routes,
    lines: &mut HashMap<String, usize>,
    findings: &mut Findings<'_>,
) -> Option<Case> {
    let fields = at.fields(findings, &["name", "request", "expect"])?;
    let name_at = fields.require(findings, "name");
    let title = name_at.as_ref().and_then(|at| name(at, findings));
    if let (Some(at), Some(title)) = (&name_at, title) {
        let line = findings.source.line(at.span(findings).start);
        match lines.get(title) {
            Some(first_line) => {
                at.fault(findings, &SuiteFault::DuplicateName { first_line: *first_line })
            }
            None => drop(lines.insert(title.to_owned(), line)),
        }
    }
    let request = fields.require(findings, "request").and_then(|at| request(&at, findings));
    let expect = fields.require(findings, "expect").and_then(|at| expect(&at, routes, findings));
    let at = findings.source.position(name_at?.span(findings).start);
    Some(Case { name: title?.to_owned(), at, request: request?, expect: expect? })
}

fn request(at: &At<'_>, findings: &mut Findings<'_>) -> Option<Request> {
    let fields = at.fields(findings, &["method", "authority", "path", "headers", "source"])?;
    let method = fields.get("method").map_or(Some("GET"), |at| method(&at, findings));
    let authority = fields.require(findings, "authority").and_then(|at| authority(&at, findings));
    let path = fields.get("path").map_or(Some("/"), |at| path(&at, findings));
    let headers = headers(&fields, findings);
    let source = fields.get("source").map_or(Some(DEFAULT_SOURCE), |at| address(&at, findings));
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

fn method<'n>(at: &At<'n>, findings: &mut Findings<'_>) -> Option<&'n str> {
    let text = at.text(findings)?;
    let valid = is_token(text) && !text.bytes().any(|byte| byte.is_ascii_lowercase());
    if !valid {
        at.fault(findings, &SuiteFault::Method(text.to_owned()));
    }
    valid.then_some(text)
}

/// Anything that a client could send, for refusals are tested too.
fn authority<'n>(at: &At<'n>, findings: &mut Findings<'_>) -> Option<&'n str> {
    let text = at.text(findings)?;
    let valid = !text.chars().any(char::is_control);
    if !valid {
        at.fault(findings, &SuiteFault::Authority);
    }
    valid.then_some(text)
}

fn path<'n>(at: &At<'n>, findings: &mut Findings<'_>) -> Option<&'n str> {
    let text = at.text(findings)?;
    let valid =
        (text.starts_with('/') || text == "*") && !text.chars().any(|c| c.is_control() || c == ' ');
    if !valid {
        at.fault(findings, &SuiteFault::Path(text.to_owned()));
    }
    valid.then_some(text)
}

fn address(at: &At<'_>, findings: &mut Findings<'_>) -> Option<IpAddr> {
    let text = at.text_or_number(findings)?;
    let address = text.parse().ok();
    if address.is_none() {
        at.fault(findings, &SuiteFault::Address(text.to_owned()));
    }
    address
}

/// The field `headers`: names in lower case with all their values.
fn headers(fields: &Fields<'_>, findings: &mut Findings<'_>) -> Vec<(String, Vec<String>)> {
    let mut headers: Vec<(String, Vec<String>)> = Vec::new();
    let entries = fields.get("headers").map(|at| at.entries(findings)).unwrap_or_default();
    for (key, at) in entries {
        let Some(name) = header_name(key, &at, findings) else { continue };
        if headers.iter().any(|(earlier, _)| *earlier == name) {
            at.fault_at_key(findings, &SuiteFault::DuplicateHeader(name.clone()));
        }
        let values = at.one_or_more(findings).unwrap_or_default();
        let values = values.iter().filter_map(|at| header_value(at, findings)).collect();
        headers.push((name, values));
    }
    headers
}

fn header_name(text: &str, at: &At<'_>, findings: &mut Findings<'_>) -> Option<String> {
    let name = text.to_ascii_lowercase();
    let field = match name.as_str() {
        "host" | ":authority" => Some("authority"),
        ":path" => Some("path"),
        ":method" => Some("method"),
        _ => None,
    };
    let fault = match field {
        Some(field) => SuiteFault::HeaderHasField { name, field },
        None if is_token(&name) => return Some(name),
        None => SuiteFault::HeaderName(text.to_owned()),
    };
    at.fault_at_key(findings, &fault);
    None
}

fn header_value(at: &At<'_>, findings: &mut Findings<'_>) -> Option<String> {
    let text = at.text_or_number(findings)?;
    let blank = [' ', '\t'];
    let valid = !text.chars().any(|c| c.is_control() && c != '\t')
        && !text.starts_with(blank)
        && !text.ends_with(blank);
    if !valid {
        at.fault(findings, &SuiteFault::HeaderValue);
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

fn expect(at: &At<'_>, routes: &Routes, findings: &mut Findings<'_>) -> Option<Expect> {
    let fields = at.fields(findings, &["forward", "reply", "counters"])?;
    let outcome = match (fields.get("forward"), fields.get("reply")) {
        (Some(at), None) => forward(&at, routes, findings).map(Outcome::Forward),
        (None, Some(at)) => reply(&at, findings).map(Outcome::Reply),
        _ => {
            fields.at().fault(findings, &SuiteFault::ForwardOrReply);
            None
        }
    };
    let counters = fields.get("counters").map(|at| counters(&at, findings));
    Some(Expect { outcome: outcome?, counters })
}

fn forward(at: &At<'_>, routes: &Routes, findings: &mut Findings<'_>) -> Option<Forward> {
    let fields = at.fields(findings, &["authority", "path", "headers", "absent", "upstream"])?;
    let authority = fields.get("authority").and_then(|at| authority(&at, findings));
    let path = fields.get("path").and_then(|at| path(&at, findings));
    let headers = headers(&fields, findings);
    let mut absent: Vec<String> = Vec::new();
    for at in fields.get("absent").and_then(|at| at.elements(findings)).unwrap_or_default() {
        let Some(name) = at.text(findings).and_then(|text| header_name(text, &at, findings)) else {
            continue;
        };
        if headers.iter().any(|(present, _)| *present == name) {
            at.fault(findings, &SuiteFault::PresentAndAbsent(name.clone()));
        }
        absent.push(name);
    }
    let upstream = fields.get("upstream").and_then(|at| upstream(&at, routes, findings));
    Some(Forward {
        authority: authority.map(str::to_owned),
        path: path.map(str::to_owned),
        headers,
        absent,
        upstream,
    })
}

fn upstream(at: &At<'_>, routes: &Routes, findings: &mut Findings<'_>) -> Option<String> {
    let name = name(at, findings)?;
    if !routes.iter().any(|route| route.upstream == name) {
        let mut seen = HashSet::new();
        let known = routes
            .iter()
            .map(|route| route.upstream.clone())
            .filter(|name| seen.insert(name.clone()))
            .collect();
        at.fault(findings, &SuiteFault::UnknownUpstream { name: name.to_owned(), known });
    }
    Some(name.to_owned())
}

fn reply(at: &At<'_>, findings: &mut Findings<'_>) -> Option<Reply> {
    let fields = at.fields(findings, &["status", "details", "grpcStatus", "body"])?;
    let status = fields.require(findings, "status").and_then(|at| at.integer(findings, 200, 599));
    let details = fields.get("details").and_then(|at| name(&at, findings));
    let grpc_status = fields.get("grpcStatus").and_then(|at| at.integer(findings, 0, 16));
    let body = fields.get("body").and_then(|at| at.text(findings));
    Some(Reply {
        status: status?,
        details: details.map(str::to_owned),
        grpc_status: grpc_status.and_then(|code| u8::try_from(code).ok()),
        body: body.map(str::to_owned),
    })
}

fn counters(at: &At<'_>, findings: &mut Findings<'_>) -> Vec<String> {
    let mut counters: Vec<String> = Vec::new();
    for at in at.elements(findings).unwrap_or_default() {
        let Some(name) = at.text(findings) else { continue };
        if !is_counter(name) {
            at.fault(findings, &SuiteFault::UnknownCounter(name.to_owned()));
        } else if counters.iter().any(|earlier| earlier == name) {
            at.fault(findings, &SuiteFault::DuplicateCounter(name.to_owned()));
        }
        counters.push(name.to_owned());
    }
    counters
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
