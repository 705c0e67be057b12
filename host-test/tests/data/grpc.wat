;; Asks `limits.Service/Check` in the cluster `limits` about each request, with the message `hi`, and waits for any message back.
;; When the call fails, the request is answered with 429.
(module
  (import "env" "proxy_grpc_call"
    (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $be (param i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (import "env" "proxy_send_local_response" (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $stream (mut i32) (i32.const 0))
  (data (i32.const 0) "limits.ServiceCheckhi")
  (data (i32.const 64) "\0a\08\0a\06limits")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_request_headers") (param $context i32) (param i32 i32) (result i32)
    (global.set $stream (local.get $context))
    ;; A GrpcService message whose envoy_grpc.cluster_name is `limits`.
    (drop (call $call (i32.const 64) (i32.const 10) (i32.const 0) (i32.const 14) (i32.const 14) (i32.const 5)
      (i32.const 0) (i32.const 0) (i32.const 19) (i32.const 2) (i32.const 1000) (i32.const 32)))
    (i32.const 1))
  (func (export "proxy_on_grpc_receive") (param i32 i32 i32)
    (drop (call $be (global.get $stream)))
    (drop (call $continue (i32.const 0))))
  (func (export "proxy_on_grpc_close") (param i32 i32 i32)
    (drop (call $be (global.get $stream)))
    (drop (call $reply (i32.const 429) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const -1)))))
