//! Which environment a request gets: the first source with a value decides, and the policy says
//! what an unknown value means.

use super::names::Environment;
use super::pin::Pin;
use super::source::{SourceValue, cookie, lines};
use super::{Environments, Unknown};
use crate::counter::{Counter, Counters};
use crate::headers::HeaderScan;
use crate::host::ascii::text;
use crate::host::{Host, Labels};
use crate::reply::Refusal;
use crate::request::Headers;
use crate::response::Owed;
use crate::trace::{EnvironmentReason, SourceFinding, Step, Trace};

/// The environment that a request gets.
#[derive(Debug, Default)]
pub(crate) struct Selection<'a> {
    pub environment: Option<Environment<'a>>,
    /// The request named it: it is not the default.
    pub is_named: bool,
    /// The host without the label that named the environment, if a subdomain source named it.
    pub shortened: Option<Vec<u8>>,
    /// The cookie that the response sets, for a link that named the environment.
    pub pin: Option<&'a Pin>,
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
    owed: &mut Owed,
    counters: &mut Counters,
    trace: &mut impl Trace,
) -> Result<Selection<'a>, Refusal> {
    let mut selection = Selection::default();
    let mut reason = EnvironmentReason::NoValue;
    let mut asked: usize = 0;
    for source in &environments.sources {
        asked = asked.saturating_add(1);
        let (mut value, label) = source.value(scan, headers, host);
        let is_forgotten =
            value != SourceValue::Absent && environments.forgets(source, scan.query());
        if is_forgotten {
            value = SourceValue::Absent;
            owed.cookie = source.expired_pin().filter(|_| is_navigation(scan, headers));
        }
        if let SourceValue::One(value) = value {
            selection.environment = environments.names.resolve(&source.decoded(value));
        }
        selection.is_named = selection.environment.is_some();
        trace.step(|| Step::EnvironmentSource {
            source: source.describe(),
            finding: match (value, selection.name()) {
                (SourceValue::Absent, _) if is_forgotten => SourceFinding::Forgotten,
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
        if selection.is_named {
            let pin = source.pin().filter(|pin| !is_pinned(pin, selection.name(), headers));
            selection.pin = pin.filter(|_| is_navigation(scan, headers));
        } else {
            // A preview that is gone locks nobody out.
            owed.cookie = source.expired_pin();
        }
        // The host is shortened for the default environment, too. When an unknown value is ignored,
        // the host stays as it is.
        if let EnvironmentReason::Selected | EnvironmentReason::UnknownDefault = reason {
            selection.shortened = label.map(|label| Labels::of(host.text).without(label));
        }
        break;
    }
    owed.vary = environments.vary(asked).cloned();
    if reason == EnvironmentReason::NoValue
        && let Some(environment) = environments.preflight_environment()
        && is_preflight(scan, headers)
    {
        reason = EnvironmentReason::Preflight;
        (selection.environment, selection.is_named) = (Some(environment), true);
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
        EnvironmentReason::Preflight => Some(Counter::EnvironmentPreflight),
        EnvironmentReason::NoValue => None,
    };
    if reason == EnvironmentReason::UnknownRejected {
        return Err(Refusal::EnvironmentUnknown);
    }
    Ok(selection)
}

/// Whether the cookie of a pin has this environment already.
fn is_pinned<'a>(pin: &Pin, name: Option<&[u8]>, headers: &impl Headers<'a>) -> bool {
    match (cookie(headers, &pin.cookie), name) {
        (SourceValue::One(value), Some(name)) => value.eq_ignore_ascii_case(name),
        _ => false,
    }
}

/// Whether the request is for a page, and not for one of a page's assets or calls (Fetch Metadata,
/// `Sec-Fetch-Dest`). A client that says nothing of it is no browser, or an old one.
fn is_navigation<'a>(scan: &HeaderScan<'a>, headers: &impl Headers<'a>) -> bool {
    matches!(scan.method(), b"GET" | b"HEAD")
        && lines(headers, "sec-fetch-dest").all(|destination| destination == b"document")
}

/// Whether a browser asks on its own behalf whether a page of another origin may send a request
/// (Fetch, "CORS-preflight request"). It never carries a header that the page sets.
fn is_preflight<'a>(scan: &HeaderScan<'a>, headers: &impl Headers<'a>) -> bool {
    scan.method() == b"OPTIONS"
        && ["origin", "access-control-request-method"]
            .into_iter()
            .all(|name| lines(headers, name).next().is_some())
}
