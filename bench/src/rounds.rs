//! The method: every arm runs once in each round, a later arm is first in each next round, and the
//! median of an arm's rounds counts.

use serde::Serialize;

use crate::error::BenchError;

/// The fewest rounds that a median is taken of.
pub const LEAST: usize = 11;

/// One of the things that are compared. It was warmed up before.
pub struct Arm<'a> {
    /// What the report calls it.
    pub name: &'static str,
    /// Runs it for one round and gives what one unit cost, in nanoseconds.
    pub run: Box<dyn FnMut() -> Result<f64, BenchError> + 'a>,
}

/// The rounds of one arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The arm.
    pub arm: &'static str,
    /// Nanoseconds for one unit: the median.
    pub nanoseconds: f64,
    /// The quickest round.
    pub least: f64,
    /// The slowest round.
    pub most: f64,
    /// Every round, in order.
    pub rounds: Vec<f64>,
}

impl Figure {
    /// Units in a second, by the median.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        1e9 / self.nanoseconds
    }

    fn of(arm: &'static str, rounds: Vec<f64>) -> Self {
        let Spread { median, least, most } = Spread::of(&rounds);
        Self { arm, nanoseconds: median, least, most, rounds }
    }
}

/// The median of some rounds and their range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    /// The spread of some rounds; NaN where there are none.
    #[must_use]
    pub fn of(rounds: &[f64]) -> Self {
        let mut sorted = rounds.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let last = sorted.len().saturating_sub(1);
        Self {
            median: f64::midpoint(at(last / 2), at(last.div_ceil(2))),
            least: at(0),
            most: at(last),
        }
    }
}

/// Removes from each round how slow the machine was in it: all times of a round are multiplied by
/// one factor, which makes their geometric mean that of the median round. The ratios within a round
/// stay. Every arm has the same number of rounds.
#[must_use]
pub fn evened(arms: &[Vec<f64>]) -> Vec<Vec<f64>> {
    #[allow(clippy::cast_precision_loss, reason = "there are a few arms")]
    let count = arms.len().max(1) as f64;
    let rounds = arms.first().map_or(0, Vec::len);
    let mean = |round: usize| {
        arms.iter().filter_map(|arm| arm.get(round)).map(|taken| taken.ln()).sum::<f64>() / count
    };
    let means: Vec<f64> = (0..rounds).map(mean).collect();
    let middle = Spread::of(&means).median;
    let even = |arm: &Vec<f64>| {
        arm.iter().zip(&means).map(|(taken, mean)| taken * (middle - mean).exp()).collect()
    };
    arms.iter().map(even).collect()
}

/// Runs the arms interleaved.
///
/// # Errors
/// The first error of an arm.
pub fn interleave(rounds: usize, arms: &mut [Arm<'_>]) -> Result<Vec<Figure>, BenchError> {
    let taken = in_turn(rounds, arms, |_, arm| (arm.run)())?;
    Ok(arms.iter().zip(taken).map(|(arm, taken)| Figure::of(arm.name, taken)).collect())
}

/// Runs each of `arms` once in each round, and gives the rounds of each. `run` gets the number of
/// the round, from 0.
///
/// # Errors
/// The first error.
pub fn in_turn<A, T, E>(
    rounds: usize,
    arms: &mut [A],
    mut run: impl FnMut(usize, &mut A) -> Result<T, E>,
) -> Result<Vec<Vec<T>>, E> {
    let mut taken: Vec<Vec<T>> = arms.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..rounds {
        for step in 0..arms.len() {
            let turn = (round + step) % arms.len();
            if let (Some(arm), Some(taken)) = (arms.get_mut(turn), taken.get_mut(turn)) {
                taken.push(run(round, arm)?);
            }
        }
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn every_arm_runs_once_a_round_and_none_is_always_first() {
        let order = RefCell::new(String::new());
        let mut arms = ["a", "b", "c"].map(|name| Arm {
            name,
            run: Box::new(|| {
                order.borrow_mut().push_str(name);
                Ok(1.0)
            }),
        });
        interleave(3, &mut arms).unwrap();
        drop(arms);
        assert_eq!(order.into_inner(), "abcbcacab");
    }

    #[test]
    fn the_median_of_an_even_number_of_rounds_lies_between_the_middle_two() {
        assert_eq!(Figure::of("arm", vec![4.0, 1.0, 3.0, 100.0]).nanoseconds, 3.5);
        assert_eq!(Figure::of("arm", vec![9.0, 1.0, 3.0]).nanoseconds, 3.0);
    }

    #[test]
    fn a_round_in_which_everything_was_slow_counts_like_the_others() {
        let evened = evened(&[vec![10.0, 20.0, 10.0], vec![30.0, 60.0, 30.0]]);
        let rounded: Vec<Vec<f64>> =
            evened.iter().map(|arm| arm.iter().map(|taken| taken.round()).collect()).collect();
        assert_eq!(rounded, [[10.0; 3], [30.0; 3]]);
    }

    #[test]
    fn how_the_arms_of_a_round_compare_stays() {
        let arms = [vec![10.0, 25.0, 9.0], vec![30.0, 50.0, 40.0]];
        for (round, (one, other)) in evened(&arms)[0].iter().zip(&evened(&arms)[1]).enumerate() {
            assert!((one / other - arms[0][round] / arms[1][round]).abs() < 1e-12);
        }
    }

    #[test]
    fn a_microsecond_each_is_a_million_a_second() {
        assert_eq!(Figure::of("arm", vec![1000.0]).per_second(), 1e6);
    }
}
