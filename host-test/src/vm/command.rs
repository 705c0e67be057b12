//! Running a command: a WASI program, which is entered once and has no plugins.

use std::sync::Arc;

use super::instance::{Vm, instantiate};
use crate::callbacks::Lookup;
use crate::contexts::ContextRef;
use crate::error::StartError;
use crate::host::Host;
use crate::module::Module;
use crate::vm_options::VmOptions;
use crate::wasi::ProcExit;

impl Vm {
    /// Runs a [command](Module::command) to its end; its exit code, 0 when it ends without one. Its
    /// hostcalls act on no context, its arguments and its output are [`VmOptions::wasi`].
    ///
    /// # Errors
    /// When a limit needs another engine, the module wants more memory than allowed, exports no
    /// `_start`, or traps.
    ///
    /// ```
    /// use gatepost_host::{Engine, EngineOptions, Host, Module, Vm, VmOptions};
    ///
    /// let wasm = wat::parse_str(r#"(module
    ///     (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    ///     (memory (export "memory") 1)
    ///     (func (export "_start") (call $exit (i32.const 3))))"#)?;
    /// let module = Module::command(&Engine::new(EngineOptions::default())?, "three", &wasm)?;
    /// assert_eq!(Vm::run_command(&module, Host::default(), VmOptions::default())?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run_command(module: &Module, host: Host, options: VmOptions) -> Result<u32, StartError> {
        let (mut guest, instance) = instantiate(module, host, options)?;
        let memory = instance.get_memory(&mut guest.store, "memory");
        let mut lookup = Lookup { module: module.name(), instance, store: &mut guest.store };
        let malloc = lookup.find(module.malloc)?.function;
        let start = lookup.find::<(), ()>("_start")?;
        let state = guest.store.data_mut();
        state.memory = memory;
        state.malloc = malloc.map(Arc::new);
        let mut code = 0;
        if let Some(function) = &start.function {
            guest.call_until(start.name, ContextRef::Vm, function, (), |error| {
                match error.downcast_ref() {
                    Some(ProcExit(given)) => {
                        code = *given;
                        true
                    }
                    None => false,
                }
            })?;
        }
        Ok(code)
    }
}
