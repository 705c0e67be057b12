//! What a head looks like to a filter, and what becomes of it afterwards.

use http::Request;

use super::*;

fn parts(request: http::request::Builder) -> Parts {
    request.body(()).unwrap().into_parts().0
}

fn text(head: &RequestHead) -> Vec<(String, String)> {
    let show = |bytes: &Bytes| bytes.escape_ascii().to_string();
    head.fields().iter().map(|(name, value)| (show(name), show(value))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn pseudo_headers_come_first_and_host_is_the_authority() {
    let request = Request::get("/x?y").header("x", "*/*").header("host", "a.example:80").header("x", "b");
    let head = RequestHead::from_parts(&parts(request)).unwrap();
    let expected =
        [(":method", "GET"), (":path", "/x?y"), (":scheme", "http"), (":authority", "a.example:80"), ("x", "*/*"), ("x", "b")];
    assert_eq!(text(&head), pairs(&expected));
}

#[test]
fn several_host_lines_are_joined_with_a_comma() {
    let request = Request::get("/").header("host", "a.example").header("host", "b.example");
    assert_eq!(RequestHead::from_parts(&parts(request)).unwrap().authority(), b"a.example,b.example");
}

#[test]
fn an_absolute_uri_wins_over_host() {
    let request = Request::get("http://a.example/x").header("host", "b.example");
    let head = RequestHead::from_parts(&parts(request)).unwrap();
    assert_eq!((head.authority(), head.path()), (&b"a.example"[..], &b"/x"[..]));
    assert_eq!(head.get_all("host").count(), 1);
}

#[test]
fn a_missing_or_impossible_host_is_an_error() {
    assert_eq!(RequestHead::from_parts(&parts(Request::get("/"))), Err(HeadError::MissingHost));
    let raw = HeaderValue::from_bytes(b"caf\xe9.example").unwrap();
    assert_eq!(RequestHead::from_parts(&parts(Request::get("/").header("host", raw))), Err(HeadError::InvalidAuthority));
}

#[test]
fn lines_that_envoy_joins_are_joined_and_env_is_not() {
    let request = Request::get("/").header("host", "a").header("user-agent", "x").header("user-agent", "y");
    let head = RequestHead::from_parts(&parts(request.header("env", "1").header("env", "2"))).unwrap();
    assert_eq!(head.get_all("user-agent").collect::<Vec<_>>(), [b"x,y"]);
    assert_eq!(head.get_all("env").collect::<Vec<_>>(), [b"1", b"2"]);
}

#[test]
fn a_cookie_that_http2_split_is_put_together() {
    let request = Request::get("http://a/").version(Version::HTTP_2).header("cookie", "a=1").header("cookie", "b=2");
    assert_eq!(RequestHead::from_parts(&parts(request)).unwrap().get("cookie"), Some(&b"a=1; b=2"[..]));
}

#[test]
fn set_replaces_in_place_and_drops_the_others() {
    let mut head = RequestHead::new("GET", "a", "/");
    for (name, value) in [("x", "1"), ("y", "2"), ("X", "3")] {
        head.append(name, value);
    }
    head.set("x", "4");
    head.set("z", "5");
    assert_eq!(text(&head)[4..], pairs(&[("x", "4"), ("y", "2"), ("z", "5")]));
    assert!(head.remove("Y"));
    assert!(!head.remove("y"));
}

#[test]
fn a_head_goes_up_as_it_is_and_without_hop_by_hop_headers() {
    let mut head = RequestHead::new("POST", "a.example", "/x?y");
    head.append("x", &b"caf\xe9"[..]);
    head.append("connection", "close");
    head.set("host", "b.example");
    let upstream = head.into_upstream().unwrap();
    assert_eq!((upstream.method, upstream.path.as_str()), (Method::POST, "/x?y"));
    assert_eq!(upstream.authority, "b.example");
    assert_eq!(upstream.headers["x"].as_bytes(), b"caf\xe9");
    assert_eq!(upstream.headers.len(), 1);
}

#[test]
fn what_a_filter_must_not_write_is_an_error_and_no_panic() {
    let error = |change: &dyn Fn(&mut RequestHead)| {
        let mut head = RequestHead::new("GET", "a", "/");
        change(&mut head);
        head.into_upstream().map(drop)
    };
    assert!(matches!(error(&|head| head.set("x", "a\r\nb")), Err(RewriteError::Value(_))));
    assert!(matches!(error(&|head| head.set("x y", "a")), Err(RewriteError::Name(_))));
    assert!(matches!(error(&|head| head.set(":x", "a")), Err(RewriteError::Name(_))));
    assert!(matches!(error(&|head| head.set("host", "a\n")), Err(RewriteError::Pseudo(":authority", _))));
    for path in ["", "x", "*", "/a b"] {
        assert!(matches!(error(&|head| head.set(":path", path)), Err(RewriteError::Pseudo(":path", _))), "{path}");
    }
    for method in ["", "G T", "CONNECT"] {
        assert!(matches!(error(&|head| head.set(":method", method)), Err(RewriteError::Pseudo(":method", _))), "{method}");
    }
    for name in [":method", ":path", ":scheme", ":authority"] {
        assert_eq!(error(&|head| assert!(head.remove(name))), Err(RewriteError::Removed(name)));
    }
}

#[test]
fn grpc_is_told_by_its_content_type() {
    let headers = |value: &'static str| HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static(value))]);
    for (value, grpc) in [("application/grpc", true), ("application/grpc+proto", true), ("application/grpc-web", false)] {
        assert_eq!(is_grpc(&headers(value)), grpc, "{value}");
    }
    assert!(!is_grpc(&HeaderMap::new()));
}
