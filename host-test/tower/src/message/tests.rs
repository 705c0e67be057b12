use super::*;

fn head(
    method: &str,
    uri: &str,
    version: Version,
    fields: &[(&'static str, &str)],
) -> http::request::Parts {
    let mut request = http::Request::builder().method(method).uri(uri).version(version);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// What guests see, then what comes out when they change nothing.
fn through(head: http::request::Parts) -> (String, String) {
    let (headers, kept) = request_in(head);
    (headers.to_string(), shown(&request_out(&headers, kept).unwrap()))
}

fn changed(head: http::request::Parts, change: impl FnOnce(&mut Headers)) -> Result<String, Unfit> {
    let (mut headers, kept) = request_in(head);
    change(&mut headers);
    request_out(&headers, kept).map(|head| shown(&head))
}

fn shown(head: &http::request::Parts) -> String {
    let fields = head
        .headers
        .iter()
        .map(|(name, value)| format!(" {name}={}", value.as_bytes().escape_ascii()));
    format!("{} {}{}", head.method, head.uri, fields.collect::<String>())
}

#[test]
fn the_host_of_http_1_is_the_authority_both_ways() {
    let get = || head("GET", "/a?b=c", Version::HTTP_11, &[("host", "shop.example"), ("x-a", "1")]);
    let seen = ":method: GET\n:authority: shop.example\n:scheme: http\n:path: /a?b=c\nx-a: 1\n";
    assert_eq!(through(get()), (seen.to_owned(), "GET /a?b=c host=shop.example x-a=1".to_owned()));
    let moved = changed(get(), |headers| {
        headers.replace("host", "other.example");
        headers.set(":path", "/new");
    });
    assert_eq!(moved.unwrap(), "GET /new host=other.example x-a=1");
    let removed = changed(get(), |headers| assert_eq!(headers.remove("host"), 1));
    assert_eq!(removed.unwrap(), "GET /a?b=c x-a=1");
}

#[test]
fn an_absolute_uri_says_the_authority_and_its_host_header_follows() {
    let get = || head("GET", "https://a.example/x", Version::HTTP_11, &[("host", "b.example")]);
    let (seen, out) = through(get());
    assert_eq!(seen, ":method: GET\n:authority: a.example\n:scheme: https\n:path: /x\n");
    assert_eq!(out, "GET https://a.example/x host=a.example");
    let moved = changed(get(), |headers| headers.set(":authority", "c.example:8080"));
    assert_eq!(moved.unwrap(), "GET https://c.example:8080/x host=c.example:8080");
}

#[test]
fn http_2_has_no_host_header_unless_it_came_with_one() {
    let get = |fields: &[(&'static str, &str)]| {
        head("GET", "http://a.example/x", Version::HTTP_2, fields)
    };
    assert_eq!(through(get(&[])).1, "GET http://a.example/x");
    let moved = |fields: &[(&'static str, &str)]| {
        changed(get(fields), |headers| headers.set(":authority", "b.example"))
    };
    assert_eq!(moved(&[]).unwrap(), "GET http://b.example/x");
    assert_eq!(moved(&[("host", "a.example")]).unwrap(), "GET http://b.example/x host=b.example");
    let scheme = changed(get(&[]), |headers| headers.set(":scheme", "https"));
    assert_eq!(scheme.unwrap(), "GET https://a.example/x");
}

#[test]
fn lines_that_envoy_joins_are_joined() {
    let hosts = [
        ("host", ""),
        ("host", "a.example"),
        ("host", "b.example"),
        ("via", "1"),
        ("x-a", "1"),
        ("via", "2"),
        ("x-a", "2"),
    ];
    let (seen, out) = through(head("GET", "/", Version::HTTP_11, &hosts));
    assert!(seen.starts_with(":method: GET\n:authority: a.example,b.example\n"), "{seen}");
    assert_eq!(out, "GET / host=a.example,b.example via=1,2 x-a=1 x-a=2");
    let empty = through(head("GET", "/", Version::HTTP_11, &[("host", "")]));
    assert!(empty.0.contains(":authority: \n"), "{}", empty.0);
}

#[test]
fn a_cookie_that_http_2_has_split_is_put_together() {
    let cookies = [("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2")];
    assert_eq!(
        through(head("GET", "http://a/", Version::HTTP_2, &cookies)).1,
        "GET http://a/ x-a=1 cookie=a=1; b=2"
    );
    let apart = "GET http://a/ host=a cookie=a=1 cookie=b=2 x-a=1";
    assert_eq!(
        through(head("GET", "http://a/", Version::HTTP_11, &cookies)).1,
        apart,
        "HTTP/1.1 may not split it, so it means two"
    );
}

#[test]
fn connect_and_a_star_pass_as_they_are() {
    let connect =
        || head("CONNECT", "a.example:443", Version::HTTP_11, &[("host", "a.example:443")]);
    let (seen, out) = through(connect());
    assert_eq!(seen, ":method: CONNECT\n:authority: a.example:443\n");
    assert_eq!(out, "CONNECT a.example:443 host=a.example:443");
    let moved = changed(connect(), |headers| headers.set(":authority", "b.example:1"));
    assert_eq!(moved.unwrap(), "CONNECT b.example:1 host=b.example:1");
    let star = || head("OPTIONS", "*", Version::HTTP_11, &[("host", "a.example")]);
    assert_eq!(through(star()).1, "OPTIONS * host=a.example");
    assert!(through(star()).0.contains(":path: *\n"));
    assert_eq!(
        changed(star(), |headers| headers.set(":path", "/x")).unwrap(),
        "OPTIONS /x host=a.example"
    );
    let became = changed(connect(), |headers| headers.set(":method", "GET"));
    assert_eq!(became, Err(Unfit::Missing(":path")));
}

#[test]
fn what_http_cannot_hold_is_an_error() {
    let get = || head("GET", "http://a.example/x", Version::HTTP_2, &[]);
    let set = |name: &'static str, value: &'static str| {
        changed(get(), |headers| headers.set(name, value)).map_err(|unfit| unfit.to_string())
    };
    for (name, value) in [
        (":path", "no slash"),
        (":path", "/a b"),
        (":authority", "a b"),
        (":scheme", "1:"),
        (":method", "G T"),
    ] {
        assert_eq!(set(name, value), Err(format!("invalid header value for: {name}")), "{value}");
    }
    assert_eq!(set("x-a", "bell\x07"), Err("invalid header value for: x-a".to_owned()));
    assert_eq!(set("x a", "b"), Err("invalid header name: x a".to_owned()));
    assert_eq!(set(":unknown", "b").unwrap(), "GET http://a.example/x");
    let many = changed(get(), |headers| (0..40_000).for_each(|_| headers.add("x-many", "")));
    assert_eq!(many, Err(Unfit::TooMany));
    let status = |status: &str| {
        response_out(&Headers::response([(":status", status)]), ResponseKept::default()).is_ok()
    };
    assert!(status("200") && status("101") && status("999"));
    assert!(!status("100") && !status("20") && !status("word"));
}

#[test]
fn headers_of_the_connection_pass_beside_the_chain() {
    let fields = [
        ("host", "a"),
        ("connection", "close, x"),
        ("transfer-encoding", "chunked"),
        ("te", "gzip"),
    ];
    let (seen, out) = through(head("GET", "/", Version::HTTP_11, &fields));
    assert_eq!(seen, ":method: GET\n:authority: a\n:scheme: http\n:path: /\n");
    assert_eq!(out, "GET / host=a connection=close, x transfer-encoding=chunked te=gzip");
    let upgrade = [
        ("host", "a"),
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "websocket"),
        ("te", "trailers"),
    ];
    let (seen, _) = through(head("GET", "/", Version::HTTP_11, &upgrade));
    assert!(
        seen.ends_with("connection: keep-alive, Upgrade\nupgrade: websocket\nte: trailers\n"),
        "{seen}"
    );
}

#[test]
fn a_response_says_the_length_of_its_body() {
    let response = |fields: &[(&'static str, &str)]| {
        let mut response = http::Response::builder().status(201);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        response_in(response.body(()).unwrap().into_parts().0, Some(5)).0.to_string()
    };
    assert_eq!(response(&[("x-a", "1")]), ":status: 201\nx-a: 1\ncontent-length: 5\n");
    assert_eq!(response(&[("content-length", "7")]), ":status: 201\ncontent-length: 7\n");
    assert_eq!(response(&[("transfer-encoding", "chunked")]), ":status: 201\n");
}
