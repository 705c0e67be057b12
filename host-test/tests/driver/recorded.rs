//! Recorded events: one ordered list for an exchange, also if its plugins are in several VMs.

use gatepost_host::{ChainOptions, Message, WorkerOptions};

use crate::bench::{Bench, Echo, get, headers, plugin};

fn recording(plugins: Vec<gatepost_host::ChainPlugin>) -> Bench {
    Bench::with(
        plugins,
        ChainOptions::default(),
        &WorkerOptions { record: true, seed: Some(1), ..WorkerOptions::default() },
    )
}

#[test]
fn the_recorded_events_of_an_exchange_are_its_own_and_in_order() {
    let mut bench =
        recording(vec![plugin("a", "request_headers: add request_headers x 1"), plugin("b", "")]);
    assert!(!bench.worker.take_recorded_by_roots().is_empty(), "the start of the plugins");
    let (one, two) = (bench.open(), bench.open());
    bench.worker.request(one, headers(get(), true));
    bench.worker.request(two, headers(get(), true));
    bench.worker.close(two);
    let lines: Vec<String> = bench
        .worker
        .take_recorded(one)
        .iter()
        .map(|event| format!("{} {event}", event.plugin))
        .filter(|line| !line.contains("proxy_log"))
        .collect();
    assert_eq!(
        lines,
        [
            "a 2 > proxy_on_context_create(parent_context: 1)",
            "a 2 < proxy_on_context_create",
            "a 2 > proxy_on_request_headers(headers: 3, end_of_stream: 1)",
            "a 2   proxy_add_header_map_value(map: request_headers, \
             name: \"x\", value: \"1\") = Ok",
            "a 2 < proxy_on_request_headers = 0",
            "b 2 > proxy_on_context_create(parent_context: 1)",
            "b 2 < proxy_on_context_create",
            "b 2 > proxy_on_request_headers(headers: 4, end_of_stream: 1)",
            "b 2 < proxy_on_request_headers = 0",
        ]
    );
    let ends = bench.worker.take_recorded(two);
    assert!(
        ends.iter().any(|event| event.to_string().contains("proxy_on_delete")),
        "also after it was closed"
    );
    assert!(bench.worker.take_recorded_by_roots().is_empty());
}

#[test]
fn a_whole_run_gives_everything_that_was_recorded() {
    let mut bench = recording(vec![plugin("a", "")]);
    let finished = bench.worker.run(Message::new(get()), &mut Echo(bench.clock.clone()));
    let text = finished.recorded.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    for callback in ["request_headers", "response_headers", "log", "done", "delete"] {
        assert!(text.contains(&format!("> proxy_on_{callback}")), "{callback} in {text}");
    }
}
