//! A rehearsal: the module decides on requests as a gateway meets them most, and each of its
//! branches is told which way it goes. It runs in an interpreter, so that building the filter needs
//! no proxy and gives the same bytes everywhere.

use std::fmt::Display;

use wasmi::{Caller, Engine, Instance, Linker, Memory, Module, Store, TypedFunc, Val};

use crate::branches::{Branch, Count, IMPORT, hinted, telling};

/// A policy, and the requests that are decided on: its host, and more headers than a browser sends.
type Rehearsal = (&'static str, &'static [(&'static str, &'static [(&'static str, &'static str)])]);

/// The policies that ship, with what they are for. Probes are few and refusals are nobody's hurry.
const REHEARSALS: [Rehearsal; 2] = [
    (
        include_str!("../rehearsal/knative-gclb.json"),
        &[("www.example.com", &[]), ("my-service.test.com", &[])],
    ),
    (include_str!("../rehearsal/asm-grpc-env.json"), &[("app.example.com", &[("env", "env2")])]),
];

/// A browser's request behind a balancer, without its host.
const BROWSER: [(&str, &str); 16] = [
    (":method", "GET"),
    (":path", "/articles/2024/05/a-long-title?utm_source=newsletter"),
    (":scheme", "https"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36",
    ),
    ("accept", "text/html,application/xhtml+xml"),
    ("accept-language", "en-GB,en;q=0.9"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("cookie", "session=8f14e45f; theme=dark"),
    ("referer", "https://www.example.com/articles"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "same-origin"),
    ("cache-control", "max-age=0"),
    ("via", "1.1 google"),
    ("x-forwarded-proto", "https"),
    ("x-request-id", "4ff0a9f4-0d5b-4d5c-9b3a-0c3c7f6f2b11"),
];

/// How often each request comes. The first ones do not count: they start the counters' timer, and
/// find no memory that was used before.
const BEFORE: u32 = 3;
const COUNTED: u32 = 10;

/// The module with hints of which way its branches go.
pub fn rehearsed(module: &[u8]) -> Result<Vec<u8>, String> {
    let (copy, branches) = telling(module)?;
    let counts =
        counts(&copy, &branches).map_err(|error| format!("the rehearsal failed: {error}"))?;
    hinted(module, &branches, &counts)
}

/// How often each branch went which way.
fn counts(module: &[u8], branches: &[Branch]) -> Result<Vec<Count>, wasmi::Error> {
    let engine = Engine::default();
    let module = Module::new(&engine, module)?;
    let mut total = vec![Count::default(); branches.len()];
    for (policy, requests) in REHEARSALS {
        let mut store = Store::new(&engine, Host::default());
        let instance = linker(&module)?.instantiate_and_start(&mut store, &module)?;
        let memory = instance.get_memory(&store, "memory").ok_or_else(|| error("no memory"))?;
        let allocate = instance.get_typed_func(&store, "proxy_on_memory_allocate")?;
        store.data_mut().guest = Some(Guest { memory, allocate });
        instance.get_typed_func::<(), ()>(&store, "_initialize")?.call(&mut store, ())?;
        store.data_mut().configuration = policy.as_bytes().to_vec();
        let configure = instance.get_typed_func::<(u32, u32), u32>(&store, "proxy_on_configure")?;
        let size = u32::try_from(policy.len()).unwrap_or(u32::MAX);
        if configure.call(&mut store, (1, size))? != 1 {
            return Err(error(format!("a policy was refused: {}", store.data().log)));
        }
        for (host, more) in requests {
            let headers = [(":authority", *host)]
                .iter()
                .chain(more.iter())
                .chain(&BROWSER)
                .copied()
                .collect::<Vec<_>>();
            store.data_mut().headers = block(&headers);
            decide(&mut store, &instance, BEFORE)?;
            store.data_mut().counts = vec![Count::default(); branches.len()];
            decide(&mut store, &instance, COUNTED)?;
            for (total, count) in total.iter_mut().zip(&store.data().counts) {
                total.taken += count.taken;
                total.not_taken += count.not_taken;
            }
        }
    }
    Ok(total)
}

fn decide(store: &mut Store<Host>, instance: &Instance, times: u32) -> Result<(), wasmi::Error> {
    let decide =
        instance.get_typed_func::<(u32, u32, u32), u32>(&*store, "proxy_on_request_headers")?;
    for _ in 0..times {
        if decide.call(&mut *store, (2, 0, 1))? != 0 {
            return Err(error(format!("a request was refused: {}", store.data().log)));
        }
    }
    Ok(())
}

/// What stands for the proxy.
#[derive(Default)]
struct Host {
    configuration: Vec<u8>,
    /// The headers of the request, as `proxy_get_header_map_pairs` gives them.
    headers: Vec<u8>,
    guest: Option<Guest>,
    counts: Vec<Count>,
    log: String,
}

#[derive(Clone, Copy)]
struct Guest {
    memory: Memory,
    allocate: TypedFunc<u32, u32>,
}

/// `proxy-wasm`'s status for what a host does not have.
const NOT_FOUND: i32 = 1;

/// Serves whatever the module imports. A hostcall that hands nothing over just succeeds.
fn linker(module: &Module) -> Result<Linker<Host>, wasmi::Error> {
    let mut linker = Linker::new(module.engine());
    for import in module.imports() {
        let name = import.name().to_owned();
        let Some(signature) = import.ty().func() else {
            return Err(error(format!("the module imports {name}")));
        };
        if (import.module(), &*name) == IMPORT {
            linker.func_wrap(IMPORT.0, IMPORT.1, tell)?;
            continue;
        }
        linker.func_new(
            import.module(),
            import.name(),
            signature.clone(),
            move |caller, arguments, results| {
                let status = serve(caller, &name, arguments)?;
                results.iter_mut().for_each(|result| *result = Val::I32(status));
                Ok(())
            },
        )?;
    }
    Ok(linker)
}

fn tell(mut caller: Caller<'_, Host>, condition: i32, number: i32) -> i32 {
    let counts = &mut caller.data_mut().counts;
    if let Some(count) = usize::try_from(number).ok().and_then(|number| counts.get_mut(number)) {
        *(if condition == 0 { &mut count.not_taken } else { &mut count.taken }) += 1;
    }
    condition
}

fn serve(mut caller: Caller<'_, Host>, name: &str, arguments: &[Val]) -> Result<i32, wasmi::Error> {
    let argument = |number: usize| {
        arguments.get(number).and_then(Val::i32).map_or(0, |value| value as u32 as usize)
    };
    match name {
        "proxy_get_buffer_bytes" => {
            let configuration = caller.data().configuration.clone();
            hand_over(&mut caller, &configuration, [argument(3), argument(4)])
        }
        "proxy_get_header_map_pairs" => {
            let headers = caller.data().headers.clone();
            hand_over(&mut caller, &headers, [argument(1), argument(2)])
        }
        "proxy_get_property" => {
            hand_over(&mut caller, b"10.0.0.1:4711", [argument(2), argument(3)])
        }
        "proxy_call_foreign_function" => Ok(NOT_FOUND),
        "proxy_define_metric" => {
            let guest = caller.data().guest.ok_or_else(|| error("a call before the start"))?;
            guest.memory.write(&mut caller, argument(3), &1u32.to_le_bytes())?;
            Ok(0)
        }
        "proxy_log" => {
            let guest = caller.data().guest.ok_or_else(|| error("a call before the start"))?;
            let line = guest
                .memory
                .data(&caller)
                .get(argument(1)..argument(1) + argument(2))
                .unwrap_or_default();
            let line = String::from_utf8_lossy(line).into_owned();
            caller.data_mut().log += &line;
            Ok(0)
        }
        _ => Ok(0),
    }
}

/// Puts bytes into memory that the guest gives, and tells it where they are.
fn hand_over(
    caller: &mut Caller<'_, Host>,
    bytes: &[u8],
    told: [usize; 2],
) -> Result<i32, wasmi::Error> {
    let guest = caller.data().guest.ok_or_else(|| error("a call before the start"))?;
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let place = guest.allocate.call(&mut *caller, len)?;
    guest.memory.write(&mut *caller, place as usize, bytes)?;
    for (at, number) in told.into_iter().zip([place, len]) {
        guest.memory.write(&mut *caller, at, &number.to_le_bytes())?;
    }
    Ok(0)
}

/// Pairs of headers as a host serialises them.
fn block(pairs: &[(&str, &str)]) -> Vec<u8> {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let mut block = number(pairs.len()).to_vec();
    for (name, value) in pairs {
        block.extend(number(name.len()));
        block.extend(number(value.len()));
    }
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        block.extend_from_slice(text.as_bytes());
        block.push(0);
    }
    block
}

fn error(message: impl Display) -> wasmi::Error {
    wasmi::Error::new(message.to_string())
}
