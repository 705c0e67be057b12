//! Headers written as HTTP/1 text, read into the pseudo-headers and headers that a plugin sees.
//! Lines may end with a line feed alone, and the empty line at the end may be missing; what follows
//! it is ignored.

use url::Url;

use super::map::HeaderMap;

/// What is wrong with such a text.
#[derive(Debug, thiserror::Error)]
pub(super) enum Http1Error {
    #[error("this is no HTTP/1 {what}: {error}")]
    Syntax { what: &'static str, error: httparse::Error },
    #[error("this HTTP/1 {0} has no first line")]
    Incomplete(&'static str),
    #[error("{0:?} is neither a URL nor a path that begins with a slash")]
    Target(String),
}

/// How many headers a text may have.
const MAX_HEADERS: usize = 1000;

pub(super) fn request(text: &[u8]) -> Result<HeaderMap, Http1Error> {
    let text = complete(text);
    let mut space = vec![httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut space);
    parsed.parse(&text).map_err(|error| Http1Error::Syntax { what: "request", error })?;
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
        return Err(Http1Error::Incomplete("request"));
    };
    let host = parsed
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("host"))
        .map(|header| header.value);
    let mut map = HeaderMap::default();
    map.append(b":method", method.as_bytes());
    let named = match Url::parse(target) {
        Ok(url) if url.has_host() => {
            map.append(b":scheme", url.scheme().as_bytes());
            map.append(b":path", path(&url).as_bytes());
            let host = url.host_str().unwrap_or_default();
            let authority =
                url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
            map.append(b":authority", authority.as_bytes());
            true
        }
        _ => {
            // A path that a URL parser would change is not what a client can send.
            let kept = Url::parse("http://example.com")
                .and_then(|base| base.join(target))
                .is_ok_and(|url| path(&url) == target);
            if !kept {
                return Err(Http1Error::Target(target.to_owned()));
            }
            map.append(b":path", target.as_bytes());
            let host = host.filter(|host| !host.is_empty());
            if let Some(host) = host {
                map.append(b":authority", host);
            }
            host.is_some()
        }
    };
    append(&mut map, parsed.headers, named);
    Ok(map)
}

pub(super) fn response(text: &[u8]) -> Result<HeaderMap, Http1Error> {
    let text = complete(text);
    let mut space = vec![httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut space);
    httparse::ParserConfig::default()
        .allow_obsolete_multiline_headers_in_responses(true)
        .parse_response(&mut parsed, &text)
        .map_err(|error| Http1Error::Syntax { what: "response", error })?;
    let mut map = HeaderMap::default();
    let status = parsed.code.ok_or(Http1Error::Incomplete("response"))?;
    map.append(b":status", status.to_string().as_bytes());
    append(&mut map, parsed.headers, false);
    Ok(map)
}

/// The text with an empty line at its end: one more than there may be does no harm.
fn complete(text: &[u8]) -> Vec<u8> {
    [text, b"\r\n\r\n"].concat()
}

fn path(url: &Url) -> String {
    url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
}

fn append(map: &mut HeaderMap, headers: &[httparse::Header<'_>], without_host: bool) {
    for header in
        headers.iter().filter(|header| !(without_host && header.name.eq_ignore_ascii_case("host")))
    {
        map.append(header.name.to_ascii_lowercase().as_bytes(), header.value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(map: Result<HeaderMap, Http1Error>) -> Result<Vec<String>, String> {
        let text = |line: &bytes::Bytes| String::from_utf8_lossy(line).into_owned();
        map.map(|map| map.lines().iter().map(text).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_path_keeps_its_form_and_the_host_becomes_the_authority() {
        let text = b"GET /my/path?foo=bar HTTP/1.1\nHost: myhost.com\nMyHeader:  MyVal1 \
            \nMyHeader: MyVal2\n";
        let expected = [
            ":authority: myhost.com",
            ":method: GET",
            ":path: /my/path?foo=bar",
            "myheader: MyVal1, MyVal2",
        ]
        .map(str::to_owned);
        assert_eq!(lines(request(text)), Ok(expected.to_vec()));
    }

    #[test]
    fn a_url_gives_everything_and_the_host_header_is_dropped() {
        let text = b"GET https://Example.com:8080/my/path?foo=bar HTTP/1.1\r\nHost: \
            myhost.com\r\n\r\nthe body";
        let expected = [
            ":authority: example.com:8080",
            ":method: GET",
            ":path: /my/path?foo=bar",
            ":scheme: https",
        ];
        assert_eq!(lines(request(text)), Ok(expected.map(str::to_owned).to_vec()));
        let text = b"GET http://example.com:80 HTTP/1.1";
        assert_eq!(lines(request(text)).unwrap()[0], ":authority: example.com");
    }

    #[test]
    fn a_response_gives_its_status_and_its_headers() {
        let text = b"HTTP/1.1 403 Forbidden\nContent-Type: text/plain; charset=utf-8\nA: 1\nA: 2\n";
        let expected = [":status: 403", "a: 1, 2", "content-type: text/plain; charset=utf-8"];
        assert_eq!(lines(response(text)), Ok(expected.map(str::to_owned).to_vec()));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for text in [
            "GET",
            "GET path HTTP/1.1\n",
            "GET /a/../b HTTP/1.1\n",
            "GET / HTTP/1.1\nno colon\n",
            "",
        ] {
            assert!(request(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(response(b"GET / HTTP/1.1\n").is_err());
    }
}
