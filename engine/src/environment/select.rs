//! Which environment a request gets: the first source with a value decides, and the policy says
//! what an unknown value means.

use super::names::Environment;
use super::source::SourceValue;
use super::{Environments, Unknown};
use crate::counter::{Counter, Counters};
use crate::headers::HeaderScan;
use crate::host::ascii::text;
use crate::host::{Host, Labels};
use crate::reply::Refusal;
use crate::request::Headers;
use crate::trace::{EnvironmentReason, SourceFinding, Step, Trace};

/// The environment that a request gets.
#[derive(Debug, Default)]
pub(crate) struct Selection<'a> {
    pub environment: Option<Environment<'a>>,
    /// The request named it: it is not the default.
    pub is_named: bool,
    /// The host without the label that named the environment, if a subdomain source named it.
    pub shortened: Option<Vec<u8>>,
}

impl Selection<'_> {
    pub fn name(&self) -> Option<&[u8]> {
        self.environment.as_ref().map(|environment| &*environment.name)
    }
}

/// Asks the sources in order; the first that has a value decides.
pub(crate) fn select_environment<'a>(
    environments: &'a Environments,
    scan: &HeaderScan<'a>,
    headers: &impl Headers<'a>,
    host: &Host<'_>,
    counters: &mut Counters,
    trace: &mut impl Trace,
) -> Result<Selection<'a>, Refusal> {
    let mut selection = Selection::default();
    let mut reason = EnvironmentReason::NoValue;
    for source in &environments.sources {
        let (value, label) = source.value(scan, headers, host);
        if let SourceValue::One(value) = value {
            selection.environment = environments.names.resolve(&source.decoded(value));
        }
        selection.is_named = selection.environment.is_some();
        trace.step(|| Step::EnvironmentSource {
            source: source.describe(),
            finding: match (value, selection.name()) {
                (SourceValue::Absent, _) => SourceFinding::Absent,
                (SourceValue::Conflict, _) => SourceFinding::Conflict,
                (SourceValue::One(_), Some(name)) => SourceFinding::Allowed(text(name).to_owned()),
                (SourceValue::One(value), None) => {
                    SourceFinding::Unknown(String::from_utf8_lossy(value).into_owned())
                }
            },
        });
        if value == SourceValue::Absent {
            continue;
        }
        reason = match (selection.is_named, environments.unknown) {
            (true, _) => EnvironmentReason::Selected,
            (false, Unknown::Default) => EnvironmentReason::UnknownDefault,
            (false, Unknown::Ignore) => EnvironmentReason::UnknownIgnored,
            (false, Unknown::Reject) => EnvironmentReason::UnknownRejected,
        };
        // The host is shortened for the default environment, too. When an unknown value is ignored,
        // the host stays as it is.
        if let EnvironmentReason::Selected | EnvironmentReason::UnknownDefault = reason {
            selection.shortened = label.map(|label| Labels::of(host.text).without(label));
        }
        break;
    }
    if let EnvironmentReason::NoValue | EnvironmentReason::UnknownDefault = reason {
        selection.environment = environments.default_environment();
        if reason == EnvironmentReason::NoValue && selection.environment.is_some() {
            reason = EnvironmentReason::Default;
        }
    }
    trace.step(|| Step::Environment {
        name: selection.name().map(|name| text(name).to_owned()),
        reason,
    });
    counters.environment = match reason {
        EnvironmentReason::Selected => Some(Counter::EnvironmentSelected),
        EnvironmentReason::Default => Some(Counter::EnvironmentDefault),
        EnvironmentReason::UnknownDefault | EnvironmentReason::UnknownIgnored => {
            Some(Counter::EnvironmentUnknown)
        }
        EnvironmentReason::UnknownRejected => Some(Counter::EnvironmentRejected),
        EnvironmentReason::NoValue => None,
    };
    if reason == EnvironmentReason::UnknownRejected {
        return Err(Refusal::EnvironmentUnknown);
    }
    Ok(selection)
}
