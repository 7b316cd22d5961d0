//! Programs written by hand: arguments in, output and exit code out.

use super::*;

/// Writes its second argument to the stream in its first, and exits with the number of arguments.
const ECHO: &str = r#"(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $sizes (i32.const 0) (i32.const 4)))
    (drop (call $args (i32.const 16) (i32.const 256)))
    (i32.store (i32.const 64) (i32.load (i32.const 24)))
    (i32.store (i32.const 68) (i32.const 2))
    (drop (call $write
      (i32.sub (i32.load8_u (i32.load (i32.const 20))) (i32.const 48))
      (i32.const 64) (i32.const 1) (i32.const 128)))
    (call $exit (i32.load (i32.const 0)))))"#;

fn run(text: &str, arguments: &[&str]) -> Ended {
    let program = Program::compile(&wat::parse_str(text).unwrap()).unwrap();
    program.run(&Start {
        arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
        clock: Arc::new(|| 7),
    })
}

#[test]
fn arguments_output_and_exit_code_are_the_programs_own() {
    let out = run(ECHO, &["echo", "1", "hi"]);
    assert_eq!(
        (out.code, &out.stdout[..], &out.stderr[..]),
        (Some(3), &b"hi"[..], &b""[..])
    );
    let err = run(ECHO, &["echo", "2", "no", "more"]);
    assert_eq!(
        (err.code, &err.stderr[..], err.trap),
        (Some(4), &b"no"[..], None)
    );
}

#[test]
fn a_program_that_returns_exits_with_0_and_one_that_traps_does_not() {
    let ended = run("(module (func (export \"_start\")))", &["p"]);
    assert!(ended.is_success());
    let ended = run("(module (func (export \"_start\") unreachable))", &["p"]);
    assert_eq!(ended.code, None);
    assert!(ended.trap.unwrap().contains("unreachable"));
}

#[test]
fn a_hostcall_of_a_plugin_is_named_with_what_to_do() {
    let text = r#"(module
      (import "env" "proxy_done" (func $done (result i32)))
      (func (export "_start") (drop (call $done))))"#;
    let trap = run(text, &["p"]).trap.unwrap();
    assert!(
        trap.contains("`env.proxy_done`") && trap.contains("`testing`"),
        "{trap}"
    );
}

#[test]
fn pointers_out_of_memory_are_answered_with_a_fault() {
    let text = r#"(module
      (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (func (export "_start")
        (call $exit (i32.add (i32.add
          (call $write (i32.const 1) (i32.const -8) (i32.const 1) (i32.const 0))
          (call $random (i32.const 65530) (i32.const 100)))
          (call $clock (i32.const 0) (i64.const 0) (i32.const 65535))))))"#;
    assert_eq!(run(text, &["p"]).code, Some(63));
}

#[test]
fn what_is_no_program_is_refused() {
    assert!(matches!(
        Program::compile(b"no"),
        Err(ProgramError::NotWasm(_))
    ));
    let library = wat::parse_str("(module)").unwrap();
    assert!(matches!(
        Program::compile(&library),
        Err(ProgramError::NoStart)
    ));
}
