//! Counts of instructions and cache misses, and the model that turns them into cycles.

use std::ops::{Add, Sub};

use serde::Serialize;

/// Cycles of an instruction that misses no cache: four are executed in one cycle.
const OF_AN_INSTRUCTION: f64 = 0.25;
/// Cycles that a line takes from the second level.
const OF_AN_L1_MISS: f64 = 14.0;
/// Cycles that it takes in addition from behind the second level.
const OF_AN_LL_MISS: f64 = 50.0;

/// A simulated cache, with lines of [`LINE`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cache {
    /// Valgrind's name: `I1` and `D1` are the first level's for instructions and data, `LL` is the
    /// last level's for both.
    pub name: &'static str,
    /// Its size in KiB.
    pub kib: usize,
    /// Its associativity: lines that may hold the same address.
    pub ways: usize,
}

/// Bytes of a cache line.
pub const LINE: usize = 64;

/// The caches that are simulated on every machine: those of a core of a current server. Its second
/// level is simulated as the last level.
pub const CACHES: [Cache; 3] = [
    Cache { name: "I1", kib: 32, ways: 8 },
    Cache { name: "D1", kib: 32, ways: 8 },
    Cache { name: "LL", kib: 1024, ways: 8 },
];

impl Cache {
    /// Valgrind's option for this cache: bytes, ways and bytes of a line.
    #[must_use]
    pub fn option(&self) -> String {
        format!("--{}={},{},{LINE}", self.name, self.kib << 10, self.ways)
    }
}

/// Counts of one request, or the difference of two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Instructions.
    pub instructions: f64,
    /// Instruction fetches that missed the first level.
    pub l1i_misses: f64,
    /// Reads and writes that missed the first level.
    pub l1d_misses: f64,
    /// Those of both that missed the last level, too.
    pub ll_misses: f64,
}

impl Counts {
    /// The cycles that the model gives for them.
    #[must_use]
    pub fn cycles(&self) -> f64 {
        OF_AN_INSTRUCTION * self.instructions
            + OF_AN_L1_MISS * (self.l1i_misses + self.l1d_misses)
            + OF_AN_LL_MISS * self.ll_misses
    }

    /// The counts of one, where these are of `number` requests or processes.
    #[must_use]
    pub fn each(&self, number: usize) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^52")]
        let number = number as f64;
        let Self { instructions, l1i_misses, l1d_misses, ll_misses } = *self;
        Self {
            instructions: instructions / number,
            l1i_misses: l1i_misses / number,
            l1d_misses: l1d_misses / number,
            ll_misses: ll_misses / number,
        }
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            instructions: self.instructions + more.instructions,
            l1i_misses: self.l1i_misses + more.l1i_misses,
            l1d_misses: self.l1d_misses + more.l1d_misses,
            ll_misses: self.ll_misses + more.ll_misses,
        }
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, less: Self) -> Self {
        Self {
            instructions: self.instructions - less.instructions,
            l1i_misses: self.l1i_misses - less.l1i_misses,
            l1d_misses: self.l1d_misses - less.l1d_misses,
            ll_misses: self.ll_misses - less.ll_misses,
        }
    }
}

/// The model as text.
#[must_use]
pub fn model() -> String {
    format!(
        "cycles = {OF_AN_INSTRUCTION} x instructions + {OF_AN_L1_MISS} x L1 misses + \
         {OF_AN_LL_MISS} x LL misses"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTS: Counts =
        Counts { instructions: 4000.0, l1i_misses: 30.0, l1d_misses: 20.0, ll_misses: 2.0 };

    #[test]
    fn valgrind_gets_sizes_in_bytes() {
        let options = CACHES.map(|cache| cache.option());
        assert_eq!(options, ["--I1=32768,8,64", "--D1=32768,8,64", "--LL=1048576,8,64"]);
    }

    #[test]
    fn a_miss_of_the_last_level_is_one_of_the_first_and_more() {
        assert_eq!(COUNTS.cycles(), 1000.0 + 700.0 + 100.0);
        assert_eq!(model(), "cycles = 0.25 x instructions + 14 x L1 misses + 50 x LL misses");
    }

    #[test]
    fn what_an_arm_adds_costs_what_it_costs_less_what_it_adds_to() {
        let half = COUNTS.each(2);
        assert_eq!(
            half,
            Counts { instructions: 2000.0, l1i_misses: 15.0, l1d_misses: 10.0, ll_misses: 1.0 }
        );
        assert_eq!((COUNTS - half).cycles(), COUNTS.cycles() - half.cycles());
        assert_eq!(half + half, COUNTS);
    }
}
