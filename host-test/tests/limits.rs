//! Guests that make the host keep or do more and more: each stops at a limit that is named, and the
//! process and other guests go on.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use common::{config, module, on_request, ordinary, start_with, wasm};
use gatepost_host::{
    AbiVersion, CallError, Callout, CalloutAnswer, Chain, ChainOptions, ChainPlugin, Engine,
    EngineOptions, Headers, Host, Limits, MemoryLog, Message, Module, RecordedEvent, Recording,
    Shared, SharedLimits, StreamInfo, Upstream, Vm, VmOptions, Worker, WorkerOptions,
};

/// Counts what each thread has allocated.
struct Counting;

thread_local! {
    static USED: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator.
#[allow(unsafe_code, reason = "an allocator is unsafe to write")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        USED.set(USED.get().wrapping_add(layout.size()));
        // SAFETY: the caller keeps the promises that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.set(USED.get().wrapping_sub(layout.size()));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MIB: usize = 1 << 20;

/// The pairs `:method: m`, `:path: /` and `:authority: a` in the ABI's form, 59 bytes at 2048.
const PAIRS: &str = "(data (i32.const 2048)
    \"\\03\\00\\00\\00\\07\\00\\00\\00\\01\\00\\00\\00\\05\\00\\00\\00\"
    \"\\01\\00\\00\\00\\0a\\00\\00\\00\\01\\00\\00\\00\"
    \":method\\00m\\00:path\\00/\\00:authority\\00a\\00\")";

/// What this leaves allocated, in bytes, with what it returns. The counter may pass below zero in
/// between, because a thread also frees what others allocated.
fn taken<T>(run: impl FnOnce() -> T) -> (usize, T) {
    let before = USED.get();
    let result = run();
    let left = USED.get().wrapping_sub(before).cast_signed();
    (usize::try_from(left).unwrap_or(0), result)
}

/// A body that does something again until it answers `InternalFailure`, or `times` times. `$i`
/// counts.
fn repeated(times: usize, each: &str) -> String {
    format!(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32) (local $i i32)
            (loop $l
                (i32.store (i32.const 600) (local.get $i))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $l (i32.and
                    (i32.ne {each} (i32.const 10))
                    (i32.lt_u (local.get $i) (i32.const {times})))))
            (call $number (local.get $i))
            (i32.const 0))"
    )
}

/// What the host keeps of a guest that does something in a loop: its bytes, how often the guest did
/// it, and the first line that the host logged.
fn kept(before: &str, each: &str) -> (usize, usize, String) {
    let module = module(&format!("{before}{}", repeated(3_000_000, each)));
    let mut bench = start_with(&module, VmOptions::default(), config("test"));
    let stream = bench.stream();
    let mut headers = ordinary();
    let (bytes, _outcome) = taken(|| bench.vm.request_headers(stream, &mut headers, true).unwrap());
    let lines = bench.log.messages();
    let warning = lines.iter().find(|line| line.starts_with("limit ")).cloned();
    (bytes, lines.last().unwrap().parse().unwrap(), warning.unwrap_or_default())
}

#[test]
fn empty_items_in_a_queue_take_what_the_limit_says() {
    let register = "(func (export \"proxy_on_configure\") (param i32 i32) (result i32)
        (i32.eqz (call $proxy_register_shared_queue @\"q\" (i32.const 300))))";
    let enqueue = "(call $proxy_enqueue_shared_queue (i32.load (i32.const 300))
        (i32.const 0) (i32.const 0))";
    let (bytes, times, warning) = kept(register, enqueue);
    assert!(times < 3_000_000 && bytes < 72 * MIB, "{times} items, {} MiB", bytes / MIB);
    assert_eq!(warning, "limit queue_bytes: hostcalls that need more answer InternalFailure");
}

#[test]
fn the_names_of_queues_take_what_the_limit_says() {
    let register = "(call $proxy_register_shared_queue (i32.const 600) (i32.const 60000)
        (i32.const 300))";
    let (bytes, _, warning) = kept("", register);
    assert!(bytes < 72 * MIB, "{} MiB", bytes / MIB);
    assert!(warning.starts_with("limit queue_bytes"), "{warning}");
}

#[test]
fn keys_without_values_take_what_the_limit_says() {
    let set = "(call $proxy_set_shared_data (i32.const 600) (i32.const 4) (i32.const 0)
        (i32.const 0) (i32.const 0))";
    let (bytes, _, warning) = kept("", set);
    assert!(bytes < 72 * MIB, "{} MiB", bytes / MIB);
    assert!(warning.starts_with("limit data_bytes"), "{warning}");
}

#[test]
fn the_names_of_metrics_take_what_the_limit_says() {
    let define = "(call $proxy_define_metric (i32.const 0) (i32.const 600) (i32.const 60000)
        (i32.const 300))";
    let (bytes, _, warning) = kept("", define);
    assert!(bytes < 8 * MIB, "{} MiB", bytes / MIB);
    assert!(warning.starts_with("limit metric_bytes"), "{warning}");
}

#[test]
fn values_without_bytes_in_the_filter_state_take_what_the_limit_says() {
    let set = "(call $proxy_set_property (i32.const 600) (i32.const 4) (i32.const 0)
        (i32.const 0))";
    let (bytes, _, warning) = kept("", set);
    assert!(bytes < 2 * MIB, "{} MiB", bytes / MIB);
    assert!(warning.starts_with("limit filter_state_bytes"), "{warning}");
}

#[test]
fn callouts_to_clusters_with_long_names_take_what_the_limit_says() {
    // One pair of each: `:method`, `:path` and `:authority`.
    let pairs = PAIRS;
    let call = "(call $proxy_http_call (i32.const 600) (i32.const 64000) (i32.const 2048)
        (i32.const 59) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 1000) (i32.const 300))";
    let limits = Limits { callouts: 100_000, ..Limits::default() };
    let module = module(&format!("{pairs}{}", repeated(100_000, call)));
    let mut bench =
        start_with(&module, VmOptions { limits, ..VmOptions::default() }, config("test"));
    let stream = bench.stream();
    let (bytes, ()) = taken(|| {
        let _ = bench.vm.request_headers(stream, &mut ordinary(), true).unwrap();
    });
    assert!(bytes < 80 * MIB, "{} MiB", bytes / MIB);
    let lines = bench.log.messages();
    assert!(lines[0].starts_with("limit body_bytes"), "{lines:?}");
    // What was taken is on its way, and counts until it is answered.
    assert!(!bench.vm.take_callouts().is_empty());
    let _ = bench.vm.request_headers(stream, &mut ordinary(), true).unwrap();
    assert_eq!(bench.log.messages().last().unwrap(), "1", "no other call was taken");
}

#[test]
fn a_local_reply_on_every_stream_takes_what_the_limit_says() {
    let reply = "(func (export \"proxy_on_tick\") (param i32) (local $i i32)
        (drop (memory.grow (i32.const 200)))
        (local.set $i (i32.const 2))
        (loop $l
            (drop (call $proxy_set_effective_context (local.get $i)))
            (if (i32.eq (call $proxy_send_local_response (i32.const 200) (i32.const 0) (i32.const 0)
                    (i32.const 0) (i32.const 10000000) (i32.const 0) (i32.const 0)
                    (i32.const -1)) (i32.const 10))
                (then (call $number (local.get $i)) (return)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br $l)))";
    let mut bench = start_with(&module(reply), VmOptions::default(), config("test"));
    for _ in 0..40 {
        let _ = bench.stream();
    }
    let (bytes, ()) = taken(|| bench.vm.tick(bench.plugin).unwrap());
    assert!(bytes < 65 * MIB, "{} MiB", bytes / MIB);
    assert!(bench.log.messages()[0].starts_with("limit body_bytes"), "{:?}", bench.log.messages());
}

#[test]
fn lines_without_text_do_not_fill_the_log_without_end() {
    let log = "(call $proxy_log (i32.const 2) (i32.const 0) (i32.const 0))";
    let mut bench =
        start_with(&module(&repeated(2_000_000, log)), VmOptions::default(), config("test"));
    let stream = bench.stream();
    let (bytes, ()) = taken(|| {
        let _ = bench.vm.request_headers(stream, &mut ordinary(), true).unwrap();
    });
    assert!(bytes < 72 * MIB, "{} MiB", bytes / MIB);
    assert_eq!(bench.log.lines().len() + bench.log.dropped(), 2_000_001);
}

#[test]
fn a_recording_has_an_end_and_says_so() {
    let recording = Recording::with_limit(4 * MIB);
    let options = VmOptions { recorder: Some(Box::new(recording.clone())), ..VmOptions::default() };
    let set = "(call $proxy_set_shared_data (i32.const 0) (i32.const 4) (i32.const 0)
        (i32.const 65536) (i32.const 0))";
    let mut bench = start_with(&module(&repeated(3000, set)), options, config("test"));
    let stream = bench.stream();
    let (bytes, ()) = taken(|| {
        let _ = bench.vm.request_headers(stream, &mut ordinary(), true).unwrap();
    });
    assert!(bytes < 5 * MIB, "{} MiB", bytes / MIB);
    let events = recording.take();
    assert!(
        matches!(events.last().unwrap().event, RecordedEvent::Stopped { bytes } if bytes == 4 * MIB)
    );
    assert!(recording.to_string().is_empty(), "and begins again after it was taken");
    let _ = bench.vm.request_headers(stream, &mut ordinary(), true).unwrap();
    assert!(matches!(recording.take()[0].event, RecordedEvent::Entered { .. }));
}

fn chain(body: &str) -> Chain {
    Chain::with_options(
        vec![ChainPlugin { module: module(body), config: config("test") }],
        ChainOptions::default(),
    )
}

#[test]
fn what_a_worker_records_has_an_end_and_goes_on_when_it_is_taken() {
    let options =
        WorkerOptions { record: true, recorded_bytes: 4 * MIB, ..WorkerOptions::default() };
    let body = repeated(3000, "(call $proxy_log (i32.const 2) (i32.const 0) (i32.const 60000))");
    let mut worker = Worker::with_options(&chain(&body), Host::default(), &options).unwrap();
    let request = || Message::new(ordinary());
    for _ in 0..3 {
        let (bytes, finished) = taken(|| worker.run(request(), &mut |_: &Message| None));
        assert!(bytes < 5 * MIB, "{} MiB", bytes / MIB);
        let last = &finished.recorded.last().unwrap().event;
        assert!(matches!(last, RecordedEvent::Stopped { .. }), "{last}");
        assert!(last.to_string().starts_with("! the recording is full (4194304 bytes)"));
        assert!(matches!(finished.recorded[0].event, RecordedEvent::Entered { .. }));
    }
}

/// A guest that puts two items into its queue for each that it is told of.
const DOUBLING: &str = "
    (func (export \"proxy_on_configure\") (param i32 i32) (result i32)
        (i32.eqz (call $proxy_register_shared_queue @\"q\" (i32.const 300))))
    (func $put (drop (call $proxy_enqueue_shared_queue (i32.load (i32.const 300))
        (i32.const 0) (i32.const 0))))
    (func (export \"proxy_on_queue_ready\") (param i32 i32) (call $put) (call $put))";

#[test]
fn an_endless_chain_of_queue_items_ends_its_vm_and_no_other() {
    let first = on_request("(call $put)");
    let chain = chain(&format!("{DOUBLING}{first}"));
    let host = Host::default();
    let mut worker = Worker::new(&chain, host.clone()).unwrap();
    let finished = worker.run(Message::new(ordinary()), &mut |_: &Message| {
        Some(Message::new(Headers::response([(":status", "200")])))
    });
    assert!(finished.response.is_some(), "the request itself has passed");
    let mut events = 0;
    while worker.next_timer().is_some() {
        worker.run_timers();
        events += 1;
        assert!(events < 100, "it comes to rest");
    }
    let errors = worker.errors();
    let [CallError::Trapped(report)] = &errors[..] else { panic!("{errors:?}") };
    assert_eq!((report.callback, report.limit), ("proxy_on_queue_ready", Some("chained_events")));
    assert_eq!(
        report.to_string(),
        "guest (plugin test): trapped in proxy_on_queue_ready: more than 100000 events followed \
         from one event of the proxy (limit chained_events)"
    );
    // Another VM of the same host still has its queues.
    let mut other = Vm::new(&module(DOUBLING), host, VmOptions::default()).unwrap();
    let config = gatepost_host::PluginConfig { vm_id: "other".into(), ..config("other") };
    other.start_plugin(config).unwrap();
}

#[test]
fn two_vms_that_fill_each_others_queues_come_to_an_end() {
    let body = "
        (func (export \"proxy_on_configure\") (param i32 i32) (result i32)
            (i32.eqz (call $proxy_register_shared_queue @\"q\" (i32.const 300))))
        (func (export \"proxy_on_queue_ready\") (param i32 i32)
            (drop (call $proxy_resolve_shared_queue (i32.const 400) (i32.load (i32.const 408))
                @\"q\" (i32.const 304)))
            (drop (call $proxy_enqueue_shared_queue (i32.load (i32.const 304))
                (i32.const 0) (i32.const 0))))
        (func (export \"proxy_on_tick\") (param i32)
            (drop (call $proxy_enqueue_shared_queue (i32.load (i32.const 300))
                (i32.const 0) (i32.const 0))))";
    let host = Host::default();
    let limits = Limits { chained_events: 1000, ..Limits::default() };
    let mut vms = ["a", "b"].map(|other| {
        let data = format!("(data (i32.const 400) \"{other}\") (data (i32.const 408) \"\\01\")");
        let options = VmOptions { limits: limits.clone(), ..VmOptions::default() };
        let mut vm = Vm::new(&module(&format!("{body}{data}")), host.clone(), options).unwrap();
        let own = if other == "a" { "b" } else { "a" };
        let plugin = vm
            .start_plugin(gatepost_host::PluginConfig { vm_id: own.into(), ..config(own) })
            .unwrap();
        (vm, plugin)
    });
    let plugin = vms[0].1;
    vms[0].0.tick(plugin).unwrap();
    let mut rounds = 0;
    let error = loop {
        rounds += 1;
        assert!(rounds < 2000, "it comes to an end");
        let failed = vms.iter_mut().find_map(|(vm, _)| vm.deliver_queue_items().err());
        if let Some(error) = failed {
            break error;
        }
    };
    assert_eq!(error.trap().unwrap().limit, Some("chained_events"));
}

#[test]
fn many_items_of_one_event_are_no_chain() {
    let body = format!(
        "{}{}",
        "(func (export \"proxy_on_configure\") (param i32 i32) (result i32)
            (i32.eqz (call $proxy_register_shared_queue @\"q\" (i32.const 300))))
         (func (export \"proxy_on_queue_ready\") (param i32 i32)
            (drop (call $proxy_dequeue_shared_queue (local.get 1) (i32.const 200)
                (i32.const 204))))",
        repeated(
            50_000,
            "(call $proxy_enqueue_shared_queue (i32.load (i32.const 300)) (i32.const 0)
                (i32.const 0))"
        )
    );
    let limits = Limits { chained_events: 10, ..Limits::default() };
    let mut bench =
        start_with(&module(&body), VmOptions { limits, ..VmOptions::default() }, config("test"));
    bench.request(&mut ordinary());
    assert_eq!(bench.vm.deliver_queue_items().unwrap(), 50_000);
}

/// Answers each callout at once.
struct Answering;

impl Upstream for Answering {
    fn respond(&mut self, _: &Message) -> Option<Message> {
        None
    }

    fn callout(&mut self, _: &Callout) -> Option<Vec<CalloutAnswer>> {
        Some(vec![CalloutAnswer::http(Headers::response([(":status", "200")]), "")])
    }
}

#[test]
fn a_guest_that_makes_two_callouts_for_each_answer_ends_its_run_with_a_limit() {
    let go = "(func $go (drop (call $proxy_http_call @\"c\" (i32.const 2048)
            (i32.const 59) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 1000) (i32.const 300))))
        (func (export \"proxy_on_http_call_response\") (param i32 i32 i32 i32 i32)
            (call $go) (call $go))
        (func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
            (call $go) (i32.const 1))";
    let options = WorkerOptions { events_per_run: 1000, ..WorkerOptions::default() };
    let mut worker =
        Worker::with_options(&chain(&format!("{PAIRS}{go}")), Host::default(), &options).unwrap();
    let finished = worker.run(Message::new(ordinary()), &mut Answering);
    assert_eq!(finished.limit, Some("events_per_run"));
    assert_eq!(finished.response, None);
}

#[test]
fn all_tables_of_a_module_count_together() {
    let body = on_request(
        "(if (i32.eq (table.grow $b (ref.null func) (i32.const 40)) (i32.const -1))
             (then unreachable))",
    );
    let tables = "(table $a 60 funcref) (table $b 1 funcref)";
    let limits = Limits { table_elements: 100, ..Limits::default() };
    let mut bench = start_with(
        &module(&format!("{tables}{body}")),
        VmOptions { limits, ..VmOptions::default() },
        config("test"),
    );
    let stream = bench.stream();
    let error = bench.vm.request_headers(stream, &mut ordinary(), true).unwrap_err();
    assert_eq!(error.trap().unwrap().limit, Some("table_elements"));
}

#[test]
fn objects_that_are_collected_count_as_memory() {
    let types = "(type $node (struct (field (ref null $node)) (field i64) (field i64)))";
    let body = on_request(
        "(local $list (ref null $node))
         (loop $l
            (local.set $list
                (struct.new $node (local.get $list) (i64.const 0) (i64.const 0)))
            (br $l))",
    );
    let limits = Limits { memory_bytes: 8 * MIB, ..Limits::default() };
    let mut bench = start_with(
        &module(&format!("{types}{body}")),
        VmOptions { limits, ..VmOptions::default() },
        config("test"),
    );
    let stream = bench.stream();
    let error = bench.vm.request_headers(stream, &mut ordinary(), true).unwrap_err();
    assert_eq!(error.trap().unwrap().limit, Some("memory_bytes"), "{error}");
}

/// The fuel that a callback uses whose body is this.
fn fuel(body: &str) -> u64 {
    let engine = Engine::new(EngineOptions { fuel: true, ..EngineOptions::default() }).unwrap();
    let module = Module::new(&engine, "guest", &wasm(AbiVersion::V0_2_1, "", body)).unwrap();
    let limits = Limits { fuel_per_callback: Some(1 << 40), ..Limits::default() };
    let options = VmOptions { limits, ..VmOptions::default() };
    let mut bench = start_with(&module, options, config("test"));
    bench.request(&mut ordinary());
    bench.vm.fuel_used().unwrap()
}

#[test]
fn a_hostcall_costs_fuel_in_proportion_to_its_work() {
    let with = |len: usize, call: &dyn Fn(usize) -> String| fuel(&on_request(&call(len)));
    let log =
        |len| format!("(drop (call $proxy_log (i32.const 2) (i32.const 0) (i32.const {len})))");
    let set = |len| {
        format!(
            "(drop (call $proxy_set_shared_data @\"k\" (i32.const 0) (i32.const {len})
                (i32.const 0)))"
        )
    };
    let get = |len| {
        format!(
            "{}(drop (call $proxy_get_shared_data @\"k\" (i32.const 200) (i32.const 204)
                (i32.const 208)))",
            set(len)
        )
    };
    let compress = |len| {
        format!(
            "(drop (call $proxy_call_foreign_function @\"compress\" (i32.const 0)
                (i32.const {len}) (i32.const 200) (i32.const 204)))"
        )
    };
    let random = |len| format!("(drop (call $random (i32.const 0) (i32.const {len})))");
    let write = |len| {
        format!(
            "(i32.store (i32.const 500) (i32.const 0)) (i32.store (i32.const 504) (i32.const {len}))
             (drop (call $write (i32.const 1) (i32.const 500) (i32.const 1) (i32.const 512)))"
        )
    };
    for (name, call) in [
        ("log", &log as &dyn Fn(usize) -> String),
        ("set_shared_data", &set),
        ("get_shared_data", &get),
        ("compress", &compress),
    ] {
        let (small, large) = (with(0, call), with(32_000, call));
        assert!(large - small >= 8000, "{name}: {small} and {large}");
    }
    let wasi = "(import \"wasi_snapshot_preview1\" \"random_get\"
            (func $random (param i32 i32) (result i32)))
        (import \"wasi_snapshot_preview1\" \"fd_write\"
            (func $write (param i32 i32 i32 i32) (result i32)))";
    for (name, call) in [("random", &random as &dyn Fn(usize) -> String), ("fd_write", &write)] {
        let used = |len| {
            let engine =
                Engine::new(EngineOptions { fuel: true, ..EngineOptions::default() }).unwrap();
            let bytes = wasm(AbiVersion::V0_2_1, wasi, &on_request(&call(len)));
            let module = Module::new(&engine, "guest", &bytes).unwrap();
            let limits = Limits { fuel_per_callback: Some(1 << 40), ..Limits::default() };
            let options = VmOptions { limits, ..VmOptions::default() };
            let mut bench = start_with(&module, options, config("test"));
            bench.request(&mut ordinary());
            bench.vm.fuel_used().unwrap()
        };
        let (small, large) = (used(0), used(32_000));
        assert!(large - small >= 8000, "{name}: {small} and {large}");
    }
}

#[test]
fn a_search_in_a_large_map_costs_more_than_in_a_small_one() {
    let fill = |count: usize| {
        format!(
            "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
                (local $i i32)
                (loop $l
                    (i32.store (i32.const 600) (local.get $i))
                    (drop (call $proxy_add_header_map_value (i32.const 0) (i32.const 600)
                        (i32.const 4) (i32.const 0) (i32.const 0)))
                    (br_if $l (i32.lt_u
                        (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                        (i32.const {count}))))
                (i32.const 0))"
        )
    };
    let (few, many) = (fuel(&fill(100)), fuel(&fill(1000)));
    assert!(many > 40 * few, "{few} and {many}: the work is quadratic, and so is the fuel");
}

#[test]
fn a_guest_that_lets_the_host_work_runs_out_of_fuel() {
    let engine = Engine::new(EngineOptions { fuel: true, ..EngineOptions::default() }).unwrap();
    let log =
        repeated(1_000_000, "(call $proxy_log (i32.const 2) (i32.const 0) (i32.const 65000))");
    let module = Module::new(&engine, "guest", &wasm(AbiVersion::V0_2_1, "", &log)).unwrap();
    let limits = Limits { fuel_per_callback: Some(1_000_000), ..Limits::default() };
    let mut bench =
        start_with(&module, VmOptions { limits, ..VmOptions::default() }, config("test"));
    let stream = bench.stream();
    let error = bench.vm.request_headers(stream, &mut ordinary(), true).unwrap_err();
    assert_eq!(error.trap().unwrap().limit, Some("fuel_per_callback"));
    assert_eq!(bench.vm.fuel_used(), Some(1_000_000));
    assert!(bench.log.lines().len() < 100);
}

#[test]
fn a_guest_cannot_keep_others_from_their_shared_data() {
    let host = Host {
        shared: Shared::new(SharedLimits { data_bytes: 4096, ..SharedLimits::default() }),
        log: Arc::new(MemoryLog::default()),
        ..Host::default()
    };
    let set = "(call $proxy_set_shared_data (i32.const 600) (i32.const 4) (i32.const 0)
        (i32.const 0) (i32.const 0))";
    let greedy = module(&repeated(1000, set));
    let modest = module(&on_request(&format!("(if {set} (then unreachable))")));
    for (module, vm_id) in [(greedy, "greedy"), (modest, "modest")] {
        let mut vm = Vm::new(&module, host.clone(), VmOptions::default()).unwrap();
        let config = gatepost_host::PluginConfig { vm_id: vm_id.into(), ..config(vm_id) };
        let plugin = vm.start_plugin(config).unwrap();
        let stream = vm.stream(plugin, StreamInfo::default()).unwrap();
        let _ = vm.request_headers(stream, &mut ordinary(), true).unwrap();
    }
}
