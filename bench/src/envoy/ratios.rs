//! How Gatepost's times compare with those of the other arms. Nothing is decided by them: they
//! depend on what else the machine does. What Gatepost must reach is [counted](crate::counted).

use serde::Serialize;

use super::Figure;
use super::arm::{Arm, Selection};
use super::plan::{LARGEST, MANY_ENVIRONMENTS, SMALL};
use super::policy::Shape;
use super::workload::{WORKLOADS, Workload};
use crate::report::table;

/// One figure of Gatepost's as a multiple of another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// What is compared.
    pub what: String,
    /// The multiple.
    pub ratio: f64,
}

/// Every ratio that a run has the figures for.
#[must_use]
pub fn ratios(figures: &[Figure]) -> Vec<Ratio> {
    let mut ratios = to_others(figures);
    ratios.extend(to_small_policies(figures));
    ratios.extend(to_linear_routes(figures));
    ratios
}

/// What Gatepost adds to a request at the smallest policies, to what other arms add.
fn to_others(figures: &[Figure]) -> Vec<Ratio> {
    let mut ratios = Vec::new();
    for workload in WORKLOADS {
        let added = |arm: &Arm| added(figures, arm, workload, small(workload));
        let Some(cost) = added(&Arm::gatepost()) else { continue };
        for other in [Arm::lua(), Arm::native(), Arm::empty(), Arm::careful(), Arm::naive()] {
            if let Some(others) = added(&other) {
                let what = format!("{}: CPU added, to that of {}", workload.name(), other.name);
                ratios.push(Ratio { what, ratio: cost / others });
            }
        }
    }
    ratios
}

/// What Gatepost adds with large policies, to what it adds with the smallest.
fn to_small_policies(figures: &[Figure]) -> Vec<Ratio> {
    let many = [
        (Workload::MappedHost, LARGEST.mappings, "mappings"),
        (Workload::Environment, MANY_ENVIRONMENTS, "environments"),
    ];
    let mut ratios = Vec::new();
    for (workload, size, of) in many {
        let added = |size: usize| added(figures, &Arm::gatepost(), workload, size);
        let few = small(workload);
        if let (Some(large), Some(small)) = (added(size), added(few)) {
            let what = format!("CPU added with {size} {of}, to that with {few}");
            ratios.push(Ratio { what, ratio: large / small });
        }
    }
    ratios
}

/// Gatepost's throughput at the most environments, to that of routes that are tried in order.
fn to_linear_routes(figures: &[Figure]) -> Vec<Ratio> {
    let linear = [
        (Workload::Environment, "each in turn"),
        (Workload::LastEnvironment, "the last one"),
        (Workload::LastEnvironmentByCurl, "the last one by curl"),
    ];
    let mut ratios = Vec::new();
    for (workload, which) in linear {
        let per_second = |arm: &Arm| {
            find(figures, arm, workload, MANY_ENVIRONMENTS).map(|figure| figure.per_second.median)
        };
        if let (Some(ours), Some(theirs)) =
            (per_second(&Arm::gatepost()), per_second(&Arm::routes(Selection::Linear)))
        {
            let what = format!(
                "requests/s with {MANY_ENVIRONMENTS} environments, {which}, \
                 to those of linear routes"
            );
            ratios.push(Ratio { what, ratio: ours / theirs });
        }
    }
    ratios
}

/// The size of the smallest policy, as far as it matters for a workload.
fn small(workload: Workload) -> usize {
    match workload.shape() {
        Shape::Environments => SMALL.environments,
        Shape::Knative => SMALL.mappings,
    }
}

fn added(figures: &[Figure], arm: &Arm, workload: Workload, size: usize) -> Option<f64> {
    find(figures, arm, workload, size).map(|figure| figure.added)
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

/// The ratios for people.
pub(super) fn text(ratios: &[Ratio]) -> String {
    let header = ["Gatepost's", "ratio"].map(str::to_owned).to_vec();
    let row = |Ratio { what, ratio }: &Ratio| vec![what.clone(), format!("{ratio:.2} x")];
    table(header, ratios.iter().map(row))
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

    fn values(figures: &[Figure]) -> Vec<f64> {
        ratios(figures).iter().map(|ratio| ratio.ratio).collect()
    }

    #[test]
    fn a_ratio_is_that_of_what_the_arms_add() {
        let figures = [
            figure(&Arm::gatepost(), Workload::PassThrough, 3, 4e3, 0.0),
            figure(&Arm::empty(), Workload::PassThrough, 3, 2e3, 0.0),
            figure(&Arm::lua(), Workload::PassThrough, 3, 5e3, 0.0),
        ];
        assert_eq!(values(&figures), [0.8, 2.0]);
    }

    #[test]
    fn many_environments_are_compared_with_few_and_with_linear_routes() {
        let figures = [
            figure(&Arm::gatepost(), Workload::Environment, 10, 5e3, 40e3),
            figure(&Arm::gatepost(), Workload::Environment, 10_000, 6e3, 40e3),
            figure(&Arm::routes(Selection::Linear), Workload::Environment, 10_000, 500e3, 2e3),
        ];
        assert_eq!(values(&figures), [1.2, 20.0]);
    }

    #[test]
    fn what_was_not_measured_is_not_compared() {
        assert!(ratios(&[figure(&Arm::gatepost(), Workload::Probe, 3, 1.0, 1.0)]).is_empty());
    }
}
