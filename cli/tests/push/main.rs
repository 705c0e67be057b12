//! `package`, `push` and `verify`: with a registry that behaves, and with registries that do not. A
//! real one is in tests/registry.

mod errors;
mod images;
mod lies;
mod package;
mod registry;
mod signing_in;

use std::path::Path;
use std::process::Command;

/// How a command ended.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    /// The end of a command that did its work: what it printed for other programs.
    #[track_caller]
    fn printed(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// The end of one that did not: what it said.
    #[track_caller]
    fn failed(self, code: i32) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{}", self.stderr);
        self.stderr
    }
}

/// Runs the command without a Docker configuration.
fn gatepost(arguments: &[&str]) -> Ended {
    configured(Path::new("/nowhere"), arguments)
}

/// Runs the command with the Docker configuration of a folder.
fn configured(folder: &Path, arguments: &[&str]) -> Ended {
    let output = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(arguments)
        .env("DOCKER_CONFIG", folder)
        .output()
        .expect("it can be started");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}
