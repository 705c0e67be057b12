//! The explanation of a decision, rule by rule. The engine reports each step to a [`Trace`] while
//! it decides, so an explanation is made by the code that decides. The filter uses [`NoTrace`], for
//! which no steps are built.

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
        /// What the source held.
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

/// What an environment source held in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum SourceFinding {
    /// No value, or an empty one: the next source is tried.
    Absent,
    /// A value that names an environment.
    Allowed(String),
    /// A value that names none. Bytes that are not valid UTF-8 are replaced.
    Unknown(String),
    /// Two different values.
    Conflict,
    /// A cookie whose value does not count, because the query forgets it: `?env=`.
    Forgotten,
}

/// Why a request has the environment that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum EnvironmentReason {
    /// The request named it.
    Selected,
    /// No source gave a value, and there is a default.
    Default,
    /// No source gave a value, and the request is a CORS preflight.
    Preflight,
    /// No source gave a value, and there is no default.
    NoValue,
    /// The value is unknown, and the policy says `unknown: default`.
    UnknownDefault,
    /// The value is unknown, and the policy says `unknown: ignore`.
    UnknownIgnored,
    /// The value is unknown, and the policy says `unknown: reject`.
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

/// Receives the steps of a decision.
pub trait Trace {
    /// Whether the steps are used. If not, steps that do not affect the decision are left out.
    const LISTENS: bool = true;

    /// Receives one step, which `step` builds.
    fn step(&mut self, step: impl FnOnce() -> Step);
}

/// A trace that takes no steps: they are not even built.
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
