;; A filter for the tests of the rendered Envoy configuration. What it does depends on the length of its configuration alone, so a
;; test chooses behaviour with the policy's text:
;;   more than 9 bytes   refused by proxy_on_configure
;;   7 bytes             each request traps
;;   anything else       each request goes upstream with `x-configuration-length: <digit>`
;; The configuration is also logged, so that a test sees what arrived.
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $get_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add_header (param i32 i32 i32 i32 i32) (result i32)))

  (memory (export "memory") 16)
  (global $length (mut i32) (i32.const 0))
  (global $free (mut i32) (i32.const 1024))
  (data (i32.const 0) "x-configuration-length")
  ;; 32: the digit; 40: where the host puts the configuration's address; 44: and its size.

  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))

  ;; Nothing is ever given back: a configuration is all that the host puts here.
  (func (export "malloc") (param $size i32) (result i32)
    (global.get $free)
    (global.set $free (i32.add (global.get $free) (local.get $size))))

  (func (export "proxy_on_configure") (param $context i32) (param $size i32) (result i32)
    (global.set $length (local.get $size))
    ;; Buffer 7 is the plugin configuration, level 2 is info.
    (drop (call $get_buffer (i32.const 7) (i32.const 0) (local.get $size) (i32.const 40) (i32.const 44)))
    (drop (call $log (i32.const 2) (i32.load (i32.const 40)) (i32.load (i32.const 44))))
    (i32.le_u (local.get $size) (i32.const 9)))

  (func (export "proxy_on_request_headers") (param $context i32) (param $count i32) (param $end i32) (result i32)
    (if (i32.eq (global.get $length) (i32.const 7)) (then unreachable))
    (i32.store8 (i32.const 32) (i32.add (i32.const 48) (global.get $length)))
    ;; Map 0 is the request's headers.
    (drop (call $add_header (i32.const 0) (i32.const 0) (i32.const 22) (i32.const 32) (i32.const 1)))
    (i32.const 0)))
