//! `kubectl`, as a user calls it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::MeshError;
use super::programs::Programs;

const APPLY: [&str; 5] = ["apply", "--server-side", "--validate=strict", "--filename", "-"];

/// `kubectl` for one API server.
#[derive(Clone, Debug)]
pub(super) struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    pub fn new(programs: &Programs, kubeconfig: &Path) -> Self {
        Self { program: programs.program("kubectl"), kubeconfig: kubeconfig.to_owned() }
    }

    /// Applies objects on the server, which refuses unknown fields.
    pub fn apply(&self, objects: &str) -> Result<String, MeshError> {
        self.run(&APPLY, objects)
    }

    /// What `apply` would do.
    pub fn dry_run(&self, objects: &str) -> Result<String, MeshError> {
        self.run(&[&APPLY[..], &["--dry-run=server"]].concat(), objects)
    }

    /// Runs it with this standard input, and gives what it printed, warnings included.
    pub fn run(&self, arguments: &[&str], input: &str) -> Result<String, MeshError> {
        let failed =
            |printed: String| MeshError::Kubectl { arguments: arguments.join(" "), printed };
        let system = |error: std::io::Error| failed(error.to_string());
        let mut child = Command::new(&self.program)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(system)?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that ends early says why.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().map_err(system)?;
        let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        let printed = String::from_utf8_lossy(&both).into_owned();
        if output.status.success() { Ok(printed) } else { Err(failed(printed)) }
    }
}
