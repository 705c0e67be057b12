//! How exchanges end: local replies, resets, and the guests' last callbacks.

use gatepost_host::{HeaderScope, Headers, Message, Part};

use crate::bench::{Bench, Echo, data, get, headers, ok, plugin};

#[test]
fn a_local_reply_passes_the_plugins_outside_of_its_own() {
    let plugins = vec![
        plugin("outer", "response_headers: add response_headers x-outer 1"),
        plugin("inner", "request_headers: reply 403 denied no -1"),
        plugin("never", "request_headers: add request_headers x 1"),
    ];
    let mut bench = Bench::new(plugins);
    let finished = bench.worker.run(Message::new(get()), &mut Echo(bench.clock.clone()));
    let (response, reply) = (finished.response.unwrap(), finished.local_reply.unwrap());
    let text = ":status: 403\ncontent-length: 2\ncontent-type: text/plain\nx-outer: 1\n";
    assert_eq!((response.headers.to_string().as_str(), response.whole_body()), (text, "no".into()));
    assert_eq!(
        (reply.plugin.as_deref(), reply.details.to_string()),
        (Some("inner"), "denied".to_owned())
    );
    assert_eq!(finished.upstream_request, None);
}

#[test]
fn a_local_reply_after_the_request_went_out_resets_the_upstream() {
    let mut bench = Bench::new(vec![plugin("a", "request_body: reply 403 denied no -1")]);
    let id = bench.open();
    bench.worker.request(id, headers(get(), false));
    bench.worker.request(id, data("x", false));
    assert_eq!(bench.events(id), ["> headers /", "> reset", "< headers 403", "< data no end"]);
    bench.worker.response(id, headers(ok(), true));
    assert_eq!(bench.events(id), Vec::<String>::new());
}

#[test]
fn a_local_reply_after_the_response_began_resets_the_client() {
    let mut bench = Bench::new(vec![plugin("a", "response_body: reply 403 denied no -1")]);
    let id = bench.open();
    bench.worker.request(id, headers(get(), true));
    bench.worker.response(id, headers(ok(), false));
    bench.worker.response(id, data("x", true));
    assert_eq!(bench.events(id), ["> headers / end", "< headers 200", "< reset"]);
}

#[test]
fn an_upstream_is_reset_once_also_when_a_reply_is_cut_short() {
    let inner = "request_trailers: reply 403 denied no -1";
    let mut bench =
        Bench::new(vec![plugin("outer", "response_body: close request"), plugin("inner", inner)]);
    let id = bench.open();
    bench.worker.request(id, headers(get(), false));
    bench.worker.request(id, Part::Trailers(Headers::new(HeaderScope::RequestTrailers)));
    assert_eq!(bench.events(id), ["> headers /", "> reset", "< headers 403", "< reset"]);
}

#[test]
fn a_proxy_answers_when_it_finds_no_route() {
    let mut bench =
        Bench::new(vec![plugin("a", "response_headers: add response_headers x-seen 1")]);
    let id = bench.open();
    bench.worker.request(id, headers(get(), true));
    bench.worker.reply(id, 404, "", "route_not_found");
    assert_eq!(bench.events(id), ["> headers / end", "< headers 404 end"]);
    assert_eq!(bench.worker.local_reply(id).unwrap().plugin, None);
}

#[test]
fn an_upstream_that_goes_away_is_a_503_before_its_answer_and_a_reset_after() {
    let mut bench = Bench::new(vec![plugin("a", "")]);
    let id = bench.open();
    bench.worker.request(id, headers(get(), true));
    bench.worker.upstream_reset(id, "connection termination");
    let text = "upstream connect error or disconnect/reset before headers. \
                reset reason: connection termination";
    assert_eq!(
        bench.events(id),
        ["> headers / end".to_owned(), "< headers 503".to_owned(), format!("< data {text} end")]
    );
    let id = bench.open();
    bench.worker.request(id, headers(get(), true));
    bench.worker.response(id, headers(ok(), false));
    bench.worker.upstream_reset(id, "connection termination");
    assert_eq!(bench.events(id), ["> headers / end", "< headers 200", "< reset"]);
}

#[test]
fn a_client_that_goes_away_resets_the_upstream_and_ends_the_guests() {
    let mut bench = Bench::new(vec![plugin("a", ""), plugin("b", "")]);
    let id = bench.open();
    bench.worker.request(id, headers(get(), false));
    bench.worker.client_reset(id);
    assert_eq!(bench.events(id), ["> headers /", "> reset"]);
    let ends = bench.log.messages().split_off(bench.log.messages().len() - 6);
    assert_eq!(ends, ["log()", "log()", "done()", "delete()", "done()", "delete()"]);
}

#[test]
fn an_id_of_a_closed_exchange_names_nothing() {
    let mut bench = Bench::new(vec![plugin("a", "")]);
    let old = bench.open();
    bench.worker.close(old);
    let new = bench.open();
    bench.worker.request(old, headers(get(), true));
    bench.worker.close(old);
    assert_eq!((bench.worker.next(old), bench.worker.next(new)), (None, None));
    bench.worker.request(new, headers(get(), true));
    assert_eq!(bench.events(new), ["> headers / end"]);
}
