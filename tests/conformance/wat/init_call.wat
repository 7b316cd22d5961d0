;; Makes a hostcall while it initialises, which is not allowed.
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value"
    (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_current_time_nanoseconds" (func $now (param i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) ":path")
  (data (i32.const 32) "initialised")
  (func (export "proxy_abi_version_0_2_1"))
  ;; Logs a number below ten as a digit.
  (func $say (param i32)
    (i32.store8 (i32.const 64) (i32.add (local.get 0) (i32.const 48)))
    (drop (call $log (i32.const 2) (i32.const 64) (i32.const 1))))
  (func (export "_initialize") (drop (call $now (i32.const 80))))
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $say (i32.const 7)) (i32.const 0)))
