//! `gatepost module run`: runs a WASI program that uses proxy-wasm's hostcalls, such as the tests
//! of a filter's crate.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use gatepost_authoring::{MAX_MODULE_FILE, read_file};
use gatepost_host::{
    Engine, EngineOptions, Host, Limits, LogRecord, LogSink, Module, Vm, VmOptions, WasiOptions,
};

use crate::commands::exit::{CommandError, Exit};
use crate::{cache, wait};

/// Run a program that was built for wasm32-wasip1, such as a crate's own tests
///
/// It runs as on a command line, with these arguments and this environment; its output and its exit
/// code are this command's, 134 where it traps. What proxy-wasm offers answers as outside of any
/// request, and log lines go to standard error. There are no files and no network.
///
/// As cargo's runner it lets `cargo test --target wasm32-wasip1` run the tests of a crate that uses
/// a proxy-wasm SDK. In .cargo/config.toml:
///
///   [target.wasm32-wasip1]
///   runner = "gatepost module run"
///
/// A panic ends a program on this target, and what a test has printed would go with it. So the
/// variable RUST_TEST_NOCAPTURE is 1 for the program unless it is set.
#[derive(clap::Args)]
#[command(verbatim_doc_comment, override_usage = "gatepost module run <FILE.wasm> [ARGS]...")]
pub struct Arguments {
    /// The program. Everything after it is an argument of the program, also --help
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "FILE.wasm"
    )]
    program: Vec<OsString>,
}

/// A shell's exit code for an aborted program: 128 and the signal's number.
const ABORTED: u8 = 134;
/// All of a 32-bit address space: a program may need more memory than a filter.
const MEMORY: usize = 4 << 30;

struct StandardError;

impl LogSink for StandardError {
    fn log(&self, record: LogRecord<'_>) {
        eprintln!("{}: {}", record.level, String::from_utf8_lossy(record.message));
    }
}

pub fn run(arguments: &Arguments) -> Result<Exit, CommandError> {
    let path = arguments.program.first().map(PathBuf::from).unwrap_or_default();
    let wasm = read_file(&path, MAX_MODULE_FILE)
        .map_err(|error| CommandError::Unreadable { path: path.clone(), error })?;
    let name = path.display().to_string();
    let engine =
        Engine::new(EngineOptions { cache: cache::directory(), ..EngineOptions::default() })
            .map_err(CommandError::other)?;
    cache::report(&engine.cache());
    let module =
        wait::saying(&format!("compiling {name}"), || Module::command(&engine, &name, &wasm))
            .map_err(CommandError::other)?;
    let text = |text: OsString| text.into_string().ok();
    // A variable that is not UTF-8 is left out, because WASI programs expect UTF-8.
    let mut environment: BTreeMap<String, String> =
        std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect();
    environment.entry("RUST_TEST_NOCAPTURE".to_owned()).or_insert_with(|| "1".to_owned());
    let options = VmOptions {
        limits: Limits { memory_bytes: MEMORY, ..Limits::default() },
        environment,
        wasi: WasiOptions {
            args: arguments
                .program
                .iter()
                .map(|argument| argument.to_string_lossy().into_owned())
                .collect(),
            stdout: Some(Box::new(std::io::stdout())),
            stderr: Some(Box::new(std::io::stderr())),
        },
        ..VmOptions::default()
    };
    let host = Host { log: Arc::new(StandardError), ..Host::default() };
    match Vm::run_command(&module, host, options) {
        Ok(code) => Ok(Exit::Code(exit_code(code))),
        Err(error) => {
            eprintln!("gatepost: {error}");
            Ok(Exit::Code(ABORTED))
        }
    }
}

/// The low byte, as an operating system keeps it, but never 0 for a failure.
fn exit_code(code: u32) -> u8 {
    let [low, ..] = code.to_le_bytes();
    if low == 0 && code != 0 { 1 } else { low }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_code_is_a_byte_and_a_failure_stays_one() {
        assert_eq!([0, 3, 255, 256, 258].map(exit_code), [0, 3, 255, 1, 2]);
    }
}
