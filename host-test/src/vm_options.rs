//! How one VM is set up. The embedding program fills this in; the VM's state takes it apart.

use std::io::Write;

use crate::clock::RandomSource;
use crate::limits::Limits;
use crate::plugin::Environment;
use crate::profile::Profile;
use crate::recording::Recorder;

/// The options of one VM. The default has default limits, no environment variables, the operating
/// system's random bytes and no recorder.
///
/// ```
/// use gatepost_host::{Host, Limits, SeededRandom, Vm, VmOptions};
/// # use gatepost_host_fixtures::*;
/// # let module = module("tag");
///
/// let options = VmOptions {
///     limits: Limits { memory_bytes: 16 << 20, ..Limits::default() },
///     environment: [("REGION".to_owned(), "eu".to_owned())].into(),
///     random: Some(Box::new(SeededRandom::new(7))),
///     ..VmOptions::default()
/// };
/// let vm = Vm::new(&module, Host::default(), options)?;
/// assert_eq!(vm.memory_bytes(), 65_536); // one page
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct VmOptions {
    /// What the guest may use.
    pub limits: Limits,
    /// The environment variables.
    pub environment: Environment,
    /// The source of random bytes; none is the operating system's.
    pub random: Option<Box<dyn RandomSource>>,
    /// Arguments and standard output, for modules that are commands.
    pub wasi: WasiOptions,
    /// Takes every recorded event; none records nothing and costs nothing.
    pub recorder: Option<Box<dyn Recorder>>,
    /// The proxy whose rules apply. Default Envoy.
    pub profile: Profile,
}

impl std::fmt::Debug for VmOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VmOptions")
            .field("limits", &self.limits)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

/// Arguments and standard output of a VM, for modules that are commands. A filter needs none of
/// this: by default there are no arguments, and each write to standard output or standard error is
/// a log line, as in Envoy.
///
/// ```
/// use gatepost_host::{Host, Vm, VmOptions, WasiOptions};
/// # use gatepost_host_fixtures::*;
/// # let module = module("command");
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
/// // `output` is any `Write + Send`. This module writes `started` when it starts.
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
    /// Takes the bytes written to standard output; they are no log lines then.
    pub stdout: Option<Box<dyn Write + Send>>,
    /// Takes the bytes written to standard error; they are no log lines then.
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
