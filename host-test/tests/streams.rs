//! A stream from its start to its end: its callbacks, their outcomes, bodies, and local replies.

mod common;

use bytes::Bytes;
use common::{on_request, ordinary, start};
use gatepost_host::{CallError, FinalMaps, Headers, Outcome, Pause, StreamInfo, StreamKind};

fn answering(code: u32) -> String {
    format!(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
             (i32.const {code}))"
    )
}

#[test]
fn a_headers_pause_stops_everything_unless_the_plugin_allows_otherwise() {
    for (code, allow, expected) in [
        (0, false, Outcome::Continue),
        (1, false, Outcome::Pause(Pause::Watermark)),
        (1, true, Outcome::Pause(Pause::Headers)),
        (2, false, Outcome::Continue),
        (3, false, Outcome::Pause(Pause::Buffer)),
        (4, false, Outcome::Pause(Pause::Watermark)),
        (99, true, Outcome::Pause(Pause::Watermark)),
    ] {
        let mut bench = start(&answering(code));
        let config = gatepost_host::PluginConfig {
            allow_on_headers_stop_iteration: allow,
            ..common::config("pause")
        };
        let plugin = bench.vm.start_plugin(config).unwrap();
        let stream = bench.vm.stream(plugin, StreamInfo::default()).unwrap();
        assert_eq!(
            bench.vm.request_headers(stream, &mut ordinary(), true).unwrap(),
            expected,
            "{code} {allow}"
        );
    }
}

#[test]
fn a_local_reply_carries_everything_the_guest_said() {
    // One pair: X-Why: because, white space in the details, a gRPC status.
    let mut bench = start(&on_request(
        "(drop (call $proxy_send_local_response (i32.const 403) @\"not here\" @\"go away\"
            @\"\\01\\00\\00\\00\\05\\00\\00\\00\\07\\00\\00\\00X-Why\\00because\\00\"
                (i32.const 7)))",
    ));
    let stream = bench.stream();
    let Outcome::LocalReply(reply) =
        bench.vm.request_headers(stream, &mut ordinary(), true).unwrap()
    else {
        panic!()
    };
    assert_eq!((reply.status, reply.grpc_status), (403, Some(7)));
    assert_eq!(
        (reply.details.to_string(), reply.body.to_string()),
        ("not_here".into(), "go away".into())
    );
    assert_eq!(
        reply.headers.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>(),
        ["x-why=because"]
    );
}

#[test]
fn the_first_of_two_local_replies_is_sent_and_minus_one_is_no_grpc_status() {
    let reply = |status| {
        format!(
            "(drop (call $proxy_send_local_response (i32.const {status}) (i32.const 0) (i32.const 0)
                 (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 0) (i32.const -1)))"
        )
    };
    let mut bench = start(&on_request(&(reply(404) + &reply(500))));
    let stream = bench.stream();
    let Outcome::LocalReply(reply) =
        bench.vm.request_headers(stream, &mut ordinary(), true).unwrap()
    else {
        panic!()
    };
    assert_eq!((reply.status, reply.grpc_status), (404, None));
}

#[test]
fn a_closed_stream_is_reset() {
    let mut bench = start(&on_request("(drop (call $proxy_close_stream (i32.const 0)))"));
    let stream = bench.stream();
    assert_eq!(bench.vm.request_headers(stream, &mut ordinary(), true).unwrap(), Outcome::Close);
}

#[test]
fn continuing_is_noted_once_and_only_for_http() {
    let mut bench = start(&on_request(
        "(call $status (call $proxy_continue_stream (i32.const 1)))
         (call $status (call $proxy_continue_stream (i32.const 2)))
         (call $status (call $proxy_continue_stream (i32.const 9)))",
    ));
    let stream = bench.stream();
    let _ = bench.vm.request_headers(stream, &mut ordinary(), true).unwrap();
    assert_eq!(bench.log.messages(), ["00", "00", "02"]);
    assert!(!bench.vm.take_continued(stream, StreamKind::HttpRequest).unwrap());
    assert!(bench.vm.take_continued(stream, StreamKind::HttpResponse).unwrap());
    assert!(!bench.vm.take_continued(stream, StreamKind::HttpResponse).unwrap());
}

const BODY: &str = "(func (export \"proxy_on_request_body\") (param $context i32) (param $len i32)
    (param $end i32) (result i32)";

#[test]
fn a_body_can_be_read_replaced_and_extended() {
    let mut bench = start(&format!(
        "{BODY}
            (call $number (local.get $len))
            (call $number (local.get $end))
            (call $status (call $proxy_get_buffer_bytes (i32.const 0) (i32.const 1) (i32.const 99)
                (i32.const 200) (i32.const 204)))
            (call $show)
            (call $status (call $proxy_set_buffer_bytes (i32.const 0) (i32.const 0)
                (i32.const 0x7fffffff) @\"new\"))
            (call $status (call $proxy_set_buffer_bytes (i32.const 0) (i32.const 3)
                (i32.const 0) @\"er\"))
            (call $status (call $proxy_set_buffer_bytes (i32.const 0) (i32.const 1)
                (i32.const 0) @\"er\"))
            (call $status (call $proxy_get_buffer_status (i32.const 0) (i32.const 200)
                (i32.const 204)))
            (call $number (i32.load (i32.const 200)))
            (i32.const 1))"
    ));
    let stream = bench.stream();
    let mut body = Bytes::from_static(b"old");
    assert_eq!(
        bench.vm.request_body(stream, &mut body, true).unwrap(),
        Outcome::Pause(Pause::Buffer)
    );
    assert_eq!(bench.log.messages(), ["3", "1", "00", "ld", "00", "00", "02", "00", "5"]);
    assert_eq!(body, "newer");
}

#[test]
fn a_body_is_empty_and_cannot_be_written_after_its_end_or_past_it() {
    let mut bench = start(&format!(
        "{BODY}
            (call $status (call $proxy_get_buffer_bytes (i32.const 0) (i32.const 9) (i32.const 1)
                (i32.const 200) (i32.const 204)))
            (call $status (call $proxy_get_buffer_bytes (i32.const 1) (i32.const 0) (i32.const 1)
                (i32.const 200) (i32.const 204)))
            (call $status (call $proxy_get_buffer_bytes (i32.const 4) (i32.const 0) (i32.const 1)
                (i32.const 200) (i32.const 204)))
            (call $status (call $proxy_set_buffer_bytes (i32.const 6) (i32.const 0)
                (i32.const 1) @\"x\"))
            (call $status (call $proxy_get_buffer_status (i32.const 9) (i32.const 200)
                (i32.const 204)))
            (i32.const 0))"
    ));
    let stream = bench.stream();
    let _ = bench.vm.request_body(stream, &mut Bytes::from_static(b"old"), false).unwrap();
    assert_eq!(bench.log.messages(), ["00", "00", "01", "02", "02"]);
}

#[test]
fn the_whole_way_of_a_stream_ends_with_log_done_and_delete() {
    let says = |name: &str, params: &str, result: &str| {
        let value = if result.is_empty() { "" } else { "(i32.const 0)" };
        format!(
            "(func (export \"proxy_on_{name}\") (param {params}) {result}
                 (drop (call $proxy_log (i32.const 2) @\"{name}\")) {value})\n"
        )
    };
    let i = "(result i32)";
    let guest = [
        says("context_create", "i32 i32", ""),
        says("request_headers", "i32 i32 i32", i),
        says("request_body", "i32 i32 i32", i),
        says("request_trailers", "i32 i32", i),
        says("response_headers", "i32 i32 i32", i),
        says("response_body", "i32 i32 i32", i),
        says("response_trailers", "i32 i32", i),
        says("log", "i32", ""),
        says("done", "i32", i),
        says("delete", "i32", ""),
    ]
    .concat();
    let mut bench = start(&guest);
    let stream = bench.stream();
    let (vm, mut body) = (&mut bench.vm, Bytes::new());
    let mut trailers = Headers::new(gatepost_host::HeaderScope::RequestTrailers);
    let mut response = Headers::response([(":status", "200")]);
    for outcome in [
        vm.request_headers(stream, &mut ordinary(), false),
        vm.request_body(stream, &mut body, false),
        vm.request_trailers(stream, &mut trailers),
        vm.response_headers(stream, &mut response, false),
        vm.response_body(stream, &mut body, false),
        vm.response_trailers(stream, &mut trailers),
    ] {
        assert_eq!(outcome.unwrap(), Outcome::Continue);
    }
    vm.finish(stream, FinalMaps::default()).unwrap();
    assert_eq!(
        bench.log.messages(),
        [
            "context_create",
            "context_create",
            "request_headers",
            "request_body",
            "request_trailers",
            "response_headers",
            "response_body",
            "response_trailers",
            "log",
            "done",
            "delete"
        ]
    );
    assert!(matches!(
        bench.vm.finish(stream, FinalMaps::default()),
        Err(CallError::UnknownStream { context: 2 })
    ));
}

#[test]
fn the_log_callback_reads_both_messages_and_writes_neither() {
    let get = |map, name| {
        format!(
            "(call $status (call $proxy_get_header_map_value (i32.const {map}) @\"{name}\"
                 (i32.const 200) (i32.const 204))) (call $show)"
        )
    };
    let mut bench = start(&format!(
        "(func (export \"proxy_on_log\") (param i32) {} {}
            (call $status (call $proxy_get_header_map_value (i32.const 3) @\"x\" (i32.const 200)
                (i32.const 204)))
            (call $status (call $proxy_replace_header_map_value (i32.const 0) @\"env\" @\"x\")))",
        get(0, "env"),
        get(2, ":status")
    ));
    let stream = bench.stream();
    let (mut request, mut response) = (ordinary(), Headers::response([(":status", "418")]));
    let maps = FinalMaps {
        request_headers: Some(&mut request),
        response_headers: Some(&mut response),
        ..FinalMaps::default()
    };
    bench.vm.finish(stream, maps).unwrap();
    assert_eq!(bench.log.messages(), ["00", "one", "00", "418", "01", "02"]);
    assert_eq!((request, response.get(":status")), (ordinary(), Some(&b"418"[..])));
}

#[test]
fn a_module_without_callbacks_lets_everything_pass() {
    let mut bench = start("");
    let stream = bench.stream();
    assert_eq!(bench.vm.request_headers(stream, &mut ordinary(), true).unwrap(), Outcome::Continue);
    assert_eq!(bench.vm.request_body(stream, &mut Bytes::new(), true).unwrap(), Outcome::Continue);
    bench.vm.finish(stream, FinalMaps::default()).unwrap();
}

#[test]
fn a_local_reply_sent_for_a_stream_from_a_tick_waits_for_the_driver() {
    let mut bench = start(
        "(func (export \"proxy_on_tick\") (param i32)
            (call $status (call $proxy_set_effective_context (i32.const 2)))
            (call $status (call $proxy_set_effective_context (i32.const 77)))
            (drop (call $proxy_send_local_response (i32.const 504) (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 0) (i32.const -1))))",
    );
    let stream = bench.stream();
    bench.vm.tick(bench.plugin).unwrap();
    assert_eq!(bench.log.messages(), ["00", "02"]);
    assert_eq!(bench.vm.take_local_reply(stream).unwrap().map(|reply| reply.status), Some(504));
    assert_eq!(bench.vm.take_local_reply(stream).unwrap(), None);
}

#[test]
fn streams_that_are_open_together_keep_apart_what_guests_did_to_them() {
    // The guest marks every stream with its context, and answers the second.
    let mut bench = start(
        "(func (export \"proxy_on_request_headers\") (param $context i32) (param i32 i32)
             (result i32)
            (i32.store8 (i32.const 300) (i32.add (i32.const 48) (local.get $context)))
            (drop (call $proxy_set_property @\"context\" (i32.const 300) (i32.const 1)))
            (if (i32.eq (local.get $context) (i32.const 3))
                (then (drop (call $proxy_send_local_response (i32.const 404)
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                    (i32.const -1)))))
            (i32.const 0))
         (func (export \"proxy_on_response_headers\") (param i32 i32 i32) (result i32)
            (drop (call $proxy_get_property @\"context\" (i32.const 200) (i32.const 204)))
                (call $show) (i32.const 0))",
    );
    let (first, second) = (bench.stream(), bench.stream());
    let vm = &mut bench.vm;
    assert_eq!(vm.request_headers(first, &mut ordinary(), true).unwrap(), Outcome::Continue);
    assert!(matches!(
        vm.request_headers(second, &mut ordinary(), true).unwrap(),
        Outcome::LocalReply(_)
    ));
    let _ = vm.response_headers(first, &mut Headers::response([(":status", "200")]), true).unwrap();
    vm.finish(first, FinalMaps::default()).unwrap();
    let _ =
        vm.response_headers(second, &mut Headers::response([(":status", "404")]), true).unwrap();
    // The slot of a finished stream is reused, and keeps nothing of the old stream.
    let third = vm.stream(bench.plugin, StreamInfo::default()).unwrap();
    assert!(vm.stream_info(third, |info| info.filter_state.iter().next().is_none()).unwrap());
    assert!(matches!(
        vm.response_headers(first, &mut ordinary(), true),
        Err(CallError::UnknownStream { context: 2 })
    ));
    assert_eq!(bench.log.messages(), ["2", "3"]);
}
