//! The cases that are counted: each workload at the smallest policies, and two at large policies.

use crate::envoy::arm::Arm;
use crate::envoy::plan::{LARGEST, MANY_ENVIRONMENTS, SMALL};
use crate::envoy::policy::Size;
use crate::envoy::workload::Workload;

/// A workload at a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Case {
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
    /// A mapped host, among 100,000 mappings.
    ManyMappings,
    /// An environment, among 10,000.
    ManyEnvironments,
}

/// All of them, in the order of reports.
pub const CASES: [Case; 8] = [
    Case::Probe,
    Case::PassThrough,
    Case::MappedHost,
    Case::Redirect,
    Case::Environment,
    Case::Reject,
    Case::ManyMappings,
    Case::ManyEnvironments,
];

impl Case {
    /// What is sent.
    #[must_use]
    pub fn workload(self) -> Workload {
        match self {
            Self::Probe => Workload::Probe,
            Self::PassThrough => Workload::PassThrough,
            Self::MappedHost | Self::ManyMappings => Workload::MappedHost,
            Self::Redirect => Workload::Redirect,
            Self::Environment | Self::ManyEnvironments => Workload::Environment,
            Self::Reject => Workload::Reject,
        }
    }

    /// What the policy holds.
    #[must_use]
    pub fn size(self) -> Size {
        match self {
            Self::ManyMappings => Size { mappings: LARGEST.mappings, ..SMALL },
            Self::ManyEnvironments => Size { environments: MANY_ENVIRONMENTS, ..SMALL },
            _ => SMALL,
        }
    }

    /// The case of the same workload at the smallest policy, for a case at a large one.
    #[must_use]
    pub fn small(self) -> Option<Self> {
        match self {
            Self::ManyMappings => Some(Self::MappedHost),
            Self::ManyEnvironments => Some(Self::Environment),
            _ => None,
        }
    }

    /// What reports call it.
    #[must_use]
    pub fn name(self) -> String {
        let name = self.workload().name();
        match self {
            Self::ManyMappings => format!("{name} among {}", LARGEST.mappings),
            Self::ManyEnvironments => format!("{name} among {MANY_ENVIRONMENTS}"),
            _ => name.to_owned(),
        }
    }

    /// Whether an arm is counted with this case. At a large policy only those arms are whose growth
    /// is in question.
    #[must_use]
    pub fn is_for(self, arm: &Arm) -> bool {
        self.small().is_none()
            || ![Arm::empty(), Arm::careful(), Arm::naive(), Arm::native()]
                .iter()
                .any(|other| other.name == arm.name)
    }
}
