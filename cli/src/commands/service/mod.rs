//! What the commands share that run until they are told to end: their log, the files that they
//! watch, and the signal.

pub mod lines;
pub mod logger;
pub mod signal;
pub mod watch;

use std::time::Duration;

use super::exit::CommandError;
use lines::Lines;

/// How long the end of the process waits for the last lines of its logs to be written.
pub const FLUSH: Duration = Duration::from_secs(1);

/// Runs a service on a runtime of its own, with its messages on standard error.
pub fn run<T>(
    service: impl AsyncFnOnce(&Lines) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let messages = Lines::to(anstream::stderr());
    logger::install(messages.clone());
    let runtime = super::arguments::runtime()?;
    let served = runtime.block_on(service(&messages));
    // Whatever still runs, a read of a file that hangs for instance, ends with the process.
    runtime.shutdown_background();
    messages.flush(FLUSH);
    served
}
