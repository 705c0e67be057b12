//! What Gatepost must reach in Envoy, and whether a run reached it.

use super::Figure;
use super::arm::{Arm, Selection};
use super::module::ModuleFigures;
use super::plan::{LARGEST, MANY_ENVIRONMENTS, SMALL};
use super::policy::Shape;
use super::workload::{WORKLOADS, Workload};
use crate::goals::Goal;

/// Arms, and their controls.
pub const CONTROLS: [(&str, &str); 2] =
    [("no filter", "no filter, again (A/A)"), ("Gatepost", "Gatepost, again (A/A)")];

/// What a filter may cost, as a multiple of what the naive one costs.
const OF_NAIVE: f64 = 0.6;
/// What a large policy may cost, as a multiple of what a small one costs.
const OF_SMALL: f64 = 1.1;
/// The throughput at the most environments, as a multiple of that of linear routes.
const OF_LINEAR: f64 = 20.0;

/// Lua's cost, times this.
fn of_lua(workload: Workload) -> f64 {
    match workload {
        Workload::Probe | Workload::Reject => 1.3,
        _ => 1.0,
    }
}

/// The empty module's cost, times this.
fn of_empty(workload: Workload) -> f64 {
    if workload == Workload::PassThrough { 2.2 } else { 3.0 }
}

/// Every goal that a run has a figure for.
#[must_use]
pub fn goals(figures: &[Figure], module: Option<&ModuleFigures>) -> Vec<Goal> {
    let added = |arm: &Arm, workload: Workload, size: usize| {
        find(figures, arm, workload, size).map(|figure| figure.added)
    };
    let gatepost = Arm::gatepost();
    let mut goals = Vec::new();
    for workload in WORKLOADS {
        let Some(cost) = added(&gatepost, workload, small(workload)) else { continue };
        for (other, most) in [
            (Arm::lua(), of_lua(workload)),
            (Arm::empty(), of_empty(workload)),
            (Arm::naive(), OF_NAIVE),
        ] {
            if let Some(others) = added(&other, workload, small(workload)) {
                goals.push(at_most(
                    format!("{}: CPU added, to that of {}", workload.name(), other.name),
                    cost / others,
                    most,
                ));
            }
        }
    }
    let many = [
        (Workload::MappedHost, LARGEST.mappings, "mappings"),
        (Workload::Environment, MANY_ENVIRONMENTS, "environments"),
    ];
    for (workload, size, of) in many {
        if let (Some(large), Some(few)) =
            (added(&gatepost, workload, size), added(&gatepost, workload, small(workload)))
        {
            let what = format!("CPU added with {size} {of}, to that with {}", small(workload));
            goals.push(at_most(what, large / few, OF_SMALL));
        }
    }
    let linear = [
        (Workload::Environment, "each in turn"),
        (Workload::LastEnvironment, "the last one"),
        (Workload::LastEnvironmentByCurl, "the last one by curl"),
    ];
    for (workload, which) in linear {
        let throughput = |arm: &Arm| {
            find(figures, arm, workload, MANY_ENVIRONMENTS).map(|figure| figure.per_second.median)
        };
        if let (Some(ours), Some(linear)) =
            (throughput(&gatepost), throughput(&Arm::native(Selection::Linear)))
        {
            goals.push(Goal {
                what: format!("requests/s with {MANY_ENVIRONMENTS} environments, {which}, to those of linear routes"),
                goal: format!("at least {OF_LINEAR} x"),
                figure: format!("{:.1} x", ours / linear),
                met: ours / linear >= OF_LINEAR,
            });
        }
    }
    goals.extend(module.into_iter().flat_map(ModuleFigures::goals));
    goals
}

/// The size of the smallest policy, as far as it matters for a workload.
fn small(workload: Workload) -> usize {
    match workload.shape() {
        Shape::Environments => SMALL.environments,
        Shape::Knative => SMALL.mappings,
    }
}

fn find<'a>(
    figures: &'a [Figure],
    arm: &Arm,
    workload: Workload,
    size: usize,
) -> Option<&'a Figure> {
    figures.iter().find(|figure| {
        let has = match workload.shape() {
            Shape::Environments => figure.environments,
            Shape::Knative => figure.mappings,
        };
        figure.arm == arm.name && figure.workload == workload.name() && has == size
    })
}

fn at_most(what: String, ratio: f64, most: f64) -> Goal {
    Goal {
        what,
        goal: format!("at most {most:.1} x"),
        figure: format!("{ratio:.3} x"),
        met: ratio <= most,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rounds::Spread;

    fn figure(arm: &Arm, workload: Workload, size: usize, added: f64, per_second: f64) -> Figure {
        let spread = |value: f64| Spread::of(&[value]);
        Figure {
            workload: workload.name(),
            arm: arm.name.clone(),
            mappings: size,
            environments: size,
            nanoseconds: spread(added + 20e3),
            added,
            per_second: spread(per_second),
            rounds: Vec::new(),
        }
    }

    #[test]
    fn a_ratio_is_that_of_what_the_arms_add() {
        let figures = [
            figure(&Arm::gatepost(), Workload::PassThrough, 3, 4.4e3, 0.0),
            figure(&Arm::empty(), Workload::PassThrough, 3, 2e3, 0.0),
            figure(&Arm::lua(), Workload::PassThrough, 3, 4e3, 0.0),
        ];
        let goals = goals(&figures, None);
        let verdicts: Vec<_> =
            goals.iter().map(|goal| (goal.figure.as_str(), goal.goal.as_str(), goal.met)).collect();
        assert_eq!(
            verdicts,
            [("1.100 x", "at most 1.0 x", false), ("2.200 x", "at most 2.2 x", true)]
        );
    }

    #[test]
    fn many_environments_are_compared_with_few_and_with_linear_routes() {
        let figures = [
            figure(&Arm::gatepost(), Workload::Environment, 10, 5e3, 40e3),
            figure(&Arm::gatepost(), Workload::Environment, 10_000, 6e3, 40e3),
            figure(&Arm::native(Selection::Linear), Workload::Environment, 10_000, 500e3, 2e3),
        ];
        let goals = goals(&figures, None);
        let verdicts: Vec<_> = goals.iter().map(|goal| (goal.figure.as_str(), goal.met)).collect();
        assert_eq!(verdicts, [("1.200 x", false), ("20.0 x", true)]);
    }

    #[test]
    fn what_was_not_measured_is_not_judged() {
        assert_eq!(goals(&[figure(&Arm::gatepost(), Workload::Probe, 3, 1.0, 1.0)], None), []);
    }
}
