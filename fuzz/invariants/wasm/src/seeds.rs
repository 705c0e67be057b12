//! The seeds of each fuzz target, made from the same policies and programs that the tests use.

use gatepost_host::HOSTCALLS;
use gatepost_invariants::case::{POLICIES, policy};

use crate::wild::guest::CALLBACKS;
use crate::wild::program::{Argument, Call, Program, hostcall};

const AUTHORITIES: [&str; 14] = [
    "My-Service.test.com.:443",
    "my-service.test.com",
    "app.default.svc.cluster.local",
    "user@admin.example.com",
    "a.test,b.test",
    "cart.mesh.private",
    "env1.dev.example.com",
    "status.example.com",
    "b.a.test:",
    "[2001:DB8:0::A]:080",
    "10.0.0.1:65535",
    "b\u{fc}cher.test",
    "%61dmin.example.com",
    "a_b.test",
];

const LINES: [&str; 4] = [
    ":method: GET\n:path: /\nuser-agent: GoogleHC/1.0\n",
    ":method: POST\n:path: /a?env=env1\ncontent-type: application/grpc\n\
     env: env1\nx-gatepost-env: forged\n",
    ":method: GET\n:path: /up\ncookie: a=b; env=stg\nbaggage: env=env2\n\
     x-forwarded-host: forged\nk-network-hash: 1\nk-hash: 1\n",
    ":method: GET\n:path: /ready\nuser-agent: kube-probe\nenv: env1\nenv: env2\n\
     x-env: forged\nx-key: forged\nvia: 1.1 google\n",
];

const RESPONSES: [&str; 3] = [
    "location: https://my-service.default.example.com/login\n\
     set-cookie: sid=1; Domain=my-service.default.example.com; Path=/\nset-cookie: a=b\n",
    "refresh: 5; url='//my-service.default.example.com/'\nvary: accept-encoding\nvary: Env\n",
    "content-location: HTTP://MY-SERVICE.default.example.com.:80/?a#b\nvary: *\n\
     set-cookie: env=a; domain=.example.com\nlink: <https://my-service.default.example.com/>\n",
];

/// The seeds of each target, by its name.
#[must_use]
pub fn all() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let authorities = AUTHORITIES.iter().map(|authority| authority.as_bytes().to_vec()).collect();
    let configurations = POLICIES
        .iter()
        .map(|(name, _)| policy(name.as_bytes()).configuration.clone().into_bytes())
        .collect();
    vec![
        ("authority", authorities),
        ("compile", configurations),
        ("decide", cases()),
        ("response", cases()),
        ("filter", cases()),
        ("host_memory", programs()),
    ]
}

fn cases() -> Vec<Vec<u8>> {
    let one = |(name, authority, lines, response): (&str, &str, &str, &str)| {
        format!("{name}\n10.0.0.1:4711\n:authority: {authority}\n{lines}\n{response}")
    };
    let policies =
        POLICIES.iter().flat_map(|(name, _)| LINES.iter().map(move |lines| (*name, *lines)));
    policies
        .zip(AUTHORITIES.iter().cycle().zip(RESPONSES.iter().cycle()))
        .map(|((name, lines), (authority, response))| {
            one((name, authority, lines, response)).into_bytes()
        })
        .collect()
}

/// Each hostcall once in each kind of callback, with valid arguments: a map or buffer, names and
/// values in the payload, and an address for the result.
fn programs() -> Vec<Vec<u8>> {
    let callbacks = [
        "proxy_on_request_headers",
        "proxy_on_request_body",
        "proxy_on_tick",
        "proxy_on_log",
        "malloc",
    ];
    let programs = callbacks.iter().filter_map(|callback| place(callback)).flat_map(|callback| {
        (0..HOSTCALLS.len()).step_by(4).map(move |first| {
            let calls = (first..HOSTCALLS.len().min(first + 4))
                .filter_map(|at| Some(sensible(callback, u8::try_from(at).ok()?)));
            Program { setting: 0, calls: calls.collect(), payload: payload() }.bytes()
        })
    });
    programs.chain(maps()).chain(expressions()).collect()
}

fn place(callback: &str) -> Option<u8> {
    CALLBACKS.iter().position(|known| known.name == callback).and_then(|at| u8::try_from(at).ok())
}

fn sensible(callback: u8, hostcall: u8) -> Call {
    let (name, value, back) = (Argument::Payload(0), Argument::Payload(64), Argument::Payload(512));
    let pattern = [name, Argument::Small(11), value, Argument::Small(4), back, Argument::Small(0)];
    let params = HOSTCALLS[usize::from(hostcall)].params;
    // An integer before pointers and lengths is a map, a buffer or a level.
    let leads = params.len() % 2 == 1;
    let arguments = leads
        .then_some(Argument::Small(0))
        .into_iter()
        .chain(pattern.into_iter().cycle())
        .take(params.len());
    Call { callback, hostcall, arguments: arguments.collect() }
}

/// A name at 0, a value at 64, a map of two pairs as the ABI serialises it at 128, and the names of
/// two foreign functions at 192 and 208.
fn payload() -> Vec<u8> {
    let mut payload = b"plugin_name".to_vec();
    payload.resize(64, 0);
    payload.extend(b"blue");
    payload.resize(128, 0);
    let numbers: [u32; 5] = [2, 5, 3, 1, 0];
    numbers.iter().for_each(|number| payload.extend(number.to_le_bytes()));
    payload.extend(b":path\0/ab\0x\0\0");
    payload.resize(192, 0);
    payload.extend(b"expr_create");
    payload.resize(208, 0);
    payload.extend(b"expr_evaluate");
    payload
}

/// A program that creates an expression, which is the name in the payload, and evaluates it.
fn expressions() -> Option<Vec<u8>> {
    let (callback, hostcall) =
        (place("proxy_on_request_headers")?, hostcall("proxy_call_foreign_function")?);
    let back = [Argument::Payload(512), Argument::Payload(516)];
    let call = |name: [Argument; 2], argument: [Argument; 2]| Call {
        callback,
        hostcall,
        arguments: [name, argument, back].concat(),
    };
    let name = [Argument::Payload(0), Argument::Small(11)];
    // The first token is four zero bytes.
    let token = [Argument::Payload(240), Argument::Small(4)];
    let calls = vec![
        call([Argument::Payload(192), Argument::Small(11)], name),
        call([Argument::Payload(208), Argument::Small(13)], token),
    ];
    Some(Program { setting: 0, calls, payload: payload() }.bytes())
}

/// Programs that pass the map in the payload to the host, and values beyond the limits.
fn maps() -> Vec<Vec<u8>> {
    let map = [Argument::Payload(128), Argument::Small(33)];
    let program = |callback: &str, name: &str, arguments: Vec<Argument>| {
        let call = |callback, hostcall| Call { callback, hostcall, arguments };
        let calls = place(callback)
            .zip(hostcall(name))
            .map(|(callback, hostcall)| call(callback, hostcall))
            .into_iter()
            .collect();
        Program { setting: 0, calls, payload: payload() }.bytes()
    };
    let on_headers = |name, arguments| program("proxy_on_request_headers", name, arguments);
    let (text, much, back) = (
        [Argument::Payload(64), Argument::Small(4)],
        [Argument::Payload(0), Argument::Any(9000)],
        Argument::Payload(512),
    );
    vec![
        on_headers("proxy_set_header_map_pairs", [&[Argument::Small(0)][..], &map].concat()),
        on_headers(
            "proxy_send_local_response",
            [&[Argument::Any(403)][..], &text, &text, &map, &[Argument::Edge(15)]].concat(),
        ),
        on_headers(
            "proxy_http_call",
            [&text[..], &map, &text, &map, &[Argument::Small(9), back]].concat(),
        ),
        on_headers(
            "proxy_grpc_call",
            [&text[..], &text, &text, &map, &text, &[Argument::Small(9), back]].concat(),
        ),
        on_headers("proxy_grpc_stream", [&text[..], &text, &text, &map, &[back]].concat()),
        on_headers(
            "proxy_add_header_map_value",
            [&[Argument::Small(0)][..], &text, &much].concat(),
        ),
        on_headers(
            "proxy_replace_header_map_value",
            [&[Argument::Small(0)][..], &much, &text].concat(),
        ),
        program(
            "proxy_on_request_body",
            "proxy_set_buffer_bytes",
            [&[Argument::Small(0); 3][..], &much].concat(),
        ),
        on_headers("proxy_log", [&[Argument::Small(2)][..], &much].concat()),
        on_headers("proxy_set_property", [text, much].concat()),
    ]
}
