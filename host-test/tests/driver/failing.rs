//! Guests that trap: what happens to the exchange, to later ones, and to those that are paused.

use std::time::Duration;

use gatepost_host::{FailPolicy, Message};

use crate::bench::{Bench, Echo, failing, get, headers, plugin};

fn status(bench: &mut Bench) -> String {
    let finished = bench.worker.run(Message::new(get()), &mut Echo(bench.clock.clone()));
    let headers = finished.response.map(|response| response.headers).unwrap_or_default();
    String::from_utf8_lossy(headers.get(":status").unwrap_or(b"none")).into_owned()
}

#[test]
fn a_trap_is_a_503_and_the_policy_decides_about_the_next() {
    for (policy, next, after_a_second) in [
        (FailPolicy::Closed, "503", "503"),
        (FailPolicy::Open, "200", "200"),
        (FailPolicy::Reload, "503", "200"),
    ] {
        let mut bench =
            Bench::new(vec![plugin("outer", ""), failing("request_headers: trap", policy)]);
        assert_eq!(status(&mut bench), "503", "{policy:?}");
        assert_eq!(bench.worker.errors().len(), 1, "{policy:?}");
        assert_eq!(status(&mut bench), next, "{policy:?}");
        if policy == FailPolicy::Reload {
            // The VM was rebuilt, and traps again.
            bench.clock.advance(Duration::from_secs(1));
            assert_eq!(status(&mut bench), "503");
            assert_eq!(bench.worker.errors().len(), 1);
        } else {
            assert_eq!(status(&mut bench), after_a_second, "{policy:?}");
            assert_eq!(bench.worker.errors().len(), 0, "{policy:?}");
        }
    }
}

#[test]
fn a_vm_that_is_built_anew_serves_again() {
    let mut bench =
        Bench::new(vec![failing("tick#1: trap\nconfigure: tick 100", FailPolicy::Reload)]);
    bench.clock.advance(Duration::from_millis(100));
    bench.worker.run_timers();
    assert_eq!(bench.worker.errors().len(), 1);
    assert_eq!(status(&mut bench), "503");
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(status(&mut bench), "200");
}

#[test]
fn those_who_wait_at_a_plugin_that_traps_do_not_wait_for_ever() {
    for (policy, expected) in
        [(FailPolicy::Closed, "< headers 503 end"), (FailPolicy::Open, "> headers / end")]
    {
        let script = "request_headers: pause\nconfigure: tick 100\ntick: trap";
        let mut bench = Bench::new(vec![failing(script, policy)]);
        let id = bench.open();
        bench.worker.request(id, headers(get(), true));
        assert_eq!(bench.events(id), Vec::<String>::new());
        bench.clock.advance(Duration::from_millis(100));
        bench.worker.run_timers();
        assert_eq!(bench.events(id), [expected]);
    }
}

#[test]
fn a_trap_says_who_where_and_why() {
    let mut bench = Bench::new(vec![failing("response_headers: trap", FailPolicy::Closed)]);
    assert_eq!(status(&mut bench), "503");
    let error = bench.worker.errors().remove(0).to_string();
    assert!(
        error.starts_with("probe (plugin failing): trapped in proxy_on_response_headers: "),
        "{error}"
    );
}

#[test]
fn a_trap_of_one_plugin_leaves_the_others_alone() {
    let mut bench =
        Bench::new(vec![plugin("a", ""), failing("log: trap", FailPolicy::Open), plugin("c", "")]);
    assert_eq!((status(&mut bench), status(&mut bench)), ("200".into(), "200".into()));
    let deleted = bench.log.messages().iter().filter(|line| *line == "delete()").count();
    assert_eq!(deleted, 4, "two exchanges of two plugins");
}
