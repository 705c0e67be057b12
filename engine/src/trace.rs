//! How a decision came about, rule by rule. The engine tells each step while it decides, to whoever
//! listens; in the filter nobody does, and the steps cost nothing. So what is explained is what
//! runs.

use crate::health_check::ConditionKind;

/// One step of a decision, in the order in which they are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "step", rename_all = "camelCase", rename_all_fields = "camelCase")
)]
#[non_exhaustive]
pub enum Step {
    /// The authority was parsed and normalised.
    Authority {
        /// The canonical form.
        canonical: Option<String>,
        /// Why there is none.
        invalid: Option<String>,
    },
    /// A health check was compared.
    HealthCheck {
        /// Its name.
        name: String,
        /// The first condition that did not hold; nothing when it matched.
        failed: Option<ConditionKind>,
    },
    /// A source was asked for an environment.
    EnvironmentSource {
        /// Which one: `header env`.
        source: String,
        /// What it said.
        finding: SourceFinding,
    },
    /// What environment the request gets.
    Environment {
        /// Its name.
        name: Option<String>,
        /// Why.
        reason: EnvironmentReason,
    },
    /// The host was compared with the private patterns.
    Private {
        /// The host that was compared.
        host: String,
        /// The pattern that refused it.
        pattern: Option<String>,
    },
    /// The host was looked up among the mappings.
    Mapping {
        /// The host that was looked up.
        host: String,
        /// The most specific pattern that matched.
        pattern: Option<String>,
        /// The authority that it gives; nothing when the mapping does not apply to this request.
        authority: Option<String>,
    },
    /// Where the authority that goes upstream comes from.
    Upstream {
        /// The authority.
        authority: String,
        /// Its origin.
        from: Origin,
    },
}

/// What an environment source said.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum SourceFinding {
    /// Nothing, or an empty value: the next source is asked.
    Absent,
    /// A value that names an environment.
    Allowed(String),
    /// A value that names none, with what is not readable in it replaced.
    Unknown(String),
    /// Two different values.
    Conflict,
}

/// Why a request has the environment that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum EnvironmentReason {
    /// The request named it.
    Selected,
    /// No source gave a value, and there is a default.
    Default,
    /// No source gave a value, and there is no default.
    NoValue,
    /// The value is unknown, and the policy gives the default then.
    UnknownDefault,
    /// The value is unknown, and the policy ignores that.
    UnknownIgnored,
    /// The value is unknown, and the policy refuses that.
    UnknownRejected,
}

/// Where an authority that goes upstream comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum Origin {
    /// The client's own, in canonical form.
    Client,
    /// The authority hint of the environment.
    Environment,
    /// A host mapping.
    Mapping,
}

/// Who listens to the steps of a decision.
pub trait Trace {
    /// Whether anybody listens. If not, steps that cannot matter are left out.
    const LISTENS: bool = true;

    /// A step was taken; `step` builds what there is to say about it.
    fn step(&mut self, step: impl FnOnce() -> Step);
}

/// Nobody: the steps are not even built.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTrace;

impl Trace for NoTrace {
    const LISTENS: bool = false;

    fn step(&mut self, _: impl FnOnce() -> Step) {}
}

impl Trace for Vec<Step> {
    fn step(&mut self, step: impl FnOnce() -> Step) {
        self.push(step());
    }
}
