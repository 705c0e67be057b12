//! What a VM's WASI functions are given by the embedding program, and what they keep between calls.

use std::io::Write;

use super::time::Slept;

/// Arguments and standard output of a VM, for modules that are commands. A filter needs none of it:
/// by default there are no arguments, and what is written to standard output and error becomes log
/// lines, one for each write, as in Envoy.
///
/// ```
/// use gatepost_host::{Host, Vm, VmOptions, WasiOptions};
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/command.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "command", &wasm)?;
/// # #[derive(Clone, Default)]
/// # struct Output(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
/// # impl std::io::Write for Output {
/// #     fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
/// #         self.0.lock().unwrap().write(bytes)
/// #     }
/// #     fn flush(&mut self) -> std::io::Result<()> {
/// #         Ok(())
/// #     }
/// # }
/// # let output = Output::default();
///
/// // `output` is any `Write + Send`. This module writes `started` to standard output when it starts.
/// let wasi = WasiOptions {
///     args: vec!["command".into(), "--verbose".into()],
///     stdout: Some(Box::new(output.clone())),
///     ..WasiOptions::default()
/// };
/// Vm::new(&module, Host::default(), VmOptions { wasi, ..VmOptions::default() })?;
/// assert_eq!(*output.0.lock().unwrap(), b"started");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct WasiOptions {
    /// The arguments, the program's name first.
    pub args: Vec<String>,
    /// Takes the bytes written to standard output as they are. They are no log lines then.
    pub stdout: Option<Box<dyn Write + Send>>,
    /// Takes the bytes written to standard error as they are.
    pub stderr: Option<Box<dyn Write + Send>>,
}

impl std::fmt::Debug for WasiOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WasiOptions")
            .field("args", &self.args)
            .field("stdout", &self.stdout.is_some())
            .field("stderr", &self.stderr.is_some())
            .finish()
    }
}

/// One VM's part of WASI.
#[derive(Default)]
pub(crate) struct Wasi {
    pub(super) options: WasiOptions,
    pub(super) slept: Slept,
}

impl Wasi {
    pub(crate) fn new(options: WasiOptions) -> Self {
        Self { options, slept: Slept::default() }
    }
}
