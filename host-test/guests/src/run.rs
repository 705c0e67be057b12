//! Runs a script: keeps the contexts, finds the lines of a callback, runs them and logs their
//! results. The commands are in [`crate::commands`].

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::abi::{self, Status};
use crate::commands::{self, Call};
use crate::script::Script;

const INFO: u32 = 2;
const CRITICAL: u32 = 5;
const VM_CONFIGURATION: u32 = 6;
const PLUGIN_CONFIGURATION: u32 = 7;

/// A hostcall that returns bytes.
type GetBytes = fn() -> (Status, Vec<u8>);

/// The hostcalls that differ between versions of the ABI: a module imports only those of its
/// version.
pub struct Dialect {
    /// Continues a stream of this kind.
    pub continue_stream: fn(u32) -> Status,
    /// Closes a stream of this kind.
    pub close_stream: Option<fn(u32) -> Status>,
    /// The host's log level.
    pub log_level: Option<fn() -> (Status, u32)>,
    /// The hostcall `proxy_clear_route_cache`.
    pub clear_route_cache: Option<fn() -> Status>,
    /// The hostcall `proxy_get_configuration`.
    pub configuration: Option<GetBytes>,
}

/// The state of a context.
#[derive(Default)]
struct Context {
    root: u32,
    /// How often each callback was called.
    calls: HashMap<&'static str, u32>,
}

#[derive(Default)]
struct Guest {
    contexts: HashMap<u32, Context>,
    /// The scripts of the root contexts.
    scripts: HashMap<u32, Rc<Script>>,
    /// The stream context that was created last.
    last_stream: u32,
}

thread_local! {
    static GUEST: RefCell<Guest> = RefCell::default();
}

/// A context of a stream or, with parent 0, of a plugin.
pub fn create(dialect: &Dialect, context: u32, parent: u32) {
    GUEST.with_borrow_mut(|guest| {
        let root = if parent == 0 { context } else { parent };
        guest.contexts.insert(context, Context { root, ..Context::default() });
        if parent != 0 {
            guest.last_stream = context;
        }
    });
    if parent != 0 {
        callback(dialect, "context_create", context, "", false, 0);
    }
}

/// The stream context that was created last, for commands in other contexts.
#[must_use]
pub fn last_stream() -> u32 {
    GUEST.with_borrow(|guest| guest.last_stream)
}

/// The root context of a context.
#[must_use]
pub fn root_of(context: u32) -> u32 {
    GUEST.with_borrow(|guest| guest.contexts.get(&context).map_or(context, |context| context.root))
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
            GUEST.with_borrow_mut(|guest| guest.scripts.insert(root, Rc::new(script)));
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
    let (call, script) = GUEST.with_borrow_mut(|guest| {
        let known = guest.contexts.entry(context).or_default();
        let calls = known.calls.entry(name).or_insert(0);
        *calls += 1;
        (*calls, guest.scripts.get(&known.root).cloned().unwrap_or_default())
    });
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
    GUEST.with_borrow_mut(|guest| guest.contexts.remove(&context));
}
