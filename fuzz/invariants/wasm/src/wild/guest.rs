//! The module of the guest. In each callback it makes the hostcalls that its configuration lists,
//! with the arguments that are given there. Its text (WAT) is generated from the host's own table
//! of hostcalls, once for each version of the ABI.

use std::fmt::Write as _;

use gatepost_host::{AbiVersion, HOSTCALLS, Hostcall};

/// A callback: its name, the number of its parameters, and whether it returns a value.
pub struct Callback {
    /// The name of the export.
    pub name: &'static str,
    params: usize,
    answers: bool,
}

const fn callback(name: &'static str, params: usize, answers: bool) -> Callback {
    Callback { name, params, answers }
}

/// The callbacks that a program's calls can be made in.
pub const CALLBACKS: &[Callback] = &[
    callback("malloc", 1, true),
    callback("proxy_on_context_create", 2, false),
    callback("proxy_on_vm_start", 2, true),
    callback("proxy_on_configure", 2, true),
    callback("proxy_on_tick", 1, false),
    callback("proxy_on_queue_ready", 2, false),
    callback("proxy_on_request_headers", 3, true),
    callback("proxy_on_request_body", 3, true),
    callback("proxy_on_request_trailers", 2, true),
    callback("proxy_on_response_headers", 3, true),
    callback("proxy_on_response_body", 3, true),
    callback("proxy_on_response_trailers", 2, true),
    callback("proxy_on_http_call_response", 5, false),
    callback("proxy_on_grpc_receive_initial_metadata", 3, false),
    callback("proxy_on_grpc_receive", 3, false),
    callback("proxy_on_grpc_receive_trailing_metadata", 3, false),
    callback("proxy_on_grpc_close", 3, false),
    callback("proxy_on_new_connection", 1, true),
    callback("proxy_on_downstream_data", 3, true),
    callback("proxy_on_upstream_data", 3, true),
    callback("proxy_on_downstream_connection_close", 2, false),
    callback("proxy_on_upstream_connection_close", 2, false),
    callback("proxy_on_foreign_function", 3, false),
    callback("proxy_on_done", 1, true),
    callback("proxy_on_log", 1, false),
    callback("proxy_on_delete", 1, false),
];

/// In place of a callback: the call is made in every callback but `malloc`.
pub const ANYWHERE: u32 = u32::MAX - 1;
/// The guest's memory, in bytes: two pages.
pub const MEMORY: u32 = 2 << 16;
/// The address of the program's image.
pub const HEAD: u32 = 4096;
/// The size of the image's part before the calls.
pub const HEAD_BYTES: u32 = 16;
/// The size of one call: callback, hostcall, and up to twelve arguments.
pub const CALL_BYTES: u32 = 64;
/// The most calls that a program has.
pub const CALLS: usize = 32;
/// The address of the payload.
pub const PAYLOAD: u32 = HEAD + HEAD_BYTES + CALL_BYTES * CALLS as u32;
/// The address where the allocator begins.
const HEAP: u32 = MEMORY / 2;
/// The most hostcalls that a VM makes. Without a limit, an allocator that calls the host, which
/// calls the allocator, would never end.
const BUDGET: u32 = 400;

/// The text of the guest for one version of the ABI.
#[must_use]
pub fn wat(abi: AbiVersion) -> String {
    let served: Vec<(usize, &Hostcall)> = HOSTCALLS
        .iter()
        .enumerate()
        .filter(|(_, call)| (call.since..=call.until).contains(&abi))
        .collect();
    let mut text = String::from("(module\n");
    for (_, Hostcall { name, params, results, .. }) in &served {
        let types = |letters: &str| letters.chars().map(value_type).collect::<String>();
        let (params, results) = (types(params), types(results));
        let _ = writeln!(
            text,
            "(import \"env\" \"{name}\" (func ${name} (param{params}) (result{results})))"
        );
    }
    let _ = writeln!(text, "(func (export \"{}\"))", abi.marker());
    let calls_end = PAYLOAD;
    let calls_start = HEAD + HEAD_BYTES;
    let _ = writeln!(
        text,
        r#"(memory (export "memory") 2 2)
        (global $loading (mut i32) (i32.const 0))
        (global $budget (mut i32) (i32.const {BUDGET}))
        (global $free (mut i32) (i32.const {HEAP}))
        (func $allocate (param $len i32) (result i32)
            (if (global.get $loading) (then (return (i32.const {HEAD}))))
            (call $run (i32.const 0))
            (if (i32.load offset=4 (i32.const {HEAD}))
                (then (return (i32.load offset=4 (i32.const {HEAD})))))
            (if (i32.gt_u (local.get $len) (i32.const {HEAP})) (then (return (i32.const 0))))
            (if (i32.gt_u (i32.add (global.get $free) (local.get $len)) (i32.const {MEMORY}))
                (then (global.set $free (i32.const {HEAP}))))
            (global.set $free (i32.add (global.get $free) (local.get $len)))
            (i32.sub (global.get $free) (local.get $len)))
        (func $load
            (global.set $loading (i32.const 1))
            (drop (call $proxy_get_buffer_bytes
                (i32.const 7) (i32.const 0) (i32.const -1) (i32.const 200) (i32.const 204)))
            (global.set $loading (i32.const 0)))
        (func $run (param $callback i32) (local $at i32) (local $wanted i32)
            (local.set $at (i32.const {calls_start}))
            (loop $next
                (local.set $wanted (i32.load (local.get $at)))
                (if (i32.or
                        (i32.eq (local.get $wanted) (local.get $callback))
                        (i32.and
                            (i32.eq (local.get $wanted) (i32.const {ANYWHERE}))
                            (i32.ne (local.get $callback) (i32.const 0))))
                    (then (call $make (local.get $at))))
                (local.set $at (i32.add (local.get $at) (i32.const {CALL_BYTES})))
                (br_if $next (i32.lt_u (local.get $at) (i32.const {calls_end})))))"#
    );
    make(&mut text, &served);
    for (number, Callback { name, params, answers }) in CALLBACKS.iter().enumerate() {
        // Header callbacks had no `end_of_stream` in the first version.
        let params =
            if abi == AbiVersion::V0_1_0 && name.ends_with("_headers") { 2 } else { *params };
        let types = " i32".repeat(params);
        let result = if *answers { "(result i32)" } else { "" };
        let run = format!("(call $run (i32.const {number}))");
        let body = match *name {
            "malloc" => "(call $allocate (local.get 0))".to_owned(),
            "proxy_on_configure" => format!("(call $load) {run} (i32.const 1)"),
            "proxy_on_vm_start" => format!("{run} (i32.const 1)"),
            _ if *answers => format!("{run} (i32.load (i32.const {HEAD}))"),
            _ => run,
        };
        let _ = writeln!(text, "(func (export \"{name}\") (param{types}) {result} {body})");
    }
    text.push(')');
    text
}

/// The function that makes one call: a branch for each hostcall, with its arguments from memory.
fn make(text: &mut String, served: &[(usize, &Hostcall)]) {
    let _ = writeln!(
        text,
        "(func $make (param $at i32)
            (if (i32.eqz (global.get $budget)) (then (return)))
            (global.set $budget (i32.sub (global.get $budget) (i32.const 1)))"
    );
    text.push_str("(block $none\n");
    text.extend(served.iter().rev().map(|(at, _)| format!("(block $c{at}\n")));
    let branches = (0..HOSTCALLS.len()).map(|at| {
        if served.iter().any(|(known, _)| *known == at) {
            format!("$c{at} ")
        } else {
            "$none ".to_owned()
        }
    });
    let branches: String = branches.collect();
    let _ = writeln!(text, "(br_table {branches} $none (i32.load offset=4 (local.get $at)))");
    for (_, Hostcall { name, params, results, .. }) in served {
        let arguments = params.chars().zip((8..).step_by(4)).map(|(letter, offset)| {
            let ty = value_type(letter);
            format!("({}.load offset={offset} (local.get $at))", ty.trim_start())
        });
        let arguments: String = arguments.collect();
        let call = format!("(call ${name} {arguments})");
        let call = if results.is_empty() { call } else { format!("(drop {call})") };
        let _ = writeln!(text, ") {call} (return)");
    }
    text.push_str("))\n");
}

fn value_type(letter: char) -> &'static str {
    match letter {
        'I' => " i64",
        'F' => " f64",
        _ => " i32",
    }
}
