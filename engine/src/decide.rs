//! The way from a request to its decision, in the order that the policy language fixes: the authority is parsed; health
//! checks; environment; private hosts; host mapping; writes. A health check that matches ends it.

use std::borrow::Cow;

use crate::authority::{Authority, HostKind};
use crate::decision::{Counter, Counters, Decision, Refusal, Reply, Verdict, Writes};
use crate::environment::{Environments, Unknown};
use crate::health_check::Action;
use crate::hosts::{Invalid, Port, Target, Unmapped};
use crate::labels::Labels;
use crate::policy::Policy;
use crate::request::{Claim, Headers, Request, SourceAddress, Survey, is_grpc};
use crate::template::{Template, Values};
use crate::trace::{EnvironmentReason, Finding, NoTrace, Origin, Step, Trace};

impl Policy {
    /// Decides on a request. Allocates nothing when the decision changes nothing. In `observe` mode the decision is the one
    /// that `enforce` would carry out.
    pub fn decide<'a, H: Headers<'a>, S: SourceAddress>(&'a self, request: &Request<'a, H, S>) -> Decision<'a> {
        self.decide_traced(request, &mut NoTrace)
    }

    /// Decides on a request and tells each step to `trace`, from the same code as [`Policy::decide`].
    pub fn decide_traced<'a, H, S, T>(&'a self, request: &Request<'a, H, S>, trace: &mut T) -> Decision<'a>
    where
        H: Headers<'a>,
        S: SourceAddress,
        T: Trace,
    {
        let mut counters = Counters::default();
        if self.empty {
            return Decision { verdict: Verdict::Forward(Writes::default()), counters };
        }
        let verdict = match self.verdict(request, &mut counters, trace) {
            Ok(verdict) => verdict,
            Err(refusal) => {
                if refusal == Refusal::HostUnmappable {
                    counters.host = Some(Counter::HostInvalid);
                }
                Verdict::Reply(refusal.reply(is_grpc(request.headers.clone())))
            }
        };
        Decision { verdict, counters }
    }

    fn verdict<'a, H: Headers<'a>, S: SourceAddress>(
        &'a self,
        request: &Request<'a, H, S>,
        counters: &mut Counters,
        trace: &mut impl Trace,
    ) -> Result<Verdict<'a>, Refusal> {
        let survey = Survey::of(request.headers.clone(), &self.headers);
        let authority = Authority::parse(survey.authority);
        trace.step(|| Step::Authority {
            canonical: authority.as_ref().ok().map(|authority| authority.as_str().to_owned()),
            invalid: authority.as_ref().err().map(ToString::to_string),
        });
        if let Some(verdict) = self.health_check(request, &survey, authority.as_ref().ok(), counters, trace) {
            return Ok(verdict);
        }
        if authority.is_err() {
            counters.host = Some(Counter::HostInvalid);
            if self.hosts.invalid == Invalid::Reject {
                return Err(Refusal::HostInvalid);
            }
        }
        let authority = authority.ok();
        let host = authority.as_ref().map(|authority| (authority.host(), authority.kind()));
        let chosen = match &self.environments {
            Some(environments) => choose(environments, &survey, &request.headers, host, counters, trace)?,
            None => Chosen::default(),
        };
        let host = self.public(host, chosen.shortened.as_deref(), counters, trace)?;
        let upstream = self.upstream(&survey, authority.as_ref(), host, &chosen, counters, trace)?;
        let mut writes = Writes { authority: upstream, ..Writes::default() };
        let hints = self.hints(&chosen, host.map(|(host, _)| host));
        let original = self.original_host(&survey, authority.as_ref(), writes.authority.as_deref());
        self.write_headers(&request.headers, &survey, hints.chain(original), &mut writes);
        Ok(Verdict::Forward(writes))
    }

    fn health_check<'a, H: Headers<'a>, S: SourceAddress>(
        &'a self,
        request: &Request<'a, H, S>,
        survey: &Survey<'a>,
        authority: Option<&Authority<'_>>,
        counters: &mut Counters,
        trace: &mut impl Trace,
    ) -> Option<Verdict<'a>> {
        let host = authority.map(Authority::host);
        let (number, check) = self.health_checks.iter().enumerate().find(|(number, check)| {
            let failed = check.first_failed(*number, survey, host, request.source);
            trace.step(|| Step::HealthCheck { name: check.name.to_string(), failed });
            failed.is_none()
        })?;
        counters.health_check = Some(Counter::HealthCheck(u8::try_from(number).unwrap_or(u8::MAX)));
        Some(match &check.action {
            Action::Pass => Verdict::Forward(Writes::default()),
            Action::Respond { status, body } => Verdict::Reply(Reply {
                status: *status,
                details: format!("gatepost.health_check.{}", check.name).into(),
                body: Cow::Borrowed(body),
                grpc_status: None,
            }),
            Action::Rewrite { authority, path } => {
                let changed = |new: &'a Option<Box<str>>, old: &[u8]| new.as_deref().filter(|new| new.as_bytes() != old);
                let mut writes = Writes {
                    authority: changed(authority, survey.authority).map(Cow::Borrowed),
                    path: changed(path, survey.path),
                    ..Writes::default()
                };
                self.write_headers(&request.headers, survey, std::iter::empty(), &mut writes);
                Verdict::Forward(writes)
            }
        })
    }

    /// The host that goes on being looked at, unless it is private. Both the client's own host and what a subdomain source
    /// left of it are judged: shortening a host must not open what naming it directly would not.
    fn public<'h>(
        &self,
        host: Option<(&'h str, HostKind)>,
        shortened: Option<&'h str>,
        counters: &mut Counters,
        trace: &mut impl Trace,
    ) -> Result<Option<(&'h str, HostKind)>, Refusal> {
        let shortened = shortened.map(|host| (host, HostKind::Name));
        if self.hosts.private.is_empty() {
            return Ok(shortened.or(host));
        }
        for (host, kind) in [host, shortened].into_iter().flatten() {
            let found = self.hosts.private.find(host, kind);
            let pattern = found.as_ref().map(|found| found.pattern);
            trace.step(|| Step::Private { host: host.to_owned(), pattern: pattern.map(str::to_owned) });
            if found.is_some() {
                counters.host = Some(Counter::HostPrivate);
                return Err(Refusal::HostPrivate);
            }
        }
        Ok(shortened.or(host))
    }

    /// The authority that goes upstream, if it is not the one that came.
    fn upstream<'a>(
        &'a self,
        survey: &Survey<'a>,
        authority: Option<&Authority<'a>>,
        host: Option<(&str, HostKind)>,
        chosen: &Chosen<'a>,
        counters: &mut Counters,
        trace: &mut impl Trace,
    ) -> Result<Option<Cow<'a, str>>, Refusal> {
        let name = host.map(|(host, _)| host);
        let mapped = match host {
            Some((host, kind)) => self.mapping(host, kind, chosen.name.as_deref(), trace)?,
            None => None,
        };
        if mapped.is_none() && counters.host.is_none() && !self.hosts.mappings.is_empty() {
            counters.host = Some(Counter::HostUnmapped);
        }
        if mapped.is_none() && self.hosts.unmapped == Unmapped::Reject {
            return Err(Refusal::HostUnmapped);
        }
        let hint = match (&self.environments, &chosen.name) {
            (Some(Environments { hints, .. }), Some(env)) if chosen.named || mapped.is_none() => {
                let template = hints.authority.as_ref();
                let values = Values { env: Some(env), host: name, labels: None };
                template.map(|template| authority_of(template, values)).transpose()?.flatten()
            }
            _ => None,
        };
        let (upstream, from) = match (hint, mapped) {
            (Some(hint), _) => (hint, Origin::Environment),
            (None, Some(mapped)) => {
                counters.host = Some(Counter::HostMapped);
                (mapped, Origin::Mapping)
            }
            (None, None) => match (authority, host) {
                (Some(authority), Some((host, _))) => (self.unmapped(authority, host), Origin::Client),
                // An invalid Host that the policy lets pass stays as it is.
                _ => return Ok(None),
            },
        };
        trace.step(|| Step::Upstream { authority: upstream.to_string(), from });
        let changed = upstream.as_bytes() != survey.authority;
        Ok(changed.then_some(upstream))
    }

    fn mapping<'a>(
        &'a self,
        host: &str,
        kind: HostKind,
        env: Option<&str>,
        trace: &mut impl Trace,
    ) -> Result<Option<Cow<'a, str>>, Refusal> {
        if self.hosts.mappings.is_empty() {
            return Ok(None);
        }
        let found = self.hosts.mappings.find(host, kind);
        let pattern = found.as_ref().map(|found| found.pattern);
        let authority = match found.map(|found| found.value) {
            None => None,
            Some(Target::Text(text)) => Some(Cow::Borrowed(self.hosts.texts.get(*text))),
            Some(Target::Template(template)) => {
                let labels = Labels::of(host);
                authority_of(template, Values { env, host: Some(host), labels: Some(&labels) })?
            }
        };
        trace.step(|| Step::Mapping {
            host: host.to_owned(),
            pattern: pattern.map(str::to_owned),
            authority: authority.as_deref().map(str::to_owned),
        });
        Ok(authority)
    }

    /// The client's own authority in canonical form, with the host that is left of it.
    fn unmapped<'a>(&self, authority: &Authority<'a>, host: &str) -> Cow<'a, str> {
        let port = match self.hosts.port {
            Port::Keep => authority.colon_port(),
            Port::Strip => "",
        };
        if host != authority.host() {
            return Cow::Owned([host, port].concat());
        }
        match self.hosts.port {
            Port::Keep => authority.clone().into_text(),
            Port::Strip => authority.clone().into_host(),
        }
    }

    fn hints<'a, 'v>(
        &'a self,
        chosen: &'v Chosen<'a>,
        host: Option<&'v str>,
    ) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> + use<'a, 'v> {
        let headers = self.environments.iter().filter(|_| chosen.name.is_some()).flat_map(|e| e.hints.headers.iter());
        let values = Values { env: chosen.name.as_deref(), host, labels: None };
        headers.filter_map(move |(name, template)| {
            let value = match template.as_literal() {
                Some(text) => Cow::Borrowed(text),
                None => Cow::Owned(template.expand(values)?),
            };
            Some((&**name, value))
        })
    }

    /// The header that keeps the original of a host that becomes another one. Bringing a host to canonical form does not
    /// make it another one.
    fn original_host<'a>(
        &'a self,
        survey: &Survey<'a>,
        authority: Option<&Authority<'_>>,
        upstream: Option<&str>,
    ) -> Option<(&'a str, Cow<'a, str>)> {
        let name = self.hosts.original_host.as_deref()?;
        // Without a valid authority there is no host to keep: its bytes may be anything.
        let (authority, upstream) = (authority?, Authority::parse(upstream?.as_bytes()).ok()?);
        if authority.host() == upstream.host() {
            return None;
        }
        let original = std::str::from_utf8(survey.authority).ok()?;
        Some((name, Cow::Borrowed(original)))
    }

    /// Sets what is wanted and takes away what a client may not send; where the request has it right already, nothing.
    fn write_headers<'a>(
        &'a self,
        headers: &impl Headers<'a>,
        survey: &Survey<'a>,
        wanted: impl Iterator<Item = (&'a str, Cow<'a, str>)>,
        writes: &mut Writes<'a>,
    ) {
        writes.set.extend(wanted);
        if !survey.guarded {
            return;
        }
        for name in headers.clone().filter_map(|(name, _)| self.is_guarded(name)) {
            if writes.remove.contains(&name) {
                continue;
            }
            let mut values = headers.clone().filter(|(other, _)| *other == name.as_bytes()).map(|(_, value)| value);
            let (first, repeated) = (values.next(), values.next().is_some());
            let wanted = writes.set.iter().position(|(set, _)| *set == name);
            match wanted {
                Some(at) if !repeated && writes.set.get(at).map(|(_, value)| value.as_bytes()) == first => {
                    writes.set.swap_remove(at);
                }
                // A single value is simply overwritten.
                Some(_) if !repeated => {}
                _ => writes.remove.push(name),
            }
        }
    }
}

/// The environment of a request.
#[derive(Debug, Default)]
struct Chosen<'a> {
    name: Option<Cow<'a, str>>,
    /// The request named it; it is no default.
    named: bool,
    /// What a subdomain source left of the host.
    shortened: Option<String>,
}

fn choose<'a>(
    environments: &'a Environments,
    survey: &Survey<'a>,
    headers: &impl Headers<'a>,
    host: Option<(&str, HostKind)>,
    counters: &mut Counters,
    trace: &mut impl Trace,
) -> Result<Chosen<'a>, Refusal> {
    let default = environments.default.as_deref().map(Cow::Borrowed);
    for (number, source) in environments.sources.iter().enumerate() {
        let named = source.value(number, survey, headers, host);
        let found = match named.claim {
            Claim::One(value) => environments.names.resolve(value),
            Claim::Absent | Claim::Conflict => None,
        };
        trace.step(|| Step::EnvironmentSource {
            source: source.describe(),
            finding: match (named.claim, &found) {
                (Claim::Absent, _) => Finding::Absent,
                (Claim::Conflict, _) => Finding::Conflict,
                (Claim::One(_), Some(name)) => Finding::Allowed(name.to_string()),
                (Claim::One(value), None) => Finding::Unknown(String::from_utf8_lossy(value).into_owned()),
            },
        });
        if named.claim == Claim::Absent {
            continue;
        }
        let (name, counter, reason) = match (found, environments.unknown) {
            (Some(name), _) => {
                counters.environment = Some(Counter::EnvironmentSelected);
                explain(trace, Some(&name), EnvironmentReason::Selected);
                return Ok(Chosen { name: Some(name), named: true, shortened: named.shortened });
            }
            (None, Unknown::Reject) => (None, Counter::EnvironmentRejected, EnvironmentReason::UnknownRejected),
            (None, Unknown::Default) => (default, Counter::EnvironmentUnknown, EnvironmentReason::UnknownDefault),
            (None, Unknown::Ignore) => (None, Counter::EnvironmentUnknown, EnvironmentReason::UnknownIgnored),
        };
        counters.environment = Some(counter);
        explain(trace, name.as_deref(), reason);
        return match environments.unknown {
            Unknown::Reject => Err(Refusal::EnvironmentUnknown),
            // The default serves the host that the label stood in front of; an ignored value leaves the host alone.
            Unknown::Default => Ok(Chosen { name, named: false, shortened: named.shortened }),
            Unknown::Ignore => Ok(Chosen::default()),
        };
    }
    let reason = if default.is_some() { EnvironmentReason::Default } else { EnvironmentReason::NoValue };
    counters.environment = default.as_ref().map(|_| Counter::EnvironmentDefault);
    explain(trace, default.as_deref(), reason);
    Ok(Chosen { name: default, named: false, shortened: None })
}

fn explain(trace: &mut impl Trace, name: Option<&str>, reason: EnvironmentReason) {
    trace.step(|| Step::Environment { name: name.map(str::to_owned), reason });
}

/// What a template gives, or nothing if a value that it needs is missing. Labels may grow together beyond what a host may
/// be, which no compiler can foresee.
fn authority_of<'a>(template: &'a Template, values: Values<'_>) -> Result<Option<Cow<'a, str>>, Refusal> {
    if let Some(text) = template.as_literal() {
        return Ok(Some(Cow::Borrowed(text)));
    }
    let Some(text) = template.expand(values) else { return Ok(None) };
    match Authority::parse(text.as_bytes()) {
        Ok(_) => Ok(Some(Cow::Owned(text))),
        Err(_) => Err(Refusal::HostUnmappable),
    }
}
