//! Guests for the tests, written as WebAssembly text. A guest can use every hostcall by its name,
//! `@"text"` for a pointer and a length, and the helpers below.

#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;

use gatepost_host::{
    AbiVersion, Engine, EngineOptions, HOSTCALLS, Headers, Host, MemoryLog, Module, Plugin,
    PluginConfig, StreamId, StreamInfo, Vm, VmOptions,
};

/// Helpers that every guest has. Values are received at 200 (pointer) and 204 (length). `$status`
/// logs a status as two digits, `$show` the value that was received last, `$number` an i32 in
/// decimal.
const HELPERS: &str = r#"
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 32768))
    (func $malloc (export "malloc") (param $len i32) (result i32)
        (global.set $free (i32.add (global.get $free) (local.get $len)))
        (i32.sub (global.get $free) (local.get $len)))
    (func $status (param $code i32)
        (i32.store8 (i32.const 100) (i32.add (i32.const 48)
            (i32.div_u (local.get $code) (i32.const 10))))
        (i32.store8 (i32.const 101) (i32.add (i32.const 48)
            (i32.rem_u (local.get $code) (i32.const 10))))
        (drop (call $proxy_log (i32.const 2) (i32.const 100) (i32.const 2))))
    (func $show
        (drop (call $proxy_log (i32.const 2) (i32.load (i32.const 200))
            (i32.load (i32.const 204)))))
    (func $number (param $value i32) (local $at i32)
        (local.set $at (i32.const 120))
        (loop $digit
            (local.set $at (i32.sub (local.get $at) (i32.const 1)))
            (i32.store8 (local.get $at) (i32.add (i32.const 48)
                (i32.rem_u (local.get $value) (i32.const 10))))
            (br_if $digit (local.tee $value (i32.div_u (local.get $value) (i32.const 10)))))
        (drop (call $proxy_log (i32.const 2) (local.get $at)
            (i32.sub (i32.const 120) (local.get $at)))))
"#;

/// The type of a letter in the table of hostcalls.
pub fn value_type(letter: char) -> &'static str {
    match letter {
        'I' => " i64",
        'F' => " f64",
        _ => " i32",
    }
}

/// A guest's wasm for one ABI version. Imports besides the hostcalls come before the body.
pub fn wasm(abi: AbiVersion, imports: &str, body: &str) -> Vec<u8> {
    let mut text = String::from("(module\n");
    let types = |letters: &str| letters.chars().map(value_type).collect::<String>();
    for call in HOSTCALLS.iter().filter(|call| (call.since..=call.until).contains(&abi)) {
        let (name, params, results) = (call.name, types(call.params), types(call.results));
        text += &format!(
            "(import \"env\" \"{name}\" (func ${name} (param{params}) (result{results})))\n"
        );
    }
    text += imports;
    text += &format!("(func (export \"{}\"))\n", abi.marker());
    text += HELPERS;
    let (mut at, mut data) = (4096, String::new());
    let mut rest = body;
    while let Some((before, after)) = rest.split_once("@\"") {
        let (literal, after) = after.split_once('"').unwrap();
        // An escape is a backslash and two hexadecimal digits.
        let len = literal.len() - 2 * literal.matches('\\').count();
        text += &format!("{before}(i32.const {at}) (i32.const {len})");
        data += &format!("(data (i32.const {at}) \"{literal}\")\n");
        at += len;
        rest = after;
    }
    text += rest;
    text += &data;
    text += ")";
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A VM with one plugin, and what it logs and counts.
pub struct Bench {
    pub vm: Vm,
    pub plugin: Plugin,
    pub log: MemoryLog,
    pub host: Host,
}

pub fn engine() -> Engine {
    Engine::new(EngineOptions::default()).unwrap()
}

pub fn module(body: &str) -> Module {
    Module::new(&engine(), "guest", &wasm(AbiVersion::V0_2_1, "", body)).unwrap()
}

pub fn config(name: &str) -> PluginConfig {
    PluginConfig { name: name.to_owned(), ..PluginConfig::default() }
}

/// A host whose log lines can be read.
pub fn host() -> (Host, MemoryLog) {
    let log = MemoryLog::default();
    (Host { log: Arc::new(log.clone()), ..Host::default() }, log)
}

/// Starts one plugin of a guest with this body.
pub fn start(body: &str) -> Bench {
    start_with(&module(body), VmOptions::default(), config("test"))
}

pub fn start_with(module: &Module, options: VmOptions, config: PluginConfig) -> Bench {
    let (host, log) = host();
    let mut vm = Vm::new(module, host.clone(), options).unwrap();
    let plugin = vm.start_plugin(config).unwrap();
    Bench { vm, plugin, log, host }
}

impl Bench {
    pub fn stream(&mut self) -> StreamId {
        self.vm.stream(self.plugin, StreamInfo::default()).unwrap()
    }

    /// Sends a request's headers through a new stream; returns what the guest logged.
    pub fn request(&mut self, headers: &mut Headers) -> Vec<String> {
        let before = self.log.lines().len();
        let stream = self.stream();
        let _ = self.vm.request_headers(stream, headers, true).unwrap();
        self.log.messages().split_off(before)
    }
}

/// The callback that most guests act in.
pub fn on_request(body: &str) -> String {
    format!(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32) {body}
             (i32.const 0))"
    )
}

pub fn ordinary() -> Headers {
    Headers::request([
        (":method", "GET"),
        (":path", "/a"),
        (":authority", "shop.example"),
        ("env", "one"),
        ("env", "two"),
    ])
}
