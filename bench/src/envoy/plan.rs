//! What a run measures: which arms at which sizes, each with which workloads.

use super::arm::{Arm, Selection};
use super::hostcalls;
use super::policy::{SHAPES, Shape, Size};
use super::workload::{WORKLOADS, Workload};

/// A part of the benchmark in Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// The balancer's probe.
    Probe,
    /// A browser's request that passes.
    PassThrough,
    /// A mapped host, among three mappings.
    MappedHost,
    /// A mapped host that redirects.
    Redirect,
    /// An environment, among ten.
    Environment,
    /// A refused host.
    Reject,
    /// A mapped host among 3 to 100,000 mappings.
    Mappings,
    /// An environment among 10 to 10,000.
    Environments,
    /// The module's size and memory, and how long it takes to accept a policy.
    Module,
    /// What single hostcalls cost. Only measured when it is named.
    Hostcalls,
}

/// One Envoy of a run.
#[derive(Clone, Debug)]
pub struct Stage {
    /// What its policies hold.
    pub size: Size,
    /// Its arms. The first is no filter.
    pub arms: Vec<Arm>,
    /// What is sent to each.
    pub workloads: Vec<Workload>,
}

impl Stage {
    /// The policies of its workloads.
    #[must_use]
    pub fn shapes(&self) -> Vec<Shape> {
        SHAPES
            .into_iter()
            .filter(|shape| self.workloads.iter().any(|workload| workload.shape() == *shape))
            .collect()
    }
}

/// The smallest size, at which every arm runs.
pub const SMALL: Size = Size { mappings: 3, environments: 10 };
/// The largest number of environments.
pub const MANY_ENVIRONMENTS: usize = 10_000;
/// Larger sizes, with those arms that should cost the same at each, and the routes that do not.
const LARGER: [Size; 2] = [
    Size { mappings: 1000, environments: 1000 },
    Size { mappings: 10_000, environments: MANY_ENVIRONMENTS },
];
/// The largest number of mappings.
pub const LARGEST: Size = Size { mappings: 100_000, environments: 10 };

/// The parts that are one workload at the smallest size.
const SMALL_PARTS: [Part; 6] = [
    Part::Probe,
    Part::PassThrough,
    Part::MappedHost,
    Part::Redirect,
    Part::Environment,
    Part::Reject,
];

/// The Envoys of a run. `filters` are measured beside Gatepost.
#[must_use]
pub fn stages(wanted: impl Fn(Part) -> bool, filters: &[Arm]) -> Vec<Stage> {
    let small: Vec<Workload> = SMALL_PARTS
        .into_iter()
        .zip(WORKLOADS)
        .filter_map(|(part, workload)| wanted(part).then_some(workload))
        .collect();
    let growing: Vec<Workload> = [
        (Part::Mappings, Workload::MappedHost),
        (Part::Environments, Workload::Environment),
        (Part::Environments, Workload::LastEnvironment),
        (Part::Environments, Workload::LastEnvironmentByCurl),
    ]
    .into_iter()
    .filter_map(|(part, workload)| wanted(part).then_some(workload))
    .collect();
    let with = |others: &[Arm]| -> Vec<Arm> {
        let always = [Arm::nothing(), Arm::gatepost()].into_iter();
        always.chain(filters.iter().cloned()).chain(others.iter().cloned()).collect()
    };
    let mut stages = Vec::new();
    // The larger sizes are compared with the smallest.
    let all = WORKLOADS
        .into_iter()
        .filter(|workload| small.contains(workload) || growing.contains(workload))
        .collect();
    stages.push(Stage {
        size: SMALL,
        arms: with(&[
            Arm::native(),
            Arm::empty(),
            Arm::careful(),
            Arm::naive(),
            Arm::lua(),
            Arm::routes(Selection::Linear),
            Arm::routes(Selection::Hash),
            Arm::gatepost_again(),
            Arm::nothing_again(),
        ]),
        workloads: all,
    });
    for size in LARGER {
        let arms =
            with(&[Arm::lua(), Arm::routes(Selection::Linear), Arm::routes(Selection::Hash)]);
        stages.push(Stage { size, arms, workloads: growing.clone() });
    }
    if growing.contains(&Workload::MappedHost) {
        let arms = with(&[Arm::lua(), Arm::routes(Selection::Hash)]);
        stages.push(Stage { size: LARGEST, arms, workloads: vec![Workload::MappedHost] });
    }
    if wanted(Part::Hostcalls) {
        let mut arms = vec![Arm::nothing()];
        arms.extend(hostcalls::arms());
        arms.push(Arm::nothing_again());
        stages.push(Stage { size: SMALL, arms, workloads: vec![Workload::PassThrough] });
    }
    stages.retain(|stage| !stage.workloads.is_empty());
    stages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_four_envoys() {
        let stages = stages(|part| part != Part::Hostcalls, &[]);
        let sizes: Vec<usize> = stages.iter().map(|stage| stage.size.mappings).collect();
        assert_eq!(sizes, [3, 1000, 10_000, 100_000]);
        assert!(stages.iter().all(|stage| stage.arms.first() == Some(&Arm::nothing())));
    }

    #[test]
    fn one_workload_is_one_envoy_and_another_filter_runs_in_it() {
        let other = Arm::filter("other", Vec::new());
        let stages = stages(|part| part == Part::Probe, std::slice::from_ref(&other));
        assert_eq!(stages.len(), 1);
        assert_eq!(
            (stages[0].workloads.as_slice(), stages[0].shapes().as_slice()),
            ([Workload::Probe].as_slice(), [Shape::Knative].as_slice())
        );
        assert!(stages[0].arms.contains(&other));
    }

    #[test]
    fn no_two_arms_share_a_listener() {
        for stage in stages(|_| true, &[]) {
            let mut names: Vec<String> =
                stage.arms.iter().map(|arm| arm.listener(Shape::Knative)).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), stage.arms.len());
        }
    }
}
