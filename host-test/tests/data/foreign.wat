;; Sets the request header `x-back` to what the foreign function `reverse` makes of `abc`. What the host gives
;; `proxy_on_foreign_function` is logged.
(module
  (import "env" "proxy_call_foreign_function" (func $call (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $get_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "reverseabcx-back")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $call (i32.const 0) (i32.const 7) (i32.const 7) (i32.const 3) (i32.const 32) (i32.const 36)))
    (call $replace (i32.const 0) (i32.const 10) (i32.const 6) (i32.load (i32.const 32)) (i32.load (i32.const 36))))
  (func (export "proxy_on_foreign_function") (param $root i32) (param $function i32) (param $size i32)
    ;; Buffer 8 is the arguments.
    (drop (call $get_buffer (i32.const 8) (i32.const 0) (local.get $size) (i32.const 32) (i32.const 36)))
    (drop (call $log (i32.const 2) (i32.load (i32.const 32)) (i32.load (i32.const 36))))))
