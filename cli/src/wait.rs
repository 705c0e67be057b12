//! Says on a terminal what a command waits for, when it takes long enough to be asked about.

use std::io::{IsTerminal as _, Write};
use std::sync::mpsc;
use std::time::Duration;

/// After this time a person wonders.
const LONG: Duration = Duration::from_millis(300);

/// Does something that may take long, and says so on standard error if that is a terminal.
pub fn saying<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let mut error = std::io::stderr();
    if error.is_terminal() { after(LONG, what, &mut error, work) } else { work() }
}

/// Writes `what` when the work takes longer than `delay`, and removes it when it is done.
fn after<T>(
    delay: Duration,
    what: &str,
    out: &mut (impl Write + Send),
    work: impl FnOnce() -> T,
) -> T {
    let (done, wait) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if wait.recv_timeout(delay) == Err(mpsc::RecvTimeoutError::Timeout) {
                // A terminal that is gone needs no text.
                let _ = write!(out, "{what} …").and_then(|()| out.flush());
                let _ = wait.recv();
                let _ = write!(out, "\r\x1b[K").and_then(|()| out.flush());
            }
        });
        let result = work();
        drop(done);
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tells that something was written.
    struct Written(Vec<u8>, mpsc::Sender<()>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            let _ = self.1.send(());
            Ok(())
        }
    }

    #[test]
    fn a_long_wait_is_shown_until_it_is_over() {
        let (told, written) = mpsc::channel();
        let mut out = Written(Vec::new(), told);
        let result = after(Duration::ZERO, "compiling", &mut out, || {
            written.recv().expect("the text");
            7
        });
        assert_eq!((result, out.0.as_slice()), (7, "compiling …\r\x1b[K".as_bytes()));
    }

    #[test]
    fn a_short_one_is_not() {
        let mut out = Written(Vec::new(), mpsc::channel().0);
        after(Duration::MAX, "compiling", &mut out, || ());
        assert!(out.0.is_empty());
    }
}
