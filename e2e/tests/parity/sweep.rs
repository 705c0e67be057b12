//! The sweep: every hostcall in every callback, with every kind of map, buffer and stream, over
//! HTTP/1.1 and HTTP/2. Its scenarios are made here, because they are the same lines for each
//! callback.

use crate::scenario::{End, Plugin, Request, Response, Scenario};

/// The callbacks of a stream.
const OF_STREAMS: [&str; 10] = [
    "context_create",
    "request_headers",
    "request_body",
    "request_trailers",
    "response_headers",
    "response_body",
    "response_trailers",
    "log",
    "done",
    "delete",
];

/// The callbacks of a root context, but those of its start.
const OF_ROOTS: [&str; 7] = [
    "tick",
    "queue_ready",
    "http_call_response",
    "grpc_receive_initial_metadata",
    "grpc_receive",
    "grpc_receive_trailing_metadata",
    "grpc_close",
];

/// Leads to each callback of a root context, one after the other. The item comes into the queue at
/// the end of a stream: Envoy's main thread has no streams, but shares the queue.
const TO_ROOTS: &str = r#"
configure: register q
configure: tick 30
tick#1: tick 0
tick#1: call echo 1000 "body" :method GET :path / :authority a trailers x-t 1
http_call_response#1: grpc "\n\x06\n\x04echo" pkg.Service Method 1000 "hello"
grpc_receive#1: grpc_stream "\n\x06\n\x04echo" pkg.Service Method
grpc_receive#1: grpc_send "hi" false
grpc_receive#2: grpc_send "bye" true
log#1: enqueue q item
"#;

/// Lines that do the same at each call of a callback, which is run in the order of the list.
const READING: &[&str] = &[
    "each_map get x-a",
    "each_map get x-none",
    "each_map pairs",
    "each_map size",
    "each_buffer body 0 4",
    "each_buffer body 100 1",
    "each_buffer buffer_status",
];
const ADDING: &[&str] = &["each_map add x-added 1"];
const REPLACING: &[&str] = &["each_map replace x-a 2"];
const REMOVING: &[&str] = &["each_map remove x-a", "each_map remove x-none"];
const SETTING: &[&str] = &["each_map keep_pairs"];
const WRITING: &[&str] = &["each_buffer set_body 0 0 +", "each_buffer set_body 100000 0 -"];
const SERVICES: &[&str] = &[
    "log info said",
    "log 9 said",
    "log_level",
    "time",
    "define gauge COUNTER",
    // Envoy's main thread counts, too, so the value must not depend on how often that was.
    "increment COUNTER 1",
    "record COUNTER 1",
    "increment 4004 1",
    "shared none",
    "set_shared key value 0",
    "shared key",
    "register other",
    "resolve unknown q",
    "dequeue other",
    "enqueue 99 x",
    "foreign unheard_of x",
    "foreign clear_route_cache \"\"",
    "foreign expr_create 7",
    "foreign expr_evaluate $",
    "foreign declare_property \"\\n\\x01p\"",
    "status",
    "done",
    "effective 4711",
    "effective root",
    "effective self",
    "grpc_send x false",
    "grpc_close",
    "grpc_cancel",
    "call unknown 1000 \"\" :method GET :path / :authority a",
    "call echo 1000 \"\"",
    "set_prop mine 1",
    "prop mine",
    "prop filter_state wasm.mine",
];

/// Attributes, also such that have no value or whose value is a group.
const PROPERTIES: &[&str] = &[
    "request",
    "response",
    "connection",
    "upstream",
    "source",
    "destination",
    "metadata",
    "filter_state",
    "xds",
    "node",
    "plugin_root_id",
    "cluster_metadata",
    "route_name",
    "route_metadata",
    "listener_direction",
    "listener_metadata",
    "unheard_of",
];
const OF_REQUEST: &[&str] = &[
    "path",
    "url_path",
    "host",
    "scheme",
    "method",
    "referer",
    "useragent",
    "id",
    "protocol",
    "query",
    "size",
    "none",
];
const OF_RESPONSE: &[&str] =
    &["code", "code_details", "flags", "grpc_status", "trailers", "size", "none"];

fn properties() -> Vec<String> {
    let bare = PROPERTIES.iter().map(|name| format!("prop {name}"));
    let below = |group: &'static str, fields: &'static [&str]| {
        fields.iter().map(move |field| format!("prop {group} {field}"))
    };
    // The whole map comes in an order that differs from run to run, so its length is compared.
    let header =
        ["prop request headers x-a", "prop response headers x-a", "prop_len request headers"]
            .map(ToOwned::to_owned);
    bare.chain(below("request", OF_REQUEST))
        .chain(below("response", OF_RESPONSE))
        .chain(header)
        .collect()
}

/// The parts that a request and its response have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Whole,
    Body,
    Headers,
}

impl Shape {
    fn text(self) -> &'static str {
        match self {
            Shape::Whole => "",
            Shape::Body => ", no trailers",
            Shape::Headers => ", headers only",
        }
    }
}

/// A scenario of this name that runs these lines in each callback.
fn sweep(name: &str, lines: &[String], http1: bool, shape: Shape) -> Scenario {
    let in_callback = |callback: &&str| {
        lines.iter().map(|line| format!("{callback}: {line}\n")).collect::<String>()
    };
    let own: String = OF_STREAMS.iter().chain(&OF_ROOTS).map(&in_callback).collect();
    let script = format!("{TO_ROOTS}{own}{}", in_callback(&"configure"));
    scenario(name, &script, &in_callback(&"vm_start"), http1, shape)
}

/// A scenario with these scripts.
fn scenario(name: &str, script: &str, vm_script: &str, http1: bool, shape: Shape) -> Scenario {
    // Metrics are those of the whole proxy, so that each scenario has its own.
    let name = format!("{name}, {}{}", if http1 { "HTTP/1.1" } else { "HTTP/2" }, shape.text());
    let counter = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let list = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let parts = |parts: &[&str]| list(if shape == Shape::Headers { &[] } else { parts });
    let trailers = |lines: &[&str]| list(if shape == Shape::Whole { lines } else { &[] });
    let headers = vec!["x-a: 1".to_owned()];
    Scenario {
        file: "sweep".to_owned(),
        name,
        plugins: vec![Plugin {
            name: "a".to_owned(),
            script: script.replace("COUNTER", &counter),
            vm_script: vm_script.replace("COUNTER", &counter),
            guest: "probe".to_owned(),
            vm: None,
            root_id: String::new(),
            fail: "closed".to_owned(),
        }],
        requests: vec![Request {
            method: if shape == Shape::Headers { "GET" } else { "POST" }.to_owned(),
            path: "/p?q=1".to_owned(),
            authority: "shop.example".to_owned(),
            headers: headers.clone(),
            body: parts(&["one"]),
            trailers: trailers(&["x-a: 3"]),
            end: End::Last,
            after_ms: 1500,
            gives_up_ms: None,
            at_once: false,
        }],
        response: Response {
            status: 200,
            headers,
            body: parts(&["three"]),
            trailers: trailers(&["x-a: 4"]),
            end: End::Last,
            reset: false,
        },
        buffer_bytes: None,
        allow_stop: false,
        parts_vary: false,
        http1,
        wait_ms: 200,
    }
}

/// What a guest asks for of its stream.
const ASKING: [&str; 5] = [
    "reply 403 denied no -1 x-own 1",
    "continue request",
    "continue response",
    "close request",
    "close response",
];

/// Whether asking for it in this callback ends the whole process of Envoy 1.40.0.
fn ends_envoy(callback: &str, line: &str, http1: bool) -> bool {
    match callback {
        "log" | "done" | "delete" => !line.starts_with("continue"),
        "context_create" | "request_headers" | "request_body" | "request_trailers"
        | "response_trailers" => {
            let closes = callback == "response_trailers" && line.starts_with("close");
            line == "continue response" || (http1 && closes)
        }
        _ => false,
    }
}

/// Scenarios that ask once for something of the stream, in one callback each.
fn asking(http1: bool) -> impl Iterator<Item = Scenario> {
    OF_STREAMS.into_iter().flat_map(move |callback| {
        ASKING.into_iter().filter(move |line| !ends_envoy(callback, line, http1)).map(move |line| {
            let word = line.split(' ').take(2).collect::<Vec<_>>().join(" ");
            let name = format!("{word} in {callback}");
            scenario(&name, &format!("{callback}#1: {line}\n"), "", http1, Shape::Whole)
        })
    })
}

/// All scenarios of the sweep.
pub fn scenarios() -> Vec<Scenario> {
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let kinds = [
        ("reading", lines(READING)),
        ("adding", lines(ADDING)),
        ("replacing", lines(REPLACING)),
        ("removing", lines(REMOVING)),
        ("setting pairs", lines(SETTING)),
        ("writing buffers", lines(WRITING)),
        ("services", lines(SERVICES)),
        ("properties", properties()),
    ];
    let mut scenarios = Vec::new();
    for http1 in [false, true] {
        scenarios.extend(asking(http1));
        for shape in [Shape::Whole, Shape::Body, Shape::Headers] {
            for (name, lines) in &kinds {
                scenarios.push(sweep(name, lines, http1, shape));
            }
        }
    }
    scenarios
}
