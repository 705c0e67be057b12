//! The clocks of one guest. A guest cannot make the host wait: a sleep ends at once, and the
//! guest's own clocks move forward by that time.

use crate::clock::Clock;

/// How far a guest's clocks are ahead of the host's.
///
/// The monotonic clock, whose start has no meaning, stays ahead, so that every duration is right.
/// The wall clock must not stay wrong: it stands still until the host's clock has caught up.
pub(crate) struct GuestClock {
    monotonic_ahead: u64,
    wall_at_least: u64,
}

/// A guest may sleep 146 years in all. Beyond that, a runtime's signed nanoseconds would overflow.
const LONGEST_SLEEP: u64 = 1 << 62;

impl GuestClock {
    /// The monotonic clock of a guest is 1 where the host's is 0: Go takes 0 for a broken clock,
    /// and stops.
    pub(crate) fn new(clock: &dyn Clock) -> Self {
        Self { monotonic_ahead: u64::from(clock.monotonic_nanos() == 0), wall_at_least: 0 }
    }

    pub(crate) fn wall(&self, clock: &dyn Clock) -> u64 {
        clock.wall_nanos().max(self.wall_at_least)
    }

    pub(crate) fn monotonic(&self, clock: &dyn Clock) -> u64 {
        clock.monotonic_nanos().saturating_add(self.monotonic_ahead)
    }

    /// Moves both clocks forward. False, and no change, beyond the longest sleep.
    pub(crate) fn sleep(&mut self, clock: &dyn Clock, nanos: u64) -> bool {
        let ahead = self.monotonic_ahead.saturating_add(nanos);
        let wall = self.wall(clock).saturating_add(nanos);
        if ahead > LONGEST_SLEEP || wall > i64::MAX.cast_unsigned() {
            return false;
        }
        self.monotonic_ahead = ahead;
        if nanos > 0 {
            self.wall_at_least = wall;
        }
        true
    }
}
