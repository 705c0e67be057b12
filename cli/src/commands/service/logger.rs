//! The log of `serve`: what happens to the process and to its policy, on standard error.

use gatepost_gateway::FilterModule;
use log::{LevelFilter, Log, Metadata, Record};

use super::lines::Lines;

/// The target of text that has its own form, such as the findings in a policy.
pub const REPORT: &str = "gatepost::report";

struct Logger(Lines);

/// Sends all that this process logs to these lines, its panics too: a panic's own message is
/// written by the thread that panics, which would wait for a reader that stalls.
pub fn install(lines: Lines) {
    // It fails when there is a logger already: the command runs once in a process.
    if log::set_boxed_logger(Box::new(Logger(lines))).is_ok() {
        log::set_max_level(LevelFilter::Info);
        std::panic::set_hook(Box::new(|panic| log::error!("{panic}")));
    }
}

impl Log for Logger {
    /// Only what Gatepost says: libraries log their own inner workings.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("gatepost") && metadata.level() <= LevelFilter::Info
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        self.0.push(match record.target() {
            REPORT => record.args().to_string(),
            FilterModule::LOG_TARGET => {
                format!("{}: {}", record.level().as_str().to_ascii_lowercase(), record.args())
            }
            _ => format!("gatepost: {}", record.args()),
        });
    }

    fn flush(&self) {}
}
