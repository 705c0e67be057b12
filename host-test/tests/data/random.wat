;; Logs eight random letters for each request.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $random (i32.const 0) (i32.const 8)))
    (i64.store (i32.const 0)
      (i64.add (i64.and (i64.load (i32.const 0)) (i64.const 0x0f0f0f0f0f0f0f0f)) (i64.const 0x6161616161616161)))
    (call $log (i32.const 2) (i32.const 0) (i32.const 8))))
