//! The way from a request to its decision, in the order that the policy language fixes: health
//! checks; the authority; the environment; private hosts; host mapping; writes. A health check that
//! matches ends it.

use std::borrow::Cow;

use crate::counter::{Counter, Counters};
use crate::decision::{Decision, Forward, HeaderMutations, Verdict, Writes};
use crate::environment::{Environments, Selection, select_environment};
use crate::errors::AuthorityError;
use crate::headers::HeaderScan;
use crate::health_check::{Action, Candidate, HealthCheck};
use crate::host::ascii::text;
use crate::host::{Authority, Host, Labels, Port, Responses, Target, Template, Unmapped, Values};
use crate::policy::Policy;
use crate::reply::{Answer, Refusal};
use crate::request::{Headers, Request, SourceAddress, is_grpc};
use crate::response::{Owed, Restore, Scheme};
use crate::trace::{NoTrace, Origin, Step, Trace};
use crate::write::{Wanted, write_headers};

impl Policy {
    /// Decides on a request. In `observe` mode the decision is the one that `enforce` would carry
    /// out.
    pub fn decide<'a, H: Headers<'a>, S: SourceAddress>(
        &'a self,
        request: &Request<'a, H, S>,
    ) -> Decision<'a> {
        self.decide_traced(request, &mut NoTrace)
    }

    /// Decides on a request and shows each step to `trace`. The code is that of
    /// [`Policy::decide`].
    pub fn decide_traced<'a, H, S, T>(
        &'a self,
        request: &Request<'a, H, S>,
        trace: &mut T,
    ) -> Decision<'a>
    where
        H: Headers<'a>,
        S: SourceAddress,
        T: Trace,
    {
        let (mut writes, mut counters) = (Writes::default(), Counters::default());
        let mut owed = Owed::default();
        let outcome = self.evaluate(request, &mut writes, &mut owed, &mut counters, trace);
        let verdict = match outcome {
            Ok(_) => Verdict::Forward(writes),
            Err(answer) => Verdict::Reply(answer.reply(is_grpc(request.headers.clone()))),
        };
        Decision { verdict, counters, owed }
    }

    /// Decides on a request and makes its changes at once, without gathering them first. `owed`
    /// gets what the response owes, an answer to the request included. The code is that of
    /// [`Policy::decide`].
    ///
    /// # Errors
    /// When the request is not forwarded: the answer to it. No change was made then.
    pub fn carry_out<'a, H, S, M>(
        &'a self,
        request: &Request<'a, H, S>,
        mutations: &mut M,
        owed: &mut Owed,
        counters: &mut Counters,
    ) -> Result<Forward, Answer<'a>>
    where
        H: Headers<'a>,
        S: SourceAddress,
        M: HeaderMutations<'a>,
    {
        self.evaluate(request, mutations, owed, counters, &mut NoTrace)
    }

    fn evaluate<'a, H, S, M, T>(
        &'a self,
        request: &Request<'a, H, S>,
        mutations: &mut M,
        owed: &mut Owed,
        counters: &mut Counters,
        trace: &mut T,
    ) -> Result<Forward, Answer<'a>>
    where
        H: Headers<'a>,
        S: SourceAddress,
        M: HeaderMutations<'a>,
        T: Trace,
    {
        let scan = HeaderScan::of(request.headers.clone(), &self.headers);
        let authority = Authority::parse(scan.authority());
        let mut evaluation =
            Evaluation { policy: self, request, scan, mutations, owed, counters, trace };
        evaluation.run(&authority)
    }
}

/// One request on its way through the rules.
struct Evaluation<'a, 'e, H, S, M, T> {
    policy: &'a Policy,
    request: &'e Request<'a, H, S>,
    scan: HeaderScan<'a>,
    mutations: &'e mut M,
    owed: &'e mut Owed,
    counters: &'e mut Counters,
    trace: &'e mut T,
}

impl<'a, H, S, M, T> Evaluation<'a, '_, H, S, M, T>
where
    H: Headers<'a>,
    S: SourceAddress,
    M: HeaderMutations<'a>,
    T: Trace,
{
    fn run(
        &mut self,
        authority: &Result<Authority<'a>, AuthorityError>,
    ) -> Result<Forward, Answer<'a>> {
        self.trace.step(|| Step::Authority {
            canonical: authority.as_ref().ok().map(|authority| authority.as_str().to_owned()),
            invalid: authority.as_ref().err().map(ToString::to_string),
        });
        let health_checks = &self.policy.health_checks;
        if (T::LISTENS || health_checks.may_match(self.scan.user_agent()))
            && let Some(check) = self.matching_health_check(authority.as_ref().ok())
        {
            return self.carry_out_health_check(check);
        }
        let Ok(authority) = authority else {
            self.counters.host = Some(Counter::HostInvalid);
            return Err(Refusal::HostInvalid.into());
        };
        self.route(authority)?;
        Ok(Forward::Guarded)
    }

    /// The health check that matches the request.
    #[inline(never)]
    fn matching_health_check(
        &mut self,
        authority: Option<&Authority<'a>>,
    ) -> Option<&'a HealthCheck> {
        let candidate = Candidate {
            scan: &self.scan,
            host: authority.map(|authority| authority.host().as_bytes()),
            source: self.request.source,
        };
        let trace = &mut self.trace;
        let found = self.policy.health_checks.first_match(&candidate, |check, failed| {
            trace.step(|| Step::HealthCheck { name: check.name.to_string(), failed });
        });
        let (number, check) = found?;
        let number = u8::try_from(number).unwrap_or(u8::MAX);
        self.counters.health_check = Some(Counter::HealthCheck(number));
        Some(check)
    }

    #[inline(never)]
    fn carry_out_health_check(&mut self, check: &'a HealthCheck) -> Result<Forward, Answer<'a>> {
        match &check.action {
            Action::Pass => return Ok(Forward::Passed),
            Action::Respond { status, body } => {
                return Err(Answer::HealthCheck { name: &check.name, status: *status, body });
            }
            Action::Rewrite { authority, path } => {
                let changed = |new: &'a Option<Box<str>>, old: &[u8]| {
                    new.as_deref().filter(|new| new.as_bytes() != old)
                };
                if let Some(path) = changed(path, self.scan.path()) {
                    self.mutations.set_path(path);
                }
                if let Some(authority) = changed(authority, self.scan.authority()) {
                    self.mutations.set_authority(authority.as_bytes());
                }
                self.write_headers(Wanted::default());
            }
        }
        Ok(Forward::Guarded)
    }

    /// Decides on a request that is no probe and has a valid authority.
    fn route(&mut self, authority: &Authority<'a>) -> Result<(), Answer<'a>> {
        let own_host = authority.to_look_up();
        let environments = self.policy.environments.as_ref();
        let selection = match environments {
            Some(environments) => self.select_environment(environments, &own_host)?,
            None => Selection::default(),
        };
        // Both the client's own host and what a subdomain source left of it are checked: a host
        // that is refused when a client names it must not be reached by shortening another one.
        self.refuse_private(&own_host)?;
        let shortened = selection.shortened.as_deref().map(Host::of);
        if let Some(host) = &shortened {
            self.refuse_private(host)?;
        }
        let host = shortened.as_ref().unwrap_or(&own_host);
        let upstream = self.upstream(authority, host, &selection)?;
        if *upstream != *self.scan.authority() {
            self.mutations.set_authority(&upstream);
        }
        // A host that was only brought to canonical form is still the client's.
        if self.policy.hosts.responses == Responses::Restore && !authority.is(&upstream) {
            let scheme = scheme_of(&self.request.headers);
            self.owed.restore = Some(Restore::new(authority, &upstream, scheme));
        }
        if let (Some(pin), Some(name)) = (selection.pin, selection.name()) {
            self.owed.cookie = Some(pin.line(text(name)));
            self.counters.pinned = Some(Counter::EnvironmentPinned);
        }
        let original_host = self.policy.hosts.original_host.as_deref();
        self.write_headers(Wanted {
            hints: match (environments, &selection.environment) {
                (Some(environments), Some(_)) => &environments.hints.headers,
                _ => &[],
            },
            values: Values { env: selection.name(), host: Some(host.text), labels: None },
            // A host that was only brought to canonical form is still the same host.
            original_host: original_host
                .filter(|_| !authority.has_host_of(&upstream))
                .map(|name| (name, authority.raw())),
        });
        Ok(())
    }

    fn select_environment(
        &mut self,
        environments: &'a Environments,
        host: &Host<'_>,
    ) -> Result<Selection<'a>, Refusal> {
        let (scan, headers) = (&self.scan, &self.request.headers);
        let (owed, counters) = (&mut *self.owed, &mut *self.counters);
        select_environment(environments, scan, headers, host, owed, counters, self.trace)
    }

    fn refuse_private(&mut self, host: &Host<'_>) -> Result<(), Refusal> {
        if self.policy.hosts.private.is_empty() {
            return Ok(());
        }
        let found = self.policy.hosts.private.find(host);
        self.trace.step(|| Step::Private {
            host: text(host.text).to_owned(),
            pattern: found.as_deref().map(str::to_owned),
        });
        if found.is_some() {
            self.counters.host = Some(Counter::HostPrivate);
            return Err(Refusal::HostPrivate);
        }
        Ok(())
    }

    /// The authority that goes upstream. An environment that the request names comes before a
    /// mapping, and a mapping before the default environment.
    fn upstream(
        &mut self,
        authority: &Authority<'a>,
        host: &Host<'_>,
        selection: &Selection<'a>,
    ) -> Result<Cow<'a, [u8]>, Refusal> {
        let mapped = self.mapped(host, selection)?;
        let hint = match selection.is_named || mapped.is_none() {
            true => self.hinted(host, selection)?,
            false => None,
        };
        let (upstream, from) = match (hint, mapped) {
            (Some(hint), _) => (hint, Origin::Environment),
            (None, Some(mapped)) => {
                self.counters.host = Some(Counter::HostMapped);
                (mapped, Origin::Mapping)
            }
            (None, None) => (self.unmapped(authority, selection), Origin::Client),
        };
        self.trace.step(|| Step::Upstream { authority: text(&upstream).to_owned(), from });
        Ok(upstream)
    }

    /// The authority of the mapping that matches the host.
    fn mapped(
        &mut self,
        host: &Host<'_>,
        selection: &Selection<'a>,
    ) -> Result<Option<Cow<'a, [u8]>>, Refusal> {
        let hosts = &self.policy.hosts;
        let mut mapped = None;
        if !hosts.mappings.is_empty() {
            let found = hosts.mappings.find(host);
            mapped = match found.as_ref().and_then(|found| hosts.target(found)) {
                None => None,
                Some(Target::Text(text)) => Some(Cow::Borrowed(text)),
                Some(Target::Template(template)) => {
                    let labels = Labels::of(host.text);
                    let (env, host) = (selection.name(), Some(host.text));
                    self.expand(template, Values { env, host, labels: Some(&labels) })?
                }
            };
            self.trace.step(|| Step::Mapping {
                host: text(host.text).to_owned(),
                pattern: found.map(|found| text(found.key).to_owned()),
                authority: mapped.as_deref().map(|authority| text(authority).to_owned()),
            });
            if mapped.is_none() && self.counters.host.is_none() {
                self.counters.host = Some(Counter::HostUnmapped);
            }
        }
        if mapped.is_none() && hosts.unmapped == Unmapped::Reject {
            return Err(Refusal::HostUnmapped);
        }
        Ok(mapped)
    }

    /// The authority that the environment's hint gives.
    fn hinted(
        &mut self,
        host: &Host<'_>,
        selection: &Selection<'a>,
    ) -> Result<Option<Cow<'a, [u8]>>, Refusal> {
        let Some(environment) = &selection.environment else { return Ok(None) };
        if let Some(known) = environment.authority {
            return Ok(Some(Cow::Borrowed(known)));
        }
        let environments = self.policy.environments.as_ref();
        let hint = environments.and_then(|environments| environments.hints.authority.as_ref());
        let Some(template) = hint else { return Ok(None) };
        let (env, host) = (selection.name(), Some(host.text));
        self.expand(template, Values { env, host, labels: None })
    }

    /// The client's own authority in canonical form, with the host that a subdomain source left of
    /// it.
    fn unmapped(&self, authority: &Authority<'a>, selection: &Selection<'a>) -> Cow<'a, [u8]> {
        match (selection.shortened.as_deref(), self.policy.hosts.port) {
            (None, Port::Keep) => authority.to_text(),
            (None, Port::Strip) => authority.to_host(),
            (Some(host), Port::Keep) => {
                Cow::Owned([host, authority.colon_port().as_bytes()].concat())
            }
            (Some(host), Port::Strip) => Cow::Owned(host.to_vec()),
        }
    }

    /// The canonical authority that a template gives; nothing if a value that it needs is missing.
    /// The values of a request can make the result too long for a host, or put an IP literal inside
    /// a name. That cannot be known when the policy is compiled, so such a request is refused.
    #[inline(never)]
    fn expand(
        &mut self,
        template: &'a Template,
        values: Values<'_>,
    ) -> Result<Option<Cow<'a, [u8]>>, Refusal> {
        let Some(expanded) = template.expand(values) else { return Ok(None) };
        let rewritten = match Authority::parse(&expanded) {
            Ok(authority) if authority.is_canonical() => None,
            Ok(authority) => Some(authority.to_text().into_owned()),
            Err(_) => {
                self.counters.host = Some(Counter::HostInvalid);
                return Err(Refusal::HostUnmappable);
            }
        };
        Ok(Some(Cow::Owned(rewritten.unwrap_or_else(|| expanded.into_owned()))))
    }

    fn write_headers(&mut self, wanted: Wanted<'a, '_>) {
        let (headers, table) = (&self.request.headers, &self.policy.headers);
        write_headers(headers, &self.scan, table, wanted, self.mutations);
    }
}

/// The scheme by which the client came, as far as the proxy knows it. The scan does not look for
/// it, because most requests have no use for it.
fn scheme_of<'a>(headers: &impl Headers<'a>) -> Option<Scheme> {
    let named = |wanted: &'static [u8]| {
        let mut found = headers.clone().filter(move |(name, _)| *name == wanted);
        found.next().map(|(_, value)| value)
    };
    let scheme = named(b"x-forwarded-proto").or_else(|| named(b":scheme"));
    Scheme::read(scheme?)
}
