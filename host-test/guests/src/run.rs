//! Runs a script: finds the lines of a callback, runs them and logs their results. The commands are
//! in [`crate::commands`].

use crate::abi;
use crate::commands::{self, Call};
use crate::contexts;
use crate::dialect::Dialect;
use crate::script::Script;

const INFO: u32 = 2;
const CRITICAL: u32 = 5;
const VM_CONFIGURATION: u32 = 6;
const PLUGIN_CONFIGURATION: u32 = 7;

/// A context of a stream or, with parent 0, of a plugin.
pub fn create(dialect: &Dialect, context: u32, parent: u32) {
    contexts::add(context, parent);
    if parent != 0 {
        callback(dialect, "context_create", context, "", false, 0);
    }
}

/// Takes the VM configuration as the script of this root context, until `configure` gets another.
pub fn vm_start(dialect: &Dialect, root: u32, size: u32) -> u32 {
    read_script(root, VM_CONFIGURATION, size)
        .map_or(0, |()| callback(dialect, "vm_start", root, &size.to_string(), false, 1))
}

/// Takes the plugin configuration as the script of this root context.
pub fn configure(dialect: &Dialect, root: u32, size: u32) -> u32 {
    let length = if size == 0 { "0" } else { "…" };
    read_script(root, PLUGIN_CONFIGURATION, size)
        .map_or(0, |()| callback(dialect, "configure", root, length, false, 1))
}

fn read_script(root: u32, kind: u32, size: u32) -> Option<()> {
    if size == 0 {
        return Some(());
    }
    let (_, text) = abi::get_buffer(kind, 0, usize::try_from(size).unwrap_or(usize::MAX));
    match Script::parse(&String::from_utf8_lossy(&text)) {
        Ok(script) => {
            contexts::set_script(root, script);
            Some(())
        }
        Err(error) => {
            abi::log(CRITICAL, &format!("no script: {error}"));
            None
        }
    }
}

/// Runs the lines of a callback; returns the value of the last command `answer`, or `answer`.
pub fn callback(
    dialect: &Dialect,
    name: &'static str,
    context: u32,
    arguments: &str,
    end: bool,
    answer: u32,
) -> u32 {
    let (call, script) = contexts::count_call(context, name);
    abi::log(INFO, &format!("{name}({arguments})"));
    let mut call = Call { dialect, context, number: call, answer };
    for line in script.lines(name, call.number, end) {
        let result = commands::run(&mut call, line);
        if !result.is_empty() {
            abi::log(INFO, &format!("{name}: {} -> {result}", line.text));
        }
    }
    call.answer
}

/// Removes a context.
pub fn delete(dialect: &Dialect, context: u32) {
    callback(dialect, "delete", context, "", false, 0);
    contexts::remove(context);
}
