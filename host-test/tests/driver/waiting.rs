//! Waiting: pauses that end with a tick or with the answer of a callout, and pauses that do not
//! end.

use std::time::Duration;

use gatepost_host::{Callout, CalloutAnswer, Headers, Message, Upstream};

use crate::bench::{Bench, Echo, REQUEST, RESPONSE, get, headers, ok, plugin};

/// Answers callouts with these, and the request with 200.
struct Answering(Option<Vec<CalloutAnswer>>);

impl Upstream for Answering {
    fn respond(&mut self, _: &Message) -> Option<Message> {
        Some(Message::new(ok()))
    }

    fn callout(&mut self, _: &Callout) -> Option<Vec<CalloutAnswer>> {
        self.0.clone()
    }
}

const ASKS: &str = "request_headers: call auth 1000 \"\" :method GET :path /x :authority auth
    request_headers: pause
    http_call_response: get call_headers :status
    http_call_response: effective stream
    http_call_response: continue request";

#[test]
fn a_request_waits_for_the_answer_to_a_callout() {
    let answer = CalloutAnswer::http(Headers::response([(":status", "204")]), "");
    for (answers, status) in [(Some(vec![answer]), "204"), (None, "503")] {
        let mut bench = Bench::new(vec![plugin("a", ASKS)]);
        let finished = bench.worker.run(Message::new(get()), &mut Answering(answers));
        assert_eq!((finished.paused, finished.response.is_some()), (None, true));
        assert!(
            bench.said(&format!("http_call_response: get call_headers :status -> Ok \"{status}\""))
        );
    }
}

#[test]
fn a_callout_that_nobody_answers_times_out_when_time_goes_on() {
    let mut bench = Bench::new(vec![plugin("a", ASKS)]);
    let finished = bench.worker.run(Message::new(get()), &mut Answering(Some(vec![])));
    assert_eq!((finished.paused, finished.response), (Some(REQUEST), None));

    let mut bench = Bench::new(vec![plugin("a", ASKS)]);
    let id = bench.open();
    bench.worker.request(id, headers(get(), true));
    let callouts = bench.worker.callouts();
    assert_eq!((callouts.len(), bench.worker.next_timer()), (1, Some(1_000_000_000)));
    bench.clock.advance(Duration::from_secs(1));
    bench.worker.run_timers();
    assert!(bench.said("http_call_response: get call_headers :status -> Ok \"504\""));
    assert_eq!(
        (bench.events(id), bench.worker.next_timer()),
        (vec!["> headers / end".to_owned()], None)
    );
    assert!(
        !bench.worker.answer(callouts[0].id, CalloutAnswer::timeout()),
        "an answer that comes too late"
    );
}

#[test]
fn a_response_waits_for_a_tick() {
    let script = "response_headers: pause\n\
                  response_headers: tick 50\n\
                  tick#1: effective stream\n\
                  tick#1: continue response\n\
                  tick#1: tick 0";
    let mut bench = Bench::new(vec![plugin("a", script)]);
    let finished =
        bench.worker.run(Message::new(get()).with_body("x"), &mut Echo(bench.clock.clone()));
    assert_eq!(finished.response.unwrap().whole_body(), "x");
}

#[test]
fn an_exchange_that_nobody_continues_is_told_to_wait_and_can_be_closed() {
    for (script, direction) in
        [("request_headers: pause", REQUEST), ("response_headers: pause", RESPONSE)]
    {
        let mut bench = Bench::new(vec![plugin("a", script)]);
        let finished = bench.worker.run(Message::new(get()), &mut Echo(bench.clock.clone()));
        assert_eq!((finished.paused, finished.response), (Some(direction), None));
        assert!(bench.said("delete()"));
    }
}

#[test]
fn a_guest_that_never_stops_calling_ends_the_run_and_not_the_host() {
    let asks = "call auth 1000 \"\" :method GET :path /x :authority auth";
    let script =
        format!("request_headers: {asks}\nrequest_headers: pause\nhttp_call_response: {asks}");
    let mut bench = Bench::new(vec![plugin("a", &script)]);
    let answer = CalloutAnswer::http(Headers::response([(":status", "200")]), "");
    let finished = bench.worker.run(Message::new(get()), &mut Answering(Some(vec![answer])));
    assert_eq!(finished.paused, Some(REQUEST));

    let requeues = "configure: register jobs\n\
                    request_headers: pause\n\
                    request_headers: enqueue jobs x\n\
                    queue_ready: enqueue jobs x";
    let mut bench = Bench::new(vec![plugin("a", requeues)]);
    let finished = bench.worker.run(Message::new(get()), &mut Echo(bench.clock.clone()));
    assert_eq!(finished.paused, Some(REQUEST));
}

#[test]
fn plugins_of_one_worker_hear_of_items_in_their_queues() {
    let reader = "configure: register jobs\nqueue_ready: dequeue jobs";
    let writer = "request_headers: resolve reader jobs\nrequest_headers: enqueue jobs one";
    let mut bench = Bench::new(vec![plugin("reader", reader), plugin("writer", writer)]);
    let id = bench.open();
    bench.worker.request(id, headers(get(), true));
    assert_eq!(bench.worker.next_timer(), Some(0));
    bench.worker.run_timers();
    assert!(bench.said("queue_ready: dequeue jobs -> Ok \"one\""), "{:?}", bench.log.messages());
    assert_eq!(bench.worker.next_timer(), None);
}

#[test]
fn a_grpc_call_to_an_unknown_cluster_fails_after_its_callback() {
    let script = "request_headers: grpc \"\\n\\x04\\n\\x02no\" pkg.S M 1000 x\ngrpc_close: status";
    let mut bench = Bench::new(vec![plugin("a", script)]);
    let host = gatepost_host::Host {
        clusters: gatepost_host::Clusters::Only([].into()),
        log: std::sync::Arc::new(bench.log.clone()),
        ..gatepost_host::Host::default()
    };
    bench.worker = gatepost_host::Worker::new(bench.worker.chain(), host).unwrap();
    let id = bench.open();
    bench.worker.request(id, headers(get(), true));
    assert!(
        bench.said("grpc_close: status -> Ok 14 \"Cluster not available\""),
        "{:?}",
        bench.log.messages()
    );
    assert!(!bench.worker.has_callouts());
}
