//! Time and randomness as the guest sees them. The real ones are the default; the virtual clock and the seeded source
//! make a run repeatable.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where a VM reads the time.
pub trait Clock: Send + Sync {
    /// Nanoseconds since the Unix epoch.
    fn wall_nanos(&self) -> u64;
    /// Nanoseconds since some fixed moment; never goes back.
    fn monotonic_nanos(&self) -> u64;
}

/// The machine's clocks.
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

/// A clock that moves only when told to. Clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct VirtualClock {
    wall: Arc<AtomicU64>,
    monotonic: Arc<AtomicU64>,
}

impl VirtualClock {
    /// A clock that stands at this wall time, in nanoseconds since the Unix epoch.
    #[must_use]
    pub fn at(wall_nanos: u64) -> Self {
        let clock = Self::default();
        clock.wall.store(wall_nanos, Ordering::Relaxed);
        clock
    }

    /// Moves both times on.
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

/// The random source had nothing to give; the guest's call fails with `EIO`.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the random source is unavailable")]
pub struct RandomUnavailable;

/// Where a VM reads random bytes.
pub trait RandomSource: Send {
    /// Fills the whole buffer.
    ///
    /// # Errors
    /// When the source has no bytes.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), RandomUnavailable>;
}

/// The operating system's random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl RandomSource for SystemRandom {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
        getrandom::fill(buffer).map_err(|_| RandomUnavailable)
    }
}

/// The same bytes for the same seed. For tests, never for secrets.
#[derive(Clone, Debug)]
pub struct SeededRandom(fastrand::Rng);

impl SeededRandom {
    /// A source whose bytes follow from the seed.
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
    fn a_virtual_clock_moves_only_when_told_to() {
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
