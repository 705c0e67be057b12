//! How messages pass: parts, bodies, trailers, limits.

use gatepost_host::{
    Chain, ChainOptions, End, HeaderScope, Headers, Host, Message, Part, Worker, WorkerOptions,
};

use crate::bench::{Bench, Echo, REQUEST, data, get, headers, ok, plugin};

#[test]
fn parts_pass_as_they_come_when_nobody_stops_them() {
    let mut bench = Bench::new(vec![plugin("a", ""), plugin("b", "")]);
    let id = bench.open();
    bench.worker.request(id, headers(get(), false));
    bench.worker.request(id, data("one", false));
    assert_eq!(bench.events(id), ["> headers /", "> data one"]);
    bench.worker.request(id, data("", true));
    bench.worker.response(id, headers(ok(), false));
    bench.worker.response(id, data("two", false));
    bench.worker.response(id, Part::Trailers(Headers::new(HeaderScope::ResponseTrailers)));
    assert_eq!(
        bench.events(id),
        ["> data  end", "< headers 200", "< data two", "< trailers 0 end"]
    );
    assert!(bench.worker.is_over(id));
}

#[test]
fn a_chain_of_no_plugins_is_a_pipe() {
    let mut bench = Bench::new(vec![]);
    let message = Message { end: End::Empty, ..Message::new(get()).with_body("one") };
    let finished = bench.worker.run(message, &mut Echo(bench.clock.clone()));
    assert_eq!(finished.response.unwrap().whole_body(), "one");
}

#[test]
fn parts_out_of_order_are_nobodys() {
    let mut bench = Bench::new(vec![plugin("a", "")]);
    let id = bench.open();
    bench.worker.request(id, data("early", false));
    bench.worker.response(id, data("early", true));
    bench.worker.request(id, headers(get(), true));
    bench.worker.request(id, headers(get(), true));
    bench.worker.request(id, data("late", true));
    assert_eq!(bench.events(id), ["> headers / end"]);
}

#[test]
fn a_body_that_is_buffered_is_changed_as_a_whole() {
    let script = "request_body: set_body request 0 99 new\n\
                  request_body.more: pause\n\
                  response_body: set_body response 0 0 got-";
    let mut bench = Bench::new(vec![plugin("a", script)]);
    let message = Message { body: vec!["one".into(), "two".into()], ..Message::new(get()) };
    let finished = bench.worker.run(message, &mut Echo(bench.clock.clone()));
    assert_eq!(finished.upstream_request.unwrap().whole_body(), "new");
    assert_eq!(finished.response.unwrap().whole_body(), "got-new");
}

#[test]
fn trailers_can_be_added_with_the_last_of_the_body() {
    let mut bench = Bench::new(vec![
        plugin("a", "request_body.end: add request_trailers x-sum 3"),
        plugin("b", ""),
    ]);
    let finished =
        bench.worker.run(Message::new(get()).with_body("abc"), &mut Echo(bench.clock.clone()));
    let sent = finished.upstream_request.unwrap();
    assert_eq!(
        (sent.whole_body(), sent.trailers.unwrap().to_string()),
        ("abc".into(), "x-sum: 3\n".into())
    );
    assert!(bench.said("request_trailers(1)"));
}

fn small() -> ChainOptions {
    ChainOptions { buffer_bytes: 4, ..ChainOptions::default() }
}

#[test]
fn too_much_that_a_plugin_wants_to_buffer_is_413_and_500() {
    for (script, status, details) in [
        ("request_body: pause", "413", "request_payload_too_large"),
        ("response_headers: answer 3", "500", "response_payload_too_large"),
    ] {
        let mut bench = Bench::with(vec![plugin("a", script)], small(), &WorkerOptions::default());
        let finished = bench
            .worker
            .run(Message::new(get()).with_body("12345"), &mut Echo(bench.clock.clone()));
        assert_eq!(finished.response.unwrap().headers.get(":status"), Some(status.as_bytes()));
        assert_eq!(finished.local_reply.unwrap().details.to_string(), details);
    }
}

#[test]
fn a_sender_is_held_back_when_a_plugin_waits_for_something_else() {
    let script = "request_headers: pause\n\
                  request_headers: tick 100\n\
                  tick#1: effective stream\n\
                  tick#1: continue request\n\
                  tick#1: tick 0";
    let mut bench = Bench::with(vec![plugin("a", script)], small(), &WorkerOptions::default());
    let id = bench.open();
    bench.worker.request(id, headers(get(), false));
    bench.worker.request(id, data("1234", false));
    assert!(!bench.worker.holds_back(id, REQUEST));
    bench.worker.request(id, data("5", false));
    assert!(bench.worker.holds_back(id, REQUEST));
    bench.clock.advance(std::time::Duration::from_millis(100));
    bench.worker.run_timers();
    assert!(!bench.worker.holds_back(id, REQUEST));
    assert_eq!(bench.events(id), ["> headers /", "> data 12345"]);
}

#[test]
fn what_http_cannot_carry_is_not_sent() {
    for (script, status) in [
        ("request_headers: remove request_headers :path", "404"),
        ("request_headers: add request_headers x-line \"a\\nb\"", "503"),
        ("response_headers: replace response_headers :status word", "502"),
    ] {
        let mut bench = Bench::new(vec![plugin("a", script)]);
        let finished = bench.worker.run(Message::new(get()), &mut Echo(bench.clock.clone()));
        assert_eq!(
            finished.response.unwrap().headers.get(":status"),
            Some(status.as_bytes()),
            "{script}"
        );
    }
}

#[test]
fn a_write_to_the_request_asks_for_the_route_again_once() {
    let script =
        "request_headers: add request_headers x-a 1\nrequest_headers: add request_headers x-b 2";
    let mut bench = Bench::new(vec![plugin("a", script), plugin("b", script)]);
    let id = bench.open();
    bench.worker.request(id, headers(get(), true));
    assert_eq!(bench.events(id), ["reroute", "> headers / end"]);
}

#[test]
fn workers_of_one_chain_run_on_threads_of_their_own_and_share_only_the_host() {
    let script = "configure: define counter hits\n\
                  request_headers: increment hits 1\n\
                  request_headers: set_shared last x 0";
    let chain = Chain::new(vec![plugin("a", script), plugin("b", script)]);
    let host = Host::default();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let mut worker = Worker::new(&chain, host.clone()).unwrap();
            std::thread::spawn(move || {
                for _ in 0..100 {
                    let finished = worker
                        .run(Message::new(get()), &mut |_: &Message| Some(Message::new(ok())));
                    assert!(finished.response.is_some());
                }
                worker.open_streams()
            })
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 0));
    assert_eq!(host.metrics.value("hits"), Some(800));
}
