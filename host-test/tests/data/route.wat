;; Sets the request header `x-route` to the property `route_name`, and the property `seen` to `yes`.
(module
  (import "env" "proxy_get_property" (func $get (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_property" (func $set (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "route_namex-routeseenyes")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (if (i32.eqz (call $get (i32.const 0) (i32.const 10) (i32.const 32) (i32.const 36)))
      (then (drop (call $replace (i32.const 0) (i32.const 10) (i32.const 7) (i32.load (i32.const 32)) (i32.load (i32.const 36))))))
    (call $set (i32.const 17) (i32.const 4) (i32.const 21) (i32.const 3))))
