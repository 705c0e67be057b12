//! The headers of a tests file: those that a request or a response has, and those that it must
//! have or lack.

use super::error::SuiteError;
use super::fields::{At, Errors, Fields};

/// What the headers belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    Request,
    Response,
}

/// The headers of one connection (RFC 9110 §7.6.1), which a gateway does not pass on.
const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The field `headers`: names in lower case with all their values.
pub(super) fn headers(
    fields: &Fields<'_>,
    message: Message,
    errors: &mut Errors<'_>,
) -> Vec<(String, Vec<String>)> {
    let mut headers: Vec<(String, Vec<String>)> = Vec::new();
    let entries = fields.get("headers").map(|at| at.entries(errors)).unwrap_or_default();
    for (key, at) in entries {
        let Some(name) = name(key, message, &at, errors) else { continue };
        if headers.iter().any(|(earlier, _)| *earlier == name) {
            at.error_at_key(errors, &SuiteError::DuplicateHeader(name.clone()));
        }
        let values = at.one_or_more(errors).unwrap_or_default();
        let values = values.iter().filter_map(|at| value(at, errors)).collect();
        headers.push((name, values));
    }
    headers
}

/// The field `absent`: names in lower case, none of them in `headers`.
pub(super) fn absent(
    fields: &Fields<'_>,
    message: Message,
    headers: &[(String, Vec<String>)],
    errors: &mut Errors<'_>,
) -> Vec<String> {
    let mut absent = Vec::new();
    for at in fields.get("absent").and_then(|at| at.elements(errors)).unwrap_or_default() {
        let Some(name) = at.text(errors).and_then(|text| name(text, message, &at, errors)) else {
            continue;
        };
        if headers.iter().any(|(present, _)| *present == name) {
            at.error(errors, &SuiteError::PresentAndAbsent(name.clone()));
        }
        absent.push(name);
    }
    absent
}

/// A line for each value.
pub(super) fn lines(headers: Vec<(String, Vec<String>)>) -> Vec<(String, String)> {
    let lines = headers
        .into_iter()
        .flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)));
    lines.collect()
}

fn name(text: &str, message: Message, at: &At<'_>, errors: &mut Errors<'_>) -> Option<String> {
    let name = text.to_ascii_lowercase();
    let has_field = |field| SuiteError::HeaderHasField { name: name.clone(), field };
    let is_none = |why| SuiteError::NotInResponse { name: name.clone(), why };
    let error = match (message, name.as_str()) {
        (Message::Request, "host" | ":authority") => has_field("authority"),
        (Message::Request, ":path") => has_field("path"),
        (Message::Request, ":method") => has_field("method"),
        (Message::Response, ":status") => has_field("status"),
        (Message::Response, "host") => is_none("only requests have it"),
        (Message::Response, "content-length") => is_none("it follows from the body"),
        (Message::Response, hop) if HOP_BY_HOP.contains(&hop) => {
            is_none("it belongs to one connection, so gateways do not pass it on")
        }
        (_, token) if is_token(token) => return Some(name),
        _ => SuiteError::HeaderName(text.to_owned()),
    };
    at.error_at_key(errors, &error);
    None
}

fn value(at: &At<'_>, errors: &mut Errors<'_>) -> Option<String> {
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
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
