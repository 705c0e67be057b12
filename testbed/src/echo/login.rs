//! An application with a login, as frameworks write them: its redirects and cookies name the host
//! that it was asked for, which behind a gateway may be none that the client knows.

use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::request::Parts;
use http::{Response, StatusCode};

use super::identity::Body;
use super::received;

const ACCOUNT: &str = "/.echo/account";
const LOGIN: &str = "/.echo/login";

/// The cookie of a visitor, and that of one who has logged in.
const VISITOR: &str = "visitor";
const SESSION: &str = "session";

/// The account, which only one who has logged in sees: everybody else is sent to the login. Nothing
/// where the page itself is the answer.
pub(super) fn account(parts: &Parts) -> Option<Response<Body>> {
    (!has_cookie(parts, SESSION)).then(|| redirect(parts, LOGIN, VISITOR))
}

/// The login, which everybody passes who keeps cookies, and which leads back to the account.
pub(super) fn login(parts: &Parts) -> Response<Body> {
    if has_cookie(parts, VISITOR) {
        return redirect(parts, ACCOUNT, SESSION);
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

/// A redirect to a page of this application, and a cookie for all its pages.
fn redirect(parts: &Parts, page: &str, cookie: &str) -> Response<Body> {
    let authority = received::authority(parts);
    let host = authority.rsplit_once(':').map_or(authority.as_str(), |(host, _)| host);
    let forwarded = parts.headers.get("x-forwarded-proto").and_then(|scheme| scheme.to_str().ok());
    let scheme = forwarded.unwrap_or("http");
    Response::builder()
        .status(StatusCode::FOUND)
        .header(LOCATION, format!("{scheme}://{authority}{page}"))
        .header(SET_COOKIE, format!("{cookie}=1; Domain={host}; Path=/; HttpOnly"))
        .body(Body::empty())
        .unwrap_or_default()
}

fn has_cookie(parts: &Parts, name: &str) -> bool {
    let lines = parts.headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';'));
    pairs.any(|pair| pair.trim().split_once('=').is_some_and(|(known, _)| known == name))
}
