//! The way from a request to its decision, in the order that the policy language fixes: the authority is parsed; health
//! checks; environment; private hosts; host mapping; writes. A health check that matches ends it.

use alloc::borrow::Cow;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::{String, ToString};

use crate::authority::{Authority, HostKind};
use crate::choose::{Chosen, choose};
use crate::decision::{Counter, Counters, Decision, Refusal, Reply, Verdict, Writes};
use crate::environment::Environments;
use crate::health_check::Action;
use crate::hosts::{Invalid, Port, Target, Unmapped};
use crate::labels::Labels;
use crate::lenient::{self, Reading};
use crate::policy::Policy;
use crate::request::{Headers, Request, SourceAddress, Survey, is_grpc};
use crate::template::{Template, Values};
use crate::trace::{NoTrace, Origin, Step, Trace};

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
            self.private_to_others(&survey, counters, trace)?;
        }
        let authority = authority.as_ref().ok();
        let host = authority.map(|authority| (authority.host(), authority.kind()));
        let chosen = match &self.environments {
            Some(environments) => choose(environments, &survey, &request.headers, host, counters, trace)?,
            None => Chosen::default(),
        };
        let host = self.public(host, chosen.shortened.as_deref(), counters, trace)?;
        let upstream = self.upstream(&survey, authority, host, &chosen, counters, trace)?;
        let mut writes = Writes { authority: upstream, ..Writes::default() };
        let original = self.original_host(authority, writes.authority.as_deref());
        let values = Values { env: chosen.name(), host: host.map(|(host, _)| host), labels: None };
        let wanted = self.hints(&chosen, values).chain(original);
        self.write_headers(&request.headers, survey.guarded, wanted, values, &mut writes);
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
                details: ["gatepost.health_check.", &check.name].concat().into(),
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
                let (nothing, values) = (core::iter::empty(), Values::default());
                self.write_headers(&request.headers, survey.guarded, nothing, values, &mut writes);
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
        let shortened = shortened.map(|host| (host, HostKind::of(host)));
        if self.hosts.private.is_empty() {
            return Ok(shortened.or(host));
        }
        for (host, kind) in [host, shortened].into_iter().flatten() {
            let number = || lenient::find_number(&self.hosts.private, host).filter(|_| kind == HostKind::Name);
            let found = self.hosts.private.find(host, kind).or_else(number);
            judge_private(host, found.map(|found| found.pattern), counters, trace)?;
        }
        Ok(shortened.or(host))
    }

    /// A Host that is no valid authority and passes all the same is refused if anybody could take it for a private one, or if nobody
    /// can tell what it is taken for.
    #[cold]
    fn private_to_others(&self, survey: &Survey<'_>, counters: &mut Counters, trace: &mut impl Trace) -> Result<(), Refusal> {
        if self.hosts.private.is_empty() {
            return Ok(());
        }
        let reading = lenient::read(&self.hosts.private, survey.authority);
        let host = String::from_utf8_lossy(survey.authority);
        match reading {
            Reading::Private(found) => judge_private(&host, Some(found.pattern), counters, trace),
            Reading::Unknown => Err(Refusal::HostInvalid),
            Reading::Public => judge_private(&host, None, counters, trace),
        }
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
        // What came, if it is an authority as it should be: a template that gives just that is not put together.
        let given = authority.and_then(Authority::given);
        let mapped = match host {
            Some((host, kind)) => self.mapping((host, kind), chosen.name(), given, trace)?,
            None => None,
        };
        if mapped.is_none() && counters.host.is_none() && !self.hosts.mappings.is_empty() {
            counters.host = Some(Counter::HostUnmapped);
        }
        if mapped.is_none() && self.hosts.unmapped == Unmapped::Reject {
            return Err(Refusal::HostUnmapped);
        }
        let hint = match (&self.environments, chosen.name()) {
            (Some(Environments { hints, .. }), Some(env)) if chosen.named || mapped.is_none() => {
                match (&hints.authority, chosen.listed().and_then(|listed| listed.authority)) {
                    (Some(_), Some(known)) => Some(Cow::Borrowed(known)),
                    (Some(template), None) => authority_of(template, Values { env: Some(env), host: name, labels: None }, given)?,
                    (None, _) => None,
                }
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
        (host, kind): (&str, HostKind),
        env: Option<&str>,
        given: Option<&'a str>,
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
                authority_of(template, Values { env, host: Some(host), labels: Some(&labels) }, given)?
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
    #[inline]
    fn unmapped<'a>(&self, authority: &Authority<'a>, host: &str) -> Cow<'a, str> {
        let port = match self.hosts.port {
            Port::Keep => authority.colon_port(),
            Port::Strip => "",
        };
        if host != authority.host() {
            return Cow::Owned([host, port].concat());
        }
        match self.hosts.port {
            Port::Keep => authority.to_text(),
            Port::Strip => authority.to_host(),
        }
    }
}

/// Refuses a host that a private pattern matches.
fn judge_private(host: &str, pattern: Option<&str>, counters: &mut Counters, trace: &mut impl Trace) -> Result<(), Refusal> {
    trace.step(|| Step::Private { host: host.to_owned(), pattern: pattern.map(str::to_owned) });
    if pattern.is_some() {
        counters.host = Some(Counter::HostPrivate);
        return Err(Refusal::HostPrivate);
    }
    Ok(())
}

/// What a template gives, or nothing if a value that it needs is missing. Labels may grow together beyond what a host may
/// be, and an IP literal is no part of a name, which no compiler can foresee. `given` is an authority that is known to be
/// canonical, as every result is; where it is the result, it serves as it is.
#[inline(never)]
fn authority_of<'a>(template: &'a Template, values: Values<'_>, given: Option<&'a str>) -> Result<Option<Cow<'a, str>>, Refusal> {
    if let Some(text) = template.as_literal() {
        return Ok(Some(Cow::Borrowed(text)));
    }
    if let Some(given) = given.filter(|given| template.gives(values, given.as_bytes())) {
        return Ok(Some(Cow::Borrowed(given)));
    }
    let Some(text) = template.expand(values) else { return Ok(None) };
    let canonical = match Authority::parse(text.as_bytes()) {
        Ok(authority) if authority.given().is_some() => None,
        Ok(authority) => Some(authority.as_str().to_owned()),
        Err(_) => return Err(Refusal::HostUnmappable),
    };
    Ok(Some(Cow::Owned(canonical.unwrap_or(text))))
}
