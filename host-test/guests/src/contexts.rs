//! The contexts of the VM, and the scripts of its plugins.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::script::Script;

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

/// Adds a context of a stream or, with parent 0, of a plugin.
pub fn add(context: u32, parent: u32) {
    GUEST.with_borrow_mut(|guest| {
        let root = if parent == 0 { context } else { parent };
        guest.contexts.insert(context, Context { root, ..Context::default() });
        if parent != 0 {
            guest.last_stream = context;
        }
    });
}

/// Removes a context.
pub fn remove(context: u32) {
    GUEST.with_borrow_mut(|guest| guest.contexts.remove(&context));
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

/// Gives a root context its script, in place of the one that it had.
pub fn set_script(root: u32, script: Script) {
    GUEST.with_borrow_mut(|guest| guest.scripts.insert(root, Rc::new(script)));
}

/// Counts a call of a callback: how many there were in this context, and the script of its root.
pub fn count_call(context: u32, callback: &'static str) -> (u32, Rc<Script>) {
    GUEST.with_borrow_mut(|guest| {
        let known = guest.contexts.entry(context).or_default();
        let calls = known.calls.entry(callback).or_insert(0);
        *calls += 1;
        (*calls, guest.scripts.get(&known.root).cloned().unwrap_or_default())
    })
}
