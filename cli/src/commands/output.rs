//! Text on standard output, and findings for people and for programs.

use gatepost_authoring::FileError;
use gatepost_authoring::{Render, Report};

use super::exit::CommandError;

/// The format of a command's output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    #[default]
    Text,
    Json,
}

/// Writes to standard output. When the reader, such as `head`, has closed its end, the rest is
/// dropped and the exit code stays what it is.
pub fn print(text: &str) -> Result<(), CommandError> {
    use std::io::{ErrorKind, Write as _};
    match anstream::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CommandError::Output(error)),
        _ => Ok(()),
    }
}

/// Findings as text with colours. [`anstream`] removes the colours where there is no terminal.
pub fn for_people() -> Render {
    Render::Text { color: true }
}

/// Turns the error of a file into the command's error. Findings are printed on standard error.
pub fn file_error(error: FileError) -> CommandError {
    match error {
        FileError::Unreadable { path, error } => CommandError::Unreadable { path, error },
        FileError::Invalid(report) => findings(report),
    }
}

/// Prints findings on standard error.
pub fn findings(report: Report) -> CommandError {
    let summary = format!("{} cannot be used", report.source.name());
    anstream::eprint!("{}", for_people().render(&[report]));
    CommandError::Findings(summary)
}
