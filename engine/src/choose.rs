//! Which environment a request gets: the first source with a value decides, and the policy says
//! what an unknown value means.

use crate::decision::{Counter, Counters, Refusal};
use crate::environment::{Environment, Environments, Fallback, Unknown};
use crate::header::Marks;
use crate::host::Host;
use crate::labels::Labels;
use crate::plain::text;
use crate::request::{Claim, Headers, Survey, is_bare};
use crate::source::Named;
use crate::trace::{EnvironmentReason, Finding, Step, Trace};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// What is known of a request's environment.
#[derive(Debug, Default)]
pub(crate) struct Chosen<'a> {
    pub environment: Option<Environment<'a>>,
    /// The request named it; it is no default.
    pub named: bool,
    /// What a subdomain source left of the host.
    pub shortened: Option<Vec<u8>>,
}

impl Chosen<'_> {
    #[inline]
    pub fn name(&self) -> Option<&[u8]> {
        self.environment.as_ref().map(|environment| &*environment.name)
    }
}

/// Asks the sources in order; the first that has a value decides. `chosen` is filled where it
/// stands: it is large, and would be moved.
#[inline(never)]
pub(crate) fn choose<'a>(
    environments: &'a Environments,
    survey: &Survey<'a>,
    headers: &impl Headers<'a>,
    host: Option<&Host<'_>>,
    chosen: &mut Chosen<'a>,
    counters: &mut Counters,
    trace: &mut impl Trace,
) -> Result<(), Refusal> {
    let default = || environments.default.as_ref().map(Fallback::environment);
    let mut mark = Marks::source(0);
    for source in &environments.sources {
        // Nearly every environment is named by one header, whose value has nothing to be trimmed.
        let Named { claim, label } = match survey.named_by(mark).filter(|value| is_bare(value)) {
            Some(value) => Named { claim: Claim::One(value), label: None },
            None => source.value(mark, survey, headers, host),
        };
        mark = mark.next_source();
        if let Claim::One(value) = claim {
            chosen.environment = environments.names.resolve(value);
        }
        chosen.named = chosen.environment.is_some();
        trace.step(|| Step::EnvironmentSource {
            source: source.describe(),
            finding: match (claim, &chosen.environment) {
                (Claim::Absent, _) => Finding::Absent,
                (Claim::Conflict, _) => Finding::Conflict,
                (Claim::One(_), Some(environment)) => {
                    Finding::Allowed(text(&environment.name).to_owned())
                }
                (Claim::One(value), None) => {
                    Finding::Unknown(String::from_utf8_lossy(value).into_owned())
                }
            },
        });
        if claim == Claim::Absent {
            continue;
        }
        let (counter, reason) = match (chosen.named, environments.unknown) {
            (true, _) => (Counter::EnvironmentSelected, EnvironmentReason::Selected),
            (false, Unknown::Default) => {
                (Counter::EnvironmentUnknown, EnvironmentReason::UnknownDefault)
            }
            (false, Unknown::Ignore) => {
                (Counter::EnvironmentUnknown, EnvironmentReason::UnknownIgnored)
            }
            (false, Unknown::Reject) => {
                (Counter::EnvironmentRejected, EnvironmentReason::UnknownRejected)
            }
        };
        if reason == EnvironmentReason::UnknownDefault {
            chosen.environment = default();
        }
        // The default serves the host that the label stood in front of; an ignored value leaves the
        // host alone.
        if let (
            EnvironmentReason::Selected | EnvironmentReason::UnknownDefault,
            Some(label),
            Some(host),
        ) = (reason, label, host)
        {
            chosen.shortened = Some(Labels::of(host.text()).without(label));
        }
        counters.environment = Some(counter);
        explain(trace, chosen, reason);
        return if reason == EnvironmentReason::UnknownRejected {
            Err(Refusal::EnvironmentUnknown)
        } else {
            Ok(())
        };
    }
    chosen.environment = default();
    let reason = match &chosen.environment {
        Some(_) => {
            counters.environment = Some(Counter::EnvironmentDefault);
            EnvironmentReason::Default
        }
        None => EnvironmentReason::NoValue,
    };
    explain(trace, chosen, reason);
    Ok(())
}

fn explain(trace: &mut impl Trace, chosen: &Chosen<'_>, reason: EnvironmentReason) {
    trace.step(|| Step::Environment {
        name: chosen.name().map(|name| text(name).to_owned()),
        reason,
    });
}
