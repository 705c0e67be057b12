//! Lines of text for standard output and standard error, written by a thread of their own. A reader
//! that stalls, a full disk or a closed pipe costs lines, which are counted, and never holds up or
//! ends what logs them.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// How many lines wait for the writer at most.
const QUEUE: usize = 8192;
/// How many bytes they have at most.
const QUEUED_BYTES: usize = 4 << 20;
/// How many bytes are written at once.
const BATCH: usize = 64 * 1024;
/// A line that is longer is cut: requests and policies choose how long lines are.
const LONGEST: usize = 64 * 1024;

/// A queue of lines with its writer. Clones share it.
#[derive(Clone)]
pub struct Lines {
    queue: SyncSender<Entry>,
    /// The bytes of the lines in the queue.
    queued: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
}

enum Entry {
    Line(String),
    /// Answered when all entries before it were written.
    Flush(SyncSender<()>),
}

impl Lines {
    /// Starts the writer. It ends with the process: it may be blocked in a write for ever.
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        let (queue, entries) = sync_channel(QUEUE);
        let (queued, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
        let lines = Self { queue, queued: queued.clone(), dropped: dropped.clone() };
        let writing = move || write_all(writer, &entries, &queued, &dropped);
        // Without a thread each line finds the queue closed, and is counted.
        let _ = std::thread::Builder::new().name("log".to_owned()).spawn(writing);
        lines
    }

    /// Queues a line, which is given without its end. When the queue is full the line is dropped.
    pub fn push(&self, mut line: String) {
        if line.len() > LONGEST {
            line.truncate(line.floor_char_boundary(LONGEST));
        }
        let length = line.len();
        let queued = self.queued.fetch_add(length, Ordering::Relaxed).saturating_add(length);
        if queued > QUEUED_BYTES || self.queue.try_send(Entry::Line(line)).is_err() {
            self.queued.fetch_sub(length, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many lines were dropped, because the queue was full or writing failed.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until what was queued is written, but no longer than this.
    pub fn flush(&self, limit: Duration) {
        let (done, is_done) = sync_channel(1);
        if self.queue.try_send(Entry::Flush(done)).is_ok() {
            // It fails when the writer is stuck, and then there is nothing to wait for.
            let _ = is_done.recv_timeout(limit);
        }
    }
}

fn write_all(
    mut writer: impl Write,
    entries: &Receiver<Entry>,
    queued: &AtomicUsize,
    dropped: &AtomicU64,
) {
    let mut batch = String::new();
    while let Ok(first) = entries.recv() {
        batch.clear();
        let (mut lines, mut flushed) = (0, None);
        let mut next = Some(first);
        while let Some(entry) = next {
            match entry {
                Entry::Line(line) => {
                    queued.fetch_sub(line.len(), Ordering::Relaxed);
                    batch.push_str(&line);
                    batch.push('\n');
                    lines += 1;
                }
                Entry::Flush(done) => flushed = Some(done),
            }
            let is_over = flushed.is_some() || batch.len() >= BATCH;
            next = if is_over { None } else { entries.try_recv().ok() };
        }
        if writer.write_all(batch.as_bytes()).and_then(|()| writer.flush()).is_err() {
            dropped.fetch_add(lines, Ordering::Relaxed);
        }
        if let Some(done) = flushed {
            let _ = done.try_send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    /// Passes on what is written.
    struct Sink(Sender<String>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8_lossy(bytes).into_owned()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Blocks until the other end is dropped.
    struct Stalled(Receiver<()>);

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_in_order_and_flushed() {
        let (sink, written) = channel();
        let lines = Lines::to(Sink(sink));
        for number in 0..1000 {
            lines.push(number.to_string());
        }
        lines.flush(LIMIT);
        let text: String = written.try_iter().collect();
        let expected: String = (0..1000).map(|number| format!("{number}\n")).collect();
        assert!(text == expected);
        assert_eq!(lines.dropped(), 0);
    }

    #[test]
    fn a_writer_that_stalls_costs_lines_and_no_time() {
        let (release, stalled) = channel();
        let lines = Lines::to(Stalled(stalled));
        // One batch is with the writer. An empty line is one byte.
        let kept = (QUEUE + BATCH) as u64;
        for _ in 0..3 * kept {
            lines.push(String::new());
        }
        assert!(lines.dropped() >= kept);
        lines.flush(Duration::from_millis(1));
        drop(release);
    }

    #[test]
    fn long_lines_wait_within_a_bound_of_bytes() {
        let (release, stalled) = channel();
        let lines = Lines::to(Stalled(stalled));
        for _ in 0..QUEUE {
            lines.push("x".repeat(LONGEST));
        }
        // One batch is with the writer.
        let kept = (QUEUED_BYTES + BATCH) / LONGEST + 1;
        assert!(lines.dropped() >= (QUEUE - kept) as u64, "{}", lines.dropped());
        assert!(lines.queued.load(Ordering::Relaxed) <= QUEUED_BYTES);
        drop(release);
    }

    #[test]
    fn a_writer_that_fails_costs_the_lines_that_it_was_to_write() {
        let (sink, gone) = channel();
        drop(gone);
        let lines = Lines::to(Sink(sink));
        lines.push("one".to_owned());
        lines.flush(LIMIT);
        lines.push("two".to_owned());
        lines.flush(LIMIT);
        assert_eq!(lines.dropped(), 2);
    }

    #[test]
    fn a_long_line_is_cut() {
        let (sink, written) = channel();
        let lines = Lines::to(Sink(sink));
        lines.push("é".repeat(LONGEST));
        lines.flush(LIMIT);
        assert_eq!(written.try_iter().map(|text| text.len()).sum::<usize>(), LONGEST + 1);
    }
}
