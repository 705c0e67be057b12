;; Keeps the request's body until all of it is there, writes `redacted` in its place and adds the trailer `x-redacted: yes`.
(module
  (import "env" "proxy_set_buffer_bytes" (func $set_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "redactedx-redactedyes")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_request_body") (param $context i32) (param $size i32) (param $end i32) (result i32)
    ;; 1 is "stop, and buffer".
    (if (i32.eqz (local.get $end)) (then (return (i32.const 1))))
    (drop (call $set_buffer (i32.const 0) (i32.const 0) (local.get $size) (i32.const 0) (i32.const 8)))
    ;; Map 1 is the request's trailers.
    (call $add (i32.const 1) (i32.const 8) (i32.const 10) (i32.const 18) (i32.const 3))))
