;; A network filter. Logs `hello` for a new connection. Holds what comes from downstream back until the last byte is a line's end,
;; then puts `> ` before it. Logs `closed` when the upstream goes.
(module
  (import "env" "proxy_get_buffer_bytes" (func $get_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_buffer_bytes" (func $set_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "> helloclosed")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_new_connection") (param i32) (result i32)
    (call $log (i32.const 2) (i32.const 2) (i32.const 5)))
  (func (export "proxy_on_downstream_data") (param $context i32) (param $size i32) (param $end i32) (result i32)
    (drop (call $get_buffer (i32.const 2) (i32.sub (local.get $size) (i32.const 1)) (i32.const 1) (i32.const 32) (i32.const 36)))
    (if (i32.ne (i32.load8_u (i32.load (i32.const 32))) (i32.const 10)) (then (return (i32.const 1))))
    (call $set_buffer (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2)))
  (func (export "proxy_on_upstream_connection_close") (param i32 i32)
    (drop (call $log (i32.const 2) (i32.const 7) (i32.const 6)))))
