//! Random guests and random orders of events: nothing panics, every message that leaves the chain
//! is well-formed or reset, and nothing stays open.

use std::time::Duration;

use gatepost_host::{
    CalloutAnswer, ChainOptions, Event, ExchangeId, FailPolicy, HeaderScope, Headers, Part,
    WorkerOptions,
};
use proptest::prelude::*;

use crate::bench::{Bench, data, failing, get, headers, ok};

/// A line of a guest's script.
fn line() -> impl Strategy<Value = String> {
    let callbacks = [
        "request_headers",
        "request_headers.more",
        "request_body",
        "request_body.end",
        "request_body#1",
        "request_trailers",
        "response_headers",
        "response_body",
        "response_body.end",
        "response_body#1",
        "response_trailers",
        "tick",
        "log",
        "done",
        "http_call_response",
        "context_create",
        "grpc_close",
    ];
    let commands = [
        "pause",
        "answer 2",
        "answer 3",
        "answer 7",
        "continue request",
        "continue response",
        "close request",
        "trap",
        "effective stream",
        "effective root",
        "reply 403 no no -1",
        "reply 99 low low -1",
        "tick 10",
        "tick 0",
        "set_body request 0 99 new",
        "set_body response 0 0 more",
        "add request_trailers x 1",
        "add response_trailers x 1",
        "remove request_headers :path",
        "replace response_headers :status word",
        "add request_headers x 1",
        "call auth 20 \"\" :method GET :path /x :authority a",
        "grpc auth pkg.S M 20 x",
        "body request 0 100",
        "done",
    ];
    (prop::sample::select(callbacks.to_vec()), prop::sample::select(commands.to_vec()))
        .prop_map(|(callback, command)| format!("{callback}: {command}"))
}

fn script() -> impl Strategy<Value = String> {
    prop::collection::vec(line(), 0..6).prop_map(|lines| lines.join("\n"))
}

/// Something that happens outside.
#[derive(Clone, Copy, Debug)]
enum Act {
    Request(u8),
    Response(u8),
    Time,
    Answers,
    ClientGone,
    UpstreamGone,
    NoRoute,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0..5_u8).prop_map(Act::Request),
        6 => (0..5_u8).prop_map(Act::Response),
        2 => Just(Act::Time),
        2 => Just(Act::Answers),
        1 => Just(Act::ClientGone),
        1 => Just(Act::UpstreamGone),
        1 => Just(Act::NoRoute),
    ]
}

fn part(kind: u8, first: Headers) -> Part {
    match kind {
        0 => headers(first, true),
        1 => headers(first, false),
        2 => data("some", false),
        3 => data("last", true),
        _ => Part::Trailers(Headers::collect(HeaderScope::RequestTrailers, [("t", "1")])),
    }
}

/// Follows one message: headers once and first, nothing after the end or a reset.
#[derive(Default)]
struct Grammar {
    started: bool,
    ended: bool,
}

impl Grammar {
    fn part(&mut self, part: &Part) {
        assert!(!self.ended, "{part:?} after the end");
        assert_eq!(matches!(part, Part::Headers { .. }), !self.started, "{part:?}");
        self.started = true;
        self.ended = part.end_stream();
    }

    fn reset(&mut self) {
        assert!(!self.ended, "a reset after the end");
        self.ended = true;
    }
}

#[derive(Default)]
struct Seen {
    request: Grammar,
    response: Grammar,
    request_is_reset: bool,
}

impl Seen {
    fn take(&mut self, bench: &mut Bench, id: ExchangeId) {
        while let Some(event) = bench.worker.next(id) {
            match event {
                Event::Request(part) => {
                    assert!(!self.request_is_reset, "{part:?} after the reset");
                    self.request.part(&part);
                }
                Event::Response(part) => self.response.part(&part),
                Event::RequestReset => {
                    assert!(
                        self.request.started
                            && !std::mem::replace(&mut self.request_is_reset, true)
                    );
                }
                Event::ResponseReset => self.response.reset(),
                Event::RouteCacheCleared => assert!(!self.request.started),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_that_guests_or_peers_do_breaks_the_driver(
        scripts in prop::collection::vec((script(), 0..3_u8, any::<bool>()), 1..4),
        acts in prop::collection::vec((0..2_usize, act()), 0..24),
    ) {
        let plugins = scripts.iter().enumerate().map(|(at, (script, policy, allow_stop))| {
            let policies = [FailPolicy::Closed, FailPolicy::Open, FailPolicy::Reload];
            let policy = policies[usize::from(*policy)];
            let mut plugin = failing(script, policy);
            plugin.config.name = format!("p{at}");
            plugin.config.allow_on_headers_stop_iteration = *allow_stop;
            plugin
        });
        let options = ChainOptions { buffer_bytes: 6, ..ChainOptions::default() };
        let recording = WorkerOptions { record: true, seed: Some(7), ..WorkerOptions::default() };
        let mut bench = Bench::with(plugins.collect(), options, &recording);
        let ids = [bench.open(), bench.open()];
        let mut seen = [Seen::default(), Seen::default()];
        let mut callouts = Vec::new();
        for (which, act) in acts {
            let id = ids[which];
            match act {
                Act::Request(kind) => bench.worker.request(id, part(kind, get())),
                Act::Response(kind) => bench.worker.response(id, part(kind, ok())),
                Act::Time => {
                    bench.clock.advance(Duration::from_millis(15));
                    bench.worker.run_timers();
                }
                Act::Answers => {
                    callouts.extend(bench.worker.callouts());
                    for callout in callouts.drain(..) {
                        bench.worker.answer(callout.id, CalloutAnswer::http(ok(), "x"));
                        bench.worker.answer(callout.id, CalloutAnswer::Failed);
                    }
                }
                Act::ClientGone => bench.worker.client_reset(id),
                Act::UpstreamGone => bench.worker.upstream_reset(id, "remote reset"),
                Act::NoRoute => bench.worker.reply(id, 404, "", "route_not_found"),
            }
            for (id, seen) in ids.into_iter().zip(&mut seen) {
                seen.take(&mut bench, id);
            }
        }
        for id in ids {
            bench.worker.close(id);
            assert_eq!(bench.worker.next(id), None);
        }
        assert_eq!(bench.worker.open_exchanges(), 0);
        assert_eq!(bench.worker.open_streams(), 0, "streams of guests are left behind");
        let _ = bench.worker.errors();
    }
}

#[test]
fn the_grammar_itself_finds_what_is_wrong() {
    let broken = std::panic::catch_unwind(|| {
        let mut grammar = Grammar::default();
        grammar.part(&data("first", false));
    });
    assert!(broken.is_err());
}
