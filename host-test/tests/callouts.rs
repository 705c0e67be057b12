//! HTTP and gRPC callouts: the requests of guests, and the answers that they get.

mod common;

use std::time::Duration;

use common::{module, on_request, ordinary, start, start_with};
use gatepost_host::{
    CallError, CalloutAnswer, CalloutKind, CalloutRequest, Clusters, Headers, Host, Limits,
    Outcome, PluginConfig, StreamInfo, Vm, VmOptions,
};

/// Three pairs: `:method: GET`, `:path: /a`, `:authority: x`.
const PAIRS: &str = "@\"\\03\\00\\00\\00\\07\\00\\00\\00\\03\\00\\00\\00\
    \\05\\00\\00\\00\\02\\00\\00\\00\\0a\\00\\00\\00\\01\\00\\00\\00\
    :method\\00GET\\00:path\\00/a\\00:authority\\00x\\00\"";
const NONE: &str = "(i32.const 0) (i32.const 0)";
const TO: &str = "(i32.const 200) (i32.const 204)";

fn http_call(timeout: i32) -> String {
    format!(
        "(call $status (call $proxy_http_call @\"auth\" {PAIRS} @\"body\" {NONE}
             (i32.const {timeout}) (i32.const 208)))"
    )
}

fn on_response(body: &str) -> String {
    format!("(func (export \"proxy_on_http_call_response\") (param i32 i32 i32 i32 i32) {body})")
}

#[test]
fn an_http_call_waits_in_the_vm_until_it_is_taken_and_its_answer_reaches_the_root_context() {
    let mut bench = start(&format!(
        "{}{}",
        on_request(&http_call(5)),
        on_response(&format!(
            "(call $number (local.get 0)) (call $number (local.get 2)) (call $number (local.get 3))
                 (call $number (local.get 4))
             (call $status (call $proxy_get_header_map_value (i32.const 6) @\":status\" {TO}))
                 (call $show)
             (call $status (call $proxy_get_buffer_bytes (i32.const 4) (i32.const 0)
                 (i32.const 99) {TO})) (call $show)"
        ))
    ));
    assert_eq!(bench.request(&mut ordinary()), ["00"]);
    let callouts = bench.vm.take_callouts();
    let [callout] = &callouts[..] else { panic!("{callouts:?}") };
    assert_eq!(
        (callout.token.kind(), callout.token.number(), &*callout.plugin),
        (CalloutKind::Http, 4, "test")
    );
    let CalloutRequest::Http { cluster, headers, body, trailers, timeout } = &callout.request
    else {
        panic!("{callout:?}")
    };
    assert_eq!((cluster.as_str(), &body[..], trailers.len()), ("auth", &b"body"[..], 0));
    assert_eq!(*timeout, Some(Duration::from_millis(5)));
    assert_eq!(headers.to_string(), ":method: GET\n:path: /a\n:authority: x\ncontent-length: 4\n");

    let answer = CalloutAnswer::http(Headers::response([(":status", "200"), ("a", "b")]), "yes");
    bench.vm.answer(callout.token, answer.clone()).unwrap();
    assert_eq!(bench.log.messages()[1..], ["1", "2", "3", "0", "00", "200", "00", "yes"]);
    assert!(!bench.vm.has_callouts());
    let again = bench.vm.answer(callout.token, answer);
    assert!(matches!(again, Err(CallError::UnknownCallout { token: 4 })), "{again:?}");
}

#[test]
fn a_call_that_was_reset_is_told_without_headers_and_has_a_status() {
    let mut bench = start(&format!(
        "{}{}",
        on_request(&http_call(0)),
        on_response(&format!(
            "(call $number (local.get 2))
             (call $status (call $proxy_get_status (i32.const 220) {TO}))
                 (call $number (i32.load (i32.const 220))) (call $show)
             (call $status (call $proxy_get_header_map_value (i32.const 6) @\":status\" {TO}))"
        ))
    ));
    bench.request(&mut ordinary());
    let callout = bench.vm.take_callouts().remove(0);
    assert!(matches!(callout.request, CalloutRequest::Http { timeout: None, .. }));
    bench.vm.answer(callout.token, CalloutAnswer::Failed).unwrap();
    assert_eq!(bench.log.messages()[1..], ["0", "00", "11", "reset", "02"]);
}

#[test]
fn a_call_needs_a_known_cluster_the_pseudo_headers_and_a_timeout_that_is_none_or_positive() {
    let guest = module(&on_request(&format!(
        "{}
         (call $status (call $proxy_http_call @\"other\" {PAIRS} {NONE} {NONE} (i32.const 0)
             (i32.const 208)))
         (call $status (call $proxy_http_call @\"auth\" {NONE} {NONE} {NONE} (i32.const 0)
             (i32.const 208)))
         (call $status (call $proxy_http_call @\"auth\" {PAIRS} {NONE} {NONE} (i32.const -1)
             (i32.const 208)))
         (call $status (call $proxy_http_call @\"auth\" {PAIRS} {NONE} {NONE} (i32.const 0)
             (i32.const -4)))
         {}",
        http_call(1),
        http_call(1),
    )));
    let (host, log) = common::host();
    let host = Host { clusters: Clusters::Only(["auth".to_owned()].into()), ..host };
    let options =
        VmOptions { limits: Limits { callouts: 1, ..Limits::default() }, ..VmOptions::default() };
    let mut vm = Vm::new(&guest, host, options).unwrap();
    let plugin = vm.start_plugin(PluginConfig::default()).unwrap();
    let stream = vm.stream(plugin, StreamInfo::default()).unwrap();
    assert_eq!(vm.request_headers(stream, &mut ordinary(), true).unwrap(), Outcome::Continue);
    // Ok, BadArgument three times, InvalidMemoryAccess, and InternalFailure for one call too many.
    let told = log.messages().into_iter().filter(|line| !line.starts_with("limit callouts"));
    assert_eq!(told.collect::<Vec<_>>(), ["00", "02", "02", "02", "06", "10"]);
    assert_eq!(vm.take_callouts().len(), 1);
}

#[test]
fn the_answer_to_a_callout_may_decide_what_becomes_of_a_paused_request() {
    let guest = format!(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
            (i32.store (i32.const 240) (local.get 0)) {} (i32.const 1))
         {}",
        http_call(0),
        on_response(
            "(call $status (call $proxy_replace_header_map_value (i32.const 0) @\"user\" @\"ann\"))
             (call $status (call $proxy_set_effective_context (i32.load (i32.const 240))))
             (call $status (call $proxy_replace_header_map_value (i32.const 0) @\"user\" @\"ann\"))
             (call $status (call $proxy_continue_stream (i32.const 0)))
             (call $status (call $proxy_replace_header_map_value (i32.const 0) @\"user\" @\"bob\"))"
        )
    );
    let mut bench = start_with(&module(&guest), VmOptions::default(), common::config("test"));
    let (stream, mut headers) = (bench.stream(), ordinary());
    assert!(matches!(
        bench.vm.request_headers(stream, &mut headers, true).unwrap(),
        Outcome::Pause(_)
    ));
    bench.vm.lend_map(stream, gatepost_host::MapKind::RequestHeaders, &mut headers).unwrap();
    let callout = bench.vm.take_callouts().remove(0);
    bench.vm.answer(callout.token, CalloutAnswer::timeout()).unwrap();
    assert_eq!(bench.vm.take_touched(), [stream]);
    assert!(bench.vm.take_continued(stream, gatepost_host::StreamKind::HttpRequest).unwrap());
    bench.vm.reclaim_map(stream, gatepost_host::MapKind::RequestHeaders, &mut headers).unwrap();
    // On the root context there is no request. After the request was continued, the guest cannot
    // read it.
    assert_eq!(bench.log.messages()[1..], ["02", "00", "00", "00", "02"]);
    assert_eq!(headers.get("user"), Some(&b"ann"[..]));
}

fn grpc(body: &str) -> String {
    let callback =
        |name: &str, log: &str| format!("(func (export \"{name}\") (param i32 i32 i32) {log})");
    let say = |word: &str| {
        format!("(drop (call $proxy_log (i32.const 2) @\"{word}\")) (call $number (local.get 2))")
    };
    [
        on_request(body),
        callback("proxy_on_grpc_receive_initial_metadata", &say("initial")),
        callback(
            "proxy_on_grpc_receive",
            &format!(
                "{} (drop (call $proxy_get_buffer_bytes (i32.const 5) (i32.const 0)
                     (i32.const 99) {TO})) (call $show)",
                say("receive")
            ),
        ),
        callback("proxy_on_grpc_receive_trailing_metadata", &say("trailing")),
        callback(
            "proxy_on_grpc_close",
            &format!(
                "{} (drop (call $proxy_get_status (i32.const 220) {TO})) (call $show)",
                say("close")
            ),
        ),
    ]
    .concat()
}

#[test]
fn a_unary_grpc_call_ends_with_its_message_or_with_a_status() {
    let call = format!(
        "(call $status (call $proxy_grpc_call @\"auth\" @\"pkg.Auth\" @\"Check\" {NONE} @\"ask\"
             (i32.const 7) (i32.const 208)))"
    );
    let mut bench = start(&grpc(&format!("{call}{call}")));
    bench.request(&mut ordinary());
    let callouts = bench.vm.take_callouts();
    let CalloutRequest::GrpcCall { service, service_name, method_name, message, timeout, .. } =
        &callouts[0].request
    else {
        panic!("{callouts:?}")
    };
    assert_eq!([service.target.as_str(), service_name, method_name], ["auth", "pkg.Auth", "Check"]);
    assert_eq!((&message[..], *timeout), (&b"ask"[..], Some(Duration::from_millis(7))));
    bench.vm.answer(callouts[0].token, CalloutAnswer::GrpcMessage("answer".into())).unwrap();
    assert!(!bench.vm.awaits(callouts[0].token));
    bench
        .vm
        .answer(
            callouts[1].token,
            CalloutAnswer::GrpcClose { status: 5, message: "no such".into() },
        )
        .unwrap();
    assert_eq!(bench.log.messages()[2..], ["receive", "6", "answer", "close", "5", "no such"]);
    assert!(!bench.vm.has_callouts());
}

#[test]
fn a_grpc_stream_has_messages_each_way_until_both_sides_have_closed_it() {
    let mut bench = start(&grpc(&format!(
        "(call $status (call $proxy_grpc_stream @\"auth\" @\"pkg.Auth\" @\"Watch\" {NONE}
             (i32.const 208)))
         (call $status (call $proxy_grpc_send (i32.load (i32.const 208)) @\"one\" (i32.const 0)))
         (call $status (call $proxy_grpc_close (i32.load (i32.const 208))))
         (call $status (call $proxy_grpc_send (i32.const 98) @\"lost\" (i32.const 0)))
         (call $status (call $proxy_grpc_send (i32.const 99) @\"unary\" (i32.const 0)))
         (call $status (call $proxy_grpc_cancel (i32.const 98)))"
    )));
    assert_eq!(bench.request(&mut ordinary()), ["00", "00", "00", "01", "02", "01"]);
    let callouts = bench.vm.take_callouts();
    let kinds: Vec<bool> = callouts
        .iter()
        .map(|callout| {
            matches!(
                callout.request,
                CalloutRequest::GrpcStream { .. }
                    | CalloutRequest::GrpcSend { .. }
                    | CalloutRequest::GrpcClose
            )
        })
        .collect();
    assert_eq!(kinds, [true, true, true]);
    let token = callouts[0].token;
    for answer in [
        CalloutAnswer::GrpcInitialMetadata(Headers::response([("a", "b")])),
        CalloutAnswer::GrpcMessage("two".into()),
        CalloutAnswer::GrpcTrailingMetadata(Headers::default()),
        CalloutAnswer::GrpcClose { status: 0, message: String::new() },
    ] {
        bench.vm.answer(token, answer).unwrap();
    }
    assert_eq!(
        bench.log.messages()[6..],
        ["initial", "1", "receive", "3", "two", "trailing", "0", "close", "0", ""]
    );
    assert!(!bench.vm.awaits(token));
}
