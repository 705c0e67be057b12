//! The sources of time and of random bytes. The system's are the default; a virtual clock and a
//! seeded source make a run repeatable.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A source of time.
///
/// ```
/// use std::sync::Arc;
/// use gatepost_host::{Clock, Host, SystemClock};
///
/// /// The machine's clock, an hour ahead.
/// #[derive(Default)]
/// struct Ahead(SystemClock);
///
/// impl Clock for Ahead {
///     fn wall_nanos(&self) -> u64 {
///         self.0.wall_nanos() + 3_600_000_000_000
///     }
///
///     fn monotonic_nanos(&self) -> u64 {
///         self.0.monotonic_nanos()
///     }
/// }
///
/// let host = Host { clock: Arc::new(Ahead::default()), ..Host::default() };
/// assert!(host.clock.wall_nanos() > SystemClock::default().wall_nanos());
/// ```
pub trait Clock: Send + Sync {
    /// Nanoseconds since the Unix epoch.
    fn wall_nanos(&self) -> u64;
    /// Nanoseconds since a fixed time; never decreases.
    fn monotonic_nanos(&self) -> u64;
}

/// The machine's clocks.
///
/// ```
/// use gatepost_host::{Clock, SystemClock};
///
/// let clock = SystemClock::default();
/// let before = clock.monotonic_nanos();
/// assert!(clock.monotonic_nanos() >= before);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn wall_nanos(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanos)
    }

    fn monotonic_nanos(&self) -> u64 {
        nanos(self.start.elapsed())
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A clock that moves only when [`advance`](Self::advance) is called. Clones have the same time.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use gatepost_host::{Clock, Host, MemoryLog, VirtualClock, Vm, VmOptions};
/// # use gatepost_host_fixtures::*;
/// # let module = module("count");
///
/// let (clock, log) = (VirtualClock::default(), MemoryLog::default());
/// let host = Host {
///     clock: Arc::new(clock.clone()),
///     log: Arc::new(log.clone()),
///     ..Host::default()
/// };
/// let mut vm = Vm::new(&module, host, VmOptions::default())?;
/// // This guest sets a tick period of one second, and logs each tick.
/// # let plugin = vm.start_plugin(PluginConfig::default())?;
///
/// clock.advance(Duration::from_secs(1));
/// if vm.next_tick(plugin).is_some_and(|due| due <= clock.monotonic_nanos()) {
///     vm.tick(plugin)?;
/// }
/// assert_eq!(log.messages(), ["tick"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct VirtualClock {
    wall: Arc<AtomicU64>,
    monotonic: Arc<AtomicU64>,
}

impl VirtualClock {
    /// A clock at this wall time, in nanoseconds since the Unix epoch.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let clock = VirtualClock::at(1_700_000_000_000_000_000); // 2023-11-14T22:13:20Z
    /// assert_eq!(clock.wall_nanos(), 1_700_000_000_000_000_000);
    /// assert_eq!(clock.monotonic_nanos(), 0);
    /// ```
    #[must_use]
    pub fn at(wall_nanos: u64) -> Self {
        let clock = Self::default();
        clock.wall.store(wall_nanos, Ordering::Relaxed);
        clock
    }

    /// Moves both times forward.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # use std::time::Duration;
    /// let clock = VirtualClock::at(1_000);
    /// let same = clock.clone();
    /// clock.advance(Duration::from_micros(5));
    /// assert_eq!((same.wall_nanos(), same.monotonic_nanos()), (6_000, 5_000));
    /// ```
    pub fn advance(&self, by: Duration) {
        self.wall.fetch_add(nanos(by), Ordering::Relaxed);
        self.monotonic.fetch_add(nanos(by), Ordering::Relaxed);
    }
}

impl Clock for VirtualClock {
    fn wall_nanos(&self) -> u64 {
        self.wall.load(Ordering::Relaxed)
    }

    fn monotonic_nanos(&self) -> u64 {
        self.monotonic.load(Ordering::Relaxed)
    }
}

/// The random source has no bytes; the guest's call fails with `EIO`.
///
/// ```
/// use gatepost_host::{RandomSource, RandomUnavailable};
///
/// /// A source without bytes.
/// struct Empty;
///
/// impl RandomSource for Empty {
///     fn fill(&mut self, _: &mut [u8]) -> Result<(), RandomUnavailable> {
///         Err(RandomUnavailable)
///     }
/// }
/// assert_eq!(Empty.fill(&mut [0]).unwrap_err().to_string(), "the random source is unavailable");
/// ```
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the random source is unavailable")]
pub struct RandomUnavailable;

/// A source of random bytes.
///
/// ```
/// use gatepost_host::{RandomSource, RandomUnavailable, VmOptions};
///
/// /// All zeros.
/// struct Zeros;
///
/// impl RandomSource for Zeros {
///     fn fill(&mut self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
///         buffer.fill(0);
///         Ok(())
///     }
/// }
///
/// let options = VmOptions { random: Some(Box::new(Zeros)), ..VmOptions::default() };
/// # use gatepost_host_fixtures::*;
/// # let module = module("random");
/// # let (host, log) = host_with_log();
/// # let mut vm = Vm::new(&module, host, options)?;
/// # let plugin = vm.start_plugin(PluginConfig::default())?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = request();
/// let _ = vm.request_headers(stream, &mut headers, true)?;
/// assert_eq!(log.messages(), ["aaaaaaaa"]); // this guest logs a random word
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait RandomSource: Send {
    /// Fills the whole buffer.
    ///
    /// # Errors
    /// If the source has no bytes.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), RandomUnavailable>;
}

/// The operating system's random source.
///
/// ```
/// use gatepost_host::{RandomSource, SystemRandom};
///
/// let mut bytes = [0; 32];
/// SystemRandom.fill(&mut bytes)?;
/// assert_ne!(bytes, [0; 32]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl RandomSource for SystemRandom {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
        getrandom::fill(buffer).map_err(|_| RandomUnavailable)
    }
}

/// A source that gives the same bytes for the same seed. For tests, never for secrets.
///
/// ```
/// use std::sync::Arc;
/// use gatepost_host::{Host, MemoryLog, SeededRandom, Vm, VmOptions};
/// # use gatepost_host_fixtures::*;
/// # let module = module("random");
///
/// // This guest logs a random word. Two VMs with one seed log the same one.
/// let log = MemoryLog::default();
/// for _ in 0..2 {
///     let host = Host { log: Arc::new(log.clone()), ..Host::default() };
///     let random = Some(Box::new(SeededRandom::new(7)) as _);
///     let options = VmOptions { random, ..VmOptions::default() };
///     let mut vm = Vm::new(&module, host, options)?;
///     # let plugin = vm.start_plugin(PluginConfig::default())?;
///     # let stream = vm.stream(plugin, StreamInfo::default())?;
///     let _ = vm.request_headers(stream, &mut Headers::request([(":path", "/")]), true)?;
/// }
/// assert_eq!(log.messages()[0], log.messages()[1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SeededRandom(fastrand::Rng);

impl SeededRandom {
    /// A source with this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }
}

impl RandomSource for SeededRandom {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
        self.0.fill(buffer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_clock_moves_only_when_it_is_advanced() {
        let clock = VirtualClock::at(7);
        assert_eq!((clock.wall_nanos(), clock.monotonic_nanos()), (7, 0));
        clock.clone().advance(Duration::from_nanos(5));
        assert_eq!((clock.wall_nanos(), clock.monotonic_nanos()), (12, 5));
    }

    #[test]
    fn one_seed_gives_one_sequence() {
        let (mut a, mut b) = ([0; 16], [0; 16]);
        SeededRandom::new(3).fill(&mut a).unwrap();
        SeededRandom::new(3).fill(&mut b).unwrap();
        assert_eq!(a, b);
        assert_ne!(a, [0; 16]);
    }
}
