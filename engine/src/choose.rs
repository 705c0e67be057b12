//! Which environment a request gets: the first source with a value decides, and the policy says what an unknown value means.

use crate::decision::{Counter, Counters, Refusal};
use crate::environment::{Environments, Fallback, Listed, Name, Unknown};
use crate::host::Host;
use crate::labels::Labels;
use crate::request::{Claim, Headers, Survey};
use crate::source::Named;
use crate::trace::{EnvironmentReason, Finding, Step, Trace};
use alloc::borrow::ToOwned;
use alloc::string::String;

/// The environment of a request.
#[derive(Debug, Default)]
pub(crate) struct Chosen<'a> {
    pub name: Option<Name<'a>>,
    /// The request named it; it is no default.
    pub named: bool,
    /// What a subdomain source left of the host.
    pub shortened: Option<String>,
}

impl<'a> Chosen<'a> {
    /// The environment, if the policy lists it.
    pub fn listed(&self) -> Option<Listed<'a>> {
        match &self.name {
            Some(Name::Listed(listed)) => Some(*listed),
            Some(Name::Free(_)) | None => None,
        }
    }

    pub fn name(&self) -> Option<&str> {
        self.name.as_ref().map(Name::as_str)
    }
}

/// Asks the sources in order; the first that has a value decides.
#[inline(never)]
pub(crate) fn choose<'a>(
    environments: &'a Environments,
    survey: &Survey<'a>,
    headers: &impl Headers<'a>,
    host: Option<Host<'_>>,
    counters: &mut Counters,
    trace: &mut impl Trace,
) -> Result<Chosen<'a>, Refusal> {
    let default = || environments.default.as_ref().map(Fallback::listed);
    for (number, source) in environments.sources.iter().enumerate() {
        let Named { claim, label } = source.value(number, survey, headers, host);
        let found = match claim {
            Claim::One(value) => environments.names.resolve(value),
            Claim::Absent | Claim::Conflict => None,
        };
        trace.step(|| Step::EnvironmentSource {
            source: source.describe(),
            finding: match (claim, &found) {
                (Claim::Absent, _) => Finding::Absent,
                (Claim::Conflict, _) => Finding::Conflict,
                (Claim::One(_), Some(name)) => Finding::Allowed(name.as_str().to_owned()),
                (Claim::One(value), None) => Finding::Unknown(String::from_utf8_lossy(value).into_owned()),
            },
        });
        if claim == Claim::Absent {
            continue;
        }
        let shortened = || label.zip(host).map(|(label, host)| Labels::of(host.text()).without(label));
        let (chosen, counter, reason) = match (found, environments.unknown) {
            (Some(name), _) => (
                Chosen { name: Some(name), named: true, shortened: shortened() },
                Counter::EnvironmentSelected,
                EnvironmentReason::Selected,
            ),
            // The default serves the host that the label stood in front of; an ignored value leaves the host alone.
            (None, Unknown::Default) => (
                Chosen { name: default(), named: false, shortened: shortened() },
                Counter::EnvironmentUnknown,
                EnvironmentReason::UnknownDefault,
            ),
            (None, Unknown::Ignore) => (Chosen::default(), Counter::EnvironmentUnknown, EnvironmentReason::UnknownIgnored),
            (None, Unknown::Reject) => (Chosen::default(), Counter::EnvironmentRejected, EnvironmentReason::UnknownRejected),
        };
        counters.environment = Some(counter);
        explain(trace, chosen.name(), reason);
        return match reason {
            EnvironmentReason::UnknownRejected => Err(Refusal::EnvironmentUnknown),
            _ => Ok(chosen),
        };
    }
    let chosen = Chosen { name: default(), named: false, shortened: None };
    let reason = if chosen.name.is_some() { EnvironmentReason::Default } else { EnvironmentReason::NoValue };
    counters.environment = chosen.name.as_ref().map(|_| Counter::EnvironmentDefault);
    explain(trace, chosen.name(), reason);
    Ok(chosen)
}

fn explain(trace: &mut impl Trace, name: Option<&str>, reason: EnvironmentReason) {
    trace.step(|| Step::Environment { name: name.map(str::to_owned), reason });
}
