//! What Gatepost must reach, as cycles that it adds to a request in the model, to those that Lua
//! adds.

use super::Figure;
use super::case::Case;
use crate::envoy::arm::Arm;
use crate::goal::Goal;

/// At most this multiple of what Lua adds.
const GOALS: [(Case, f64); 5] = [
    (Case::Probe, 1.10),
    (Case::PassThrough, 0.90),
    (Case::MappedHost, 1.05),
    (Case::Environment, 1.10),
    (Case::Reject, 1.10),
];

/// Every goal that a run has the counts for.
#[must_use]
pub fn goals(figures: &[Figure]) -> Vec<Goal> {
    let cycles = |case: Case, arm: &Arm| {
        let same = |figure: &&Figure| figure.workload == case.name() && figure.arm == arm.name;
        figures.iter().find(same).map(|figure| figure.counts.cycles())
    };
    let judge = |(case, most): (Case, f64)| {
        let nothing = cycles(case, &Arm::nothing())?;
        let added = |arm: &Arm| Some(cycles(case, arm)? - nothing);
        let ratio = added(&Arm::gatepost())? / added(&Arm::lua())?;
        Some(Goal {
            what: format!("{}: cycles added, to those of Lua", case.name()),
            goal: format!("at most {most:.2} x"),
            figure: format!("{ratio:.3} x"),
            met: ratio <= most,
        })
    };
    GOALS.into_iter().filter_map(judge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counted::counts::Counts;

    fn figure(arm: &Arm, cycles: f64) -> Figure {
        let counts = Counts { instructions: 4.0 * cycles, ..Counts::default() };
        Figure { workload: Case::PassThrough.name(), arm: arm.name.clone(), counts }
    }

    #[test]
    fn a_goal_compares_what_is_added_to_a_request() {
        let verdict = |gatepost: f64| {
            let figures = [
                figure(&Arm::nothing(), 1000.0),
                figure(&Arm::gatepost(), gatepost),
                figure(&Arm::lua(), 2000.0),
            ];
            goals(&figures).iter().map(|goal| (goal.figure.clone(), goal.met)).collect::<Vec<_>>()
        };
        assert_eq!(verdict(1900.0), [("0.900 x".to_owned(), true)]);
        assert_eq!(verdict(1901.0), [("0.901 x".to_owned(), false)]);
    }

    #[test]
    fn what_was_not_counted_is_not_judged() {
        assert_eq!(goals(&[figure(&Arm::gatepost(), 1.0)]), []);
    }
}
