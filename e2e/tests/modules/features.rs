//! The features of WebAssembly: each in a module of a few lines that checks itself.

use super::{envoy_starts, host_starts, module};

const MEMORY: &str = r#"(memory (export "memory") 1)"#;

/// A feature, and a module that uses it.
const FEATURES: &[(&str, &str, &str)] = &[
    ("nothing", "(func $works (result i32) (i32.const 1))", MEMORY),
    (
        "multi-value",
        "(func $two (result i32 i32) (i32.const 3) (i32.const 2))
        (func $works (result i32) (call $two) (i32.sub))",
        MEMORY,
    ),
    (
        "sign extension",
        "(func $works (result i32)
        (i32.eq (i32.extend8_s (i32.const 255)) (i32.const -1)))",
        MEMORY,
    ),
    (
        "saturating conversions",
        "(func $works (result i32)
        (i32.eq (i32.trunc_sat_f32_s (f32.const 1e30)) (i32.const 0x7fffffff)))",
        MEMORY,
    ),
    (
        "mutable globals",
        r#"(global $g (export "g") (mut i32) (i32.const 1))
        (func $works (result i32) (global.get $g))"#,
        MEMORY,
    ),
    (
        "bulk memory",
        "(func $works (result i32)
        (memory.fill (i32.const 0) (i32.const 1) (i32.const 1))
        (i32.load8_u (i32.const 0)))",
        MEMORY,
    ),
    (
        "reference types",
        "(table $t 2 externref)
        (func $works (result i32)
            (table.set $t (i32.const 1) (ref.null extern))
            (ref.is_null (table.get $t (i32.const 1))))",
        MEMORY,
    ),
    (
        "typed function references",
        "(type $f (func (result i32)))
        (func $one (type $f) (i32.const 1)) (elem declare func $one)
        (func $works (result i32) (call_ref $f (ref.func $one)))",
        MEMORY,
    ),
    (
        "SIMD",
        "(func $works (result i32)
        (i32x4.extract_lane 2 (i32x4.splat (i32.const 1))))",
        MEMORY,
    ),
    (
        "relaxed SIMD",
        "(func $works (result i32)
        (i32x4.extract_lane 0 (i32x4.relaxed_laneselect (i32x4.splat (i32.const 1))
            (i32x4.splat (i32.const 0)) (i32x4.splat (i32.const -1)))))",
        MEMORY,
    ),
    (
        "tail calls",
        "(func $one (result i32) (i32.const 1))
        (func $works (result i32) (return_call $one))",
        MEMORY,
    ),
    (
        "extended constants",
        "(global $g i32 (i32.add (i32.const 3) (i32.const -2)))
        (func $works (result i32) (global.get $g))",
        MEMORY,
    ),
    (
        "garbage collection",
        "(type $s (struct (field i32)))
        (func $works (result i32) (struct.get $s 0 (struct.new $s (i32.const 1))))",
        MEMORY,
    ),
    (
        "exceptions",
        "(tag $e (param i32))
        (func $works (result i32)
            (block $caught (result i32)
                (try_table (catch $e $caught) (throw $e (i32.const 1)))
                (i32.const 0)))",
        MEMORY,
    ),
    (
        "legacy exceptions",
        "(tag $e (param i32))
        (func $works (result i32)
            try (result i32) i32.const 1 throw $e catch $e end)",
        MEMORY,
    ),
    (
        "several memories",
        "(func $works (result i32)
        (i32.store $second (i32.const 0) (i32.const 1)) (i32.load $second (i32.const 0)))",
        r#"(memory (export "memory") 1) (memory $second 1)"#,
    ),
    (
        "a second memory of 64 bits",
        "(func $works (result i32)
        (i32.store $second (i64.const 0) (i32.const 1)) (i32.load $second (i64.const 0)))",
        r#"(memory (export "memory") 1) (memory $second i64 1)"#,
    ),
    (
        "a memory of 64 bits",
        "(func $works (result i32)
        (i32.store (i64.const 0) (i32.const 1)) (i32.load (i64.const 0)))",
        r#"(memory (export "memory") i64 1)"#,
    ),
    (
        "atomic instructions",
        "(func $works (result i32)
        (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
        (i32.atomic.load (i32.const 0)))",
        MEMORY,
    ),
    (
        "a second memory that is shared",
        "(func $works (result i32)
        (drop (i32.atomic.rmw.add $second (i32.const 0) (i32.const 1)))
        (i32.atomic.load $second (i32.const 0)))",
        r#"(memory (export "memory") 1) (memory $second 1 1 shared)"#,
    ),
    (
        "a shared memory",
        "(func $works (result i32)
        (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
        (i32.atomic.load (i32.const 0)))",
        r#"(memory (export "memory") 1 1 shared)"#,
    ),
    (
        "pages of one byte",
        "(func $works (result i32) (i32.eq (memory.size) (i32.const 65536)))",
        r#"(memory (export "memory") 65536 (pagesize 1))"#,
    ),
    (
        "wide arithmetic",
        "(func $works (result i32)
        (i64.add128 (i64.const 1) (i64.const 0) (i64.const 0) (i64.const 0))
        (drop) (i32.wrap_i64))",
        MEMORY,
    ),
    (
        "stack switching",
        "(type $f (func)) (type $c (cont $f))
        (func $task (type $f)) (elem declare func $task)
        (func $works (result i32)
            (resume $c (cont.new $c (ref.func $task))) (i32.const 1))",
        MEMORY,
    ),
];

/// What neither Envoy's runtime nor the host has, and what only Envoy's has.
const IN_NEITHER: [&str; 3] = ["pages of one byte", "wide arithmetic", "stack switching"];
const IN_ENVOY_ONLY: [&str; 3] =
    ["legacy exceptions", "a second memory that is shared", "a shared memory"];

#[test]
fn the_host_runs_what_envoy_runs_and_says_of_the_rest_what_is_true() {
    for (name, text, memory) in FEATURES {
        let wasm = module(text, memory);
        let (envoy, host) = (envoy_starts(&wasm), host_starts(&wasm));
        if IN_NEITHER.contains(name) {
            assert!(envoy.is_err(), "{name}");
            let error = host.unwrap_err();
            assert!(error.ends_with(", which Envoy refuses, too"), "{name}: {error}");
        } else if IN_ENVOY_ONLY.contains(name) {
            assert_eq!(envoy, Ok(()), "{name}");
            let error = host.unwrap_err();
            let end = ", which this host cannot run though Envoy can";
            assert!(error.ends_with(end), "{name}: {error}");
        } else {
            assert_eq!((envoy, host), (Ok(()), Ok(())), "{name}");
        }
    }
}
