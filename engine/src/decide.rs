//! The way from a request to its decision, in the order that the policy language fixes: the
//! authority is parsed; health checks; environment; private hosts; host mapping; writes. A health
//! check that matches ends it.

use alloc::borrow::Cow;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::ptr;

use crate::authority::Authority;
use crate::choose::{Chosen, choose};
use crate::decision::{Answer, Counter, Counters, Decision, Effects, Refusal, Verdict, Writes};
use crate::environment::{Environment, Environments};
use crate::health_check::Action;
use crate::host::Host;
use crate::hosts::{Invalid, Port, Target, Unmapped};
use crate::labels::Labels;
use crate::lenient::{self, Reading};
use crate::plain::text;
use crate::policy::Policy;
use crate::records::Record;
use crate::request::{Headers, Request, SourceAddress, Survey, is_grpc};
use crate::same::same;
use crate::template::{Template, Values};
use crate::trace::{NoTrace, Origin, Step, Trace};
use crate::write::Wants;

/// An authority, and its host as tables look it up.
struct Addressed<'a, 's> {
    authority: &'s Authority<'a>,
    host: Host<'s>,
}

impl<'a, 's> Addressed<'a, 's> {
    #[inline(always)]
    fn by(authority: &'s Authority<'a>) -> Self {
        Self { authority, host: authority.to_look_up() }
    }
}

impl Policy {
    /// Decides on a request. Allocates nothing when the decision changes nothing. In `observe` mode
    /// the decision is the one that `enforce` would carry out.
    pub fn decide<'a, H: Headers<'a>, S: SourceAddress>(
        &'a self,
        request: &Request<'a, H, S>,
    ) -> Decision<'a> {
        self.decide_traced(request, &mut NoTrace)
    }

    /// Decides on a request and tells each step to `trace`, from the same code as
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
        let verdict = match self.rules(request, &mut writes, &mut counters, trace) {
            Ok(()) => Verdict::Forward(writes),
            Err(answer) => Verdict::Reply(answer.reply(is_grpc(request.headers.clone()))),
        };
        Decision { verdict, counters }
    }

    /// Decides on a request and carries the decision out, without putting it together first: what
    /// is to be answered, and what is to be counted. The same code as [`Policy::decide`].
    ///
    /// # Errors
    /// The answer, when the request does not go on; then nothing was carried out.
    #[inline(always)]
    pub fn carry_out<'a, H, S, E>(
        &'a self,
        request: &Request<'a, H, S>,
        effects: &mut E,
        counters: &mut Counters,
    ) -> Result<(), Answer<'a>>
    where
        H: Headers<'a>,
        S: SourceAddress,
        E: Effects<'a>,
    {
        self.rules(request, effects, counters, &mut NoTrace)
    }

    #[inline(always)]
    fn rules<'a, H: Headers<'a>, S: SourceAddress, T: Trace>(
        &'a self,
        request: &Request<'a, H, S>,
        effects: &mut impl Effects<'a>,
        counters: &mut Counters,
        trace: &mut T,
    ) -> Result<(), Answer<'a>> {
        if self.empty {
            return Ok(());
        }
        let mut survey = Survey::default();
        survey.note_all(request.headers.clone(), &self.headers);
        trace.step(|| authority_step(survey.authority()));
        if (T::LISTENS || self.agents.may_know(survey.user_agent()))
            && let Some(outcome) = self.health_check(request, &survey, effects, counters, trace)
        {
            return outcome;
        }
        let mut authority = Authority::plain(survey.authority());
        if authority.is_none() {
            authority = self.other_authority(&survey, counters, trace)?;
        }
        let addressed = authority.as_ref().map(Addressed::by);
        match &self.environments {
            None => self.hosts_and_writes(
                None,
                request,
                &survey,
                addressed.as_ref(),
                effects,
                counters,
                trace,
            ),
            Some(environments) => self.environment(
                environments,
                request,
                &survey,
                addressed.as_ref(),
                effects,
                counters,
                trace,
            ),
        }
    }

    /// An authority that is no plain name; nothing for an invalid one that passes.
    #[inline(never)]
    fn other_authority<'a>(
        &self,
        survey: &Survey<'a>,
        counters: &mut Counters,
        trace: &mut impl Trace,
    ) -> Result<Option<Authority<'a>>, Refusal> {
        let authority = Authority::parse_any(survey.authority()).ok();
        if authority.is_none() {
            self.pass_invalid(survey, counters, trace)?;
        }
        Ok(authority)
    }

    /// What a health check makes of the request, if one matches.
    #[inline(never)]
    fn health_check<'a, H: Headers<'a>, S: SourceAddress>(
        &'a self,
        request: &Request<'a, H, S>,
        survey: &Survey<'a>,
        effects: &mut impl Effects<'a>,
        counters: &mut Counters,
        trace: &mut impl Trace,
    ) -> Option<Result<(), Answer<'a>>> {
        let authority =
            if self.agents.hosts { Authority::parse(survey.authority()).ok() } else { None };
        let host = authority.as_ref().map(Authority::host_bytes);
        let (number, check) = self.health_checks.iter().enumerate().find(|(number, check)| {
            let failed = check.first_failed(*number, survey, host, request.source);
            trace.step(|| Step::HealthCheck { name: check.name.to_string(), failed });
            failed.is_none()
        })?;
        counters.health_check = Some(Counter::HealthCheck(u8::try_from(number).unwrap_or(u8::MAX)));
        Some(match &check.action {
            Action::Pass => Ok(()),
            Action::Respond { status, body } => {
                Err(Answer::HealthCheck { name: &check.name, status: *status, body })
            }
            Action::Rewrite { authority, path } => {
                let changed = |new: &'a Option<Box<str>>, old: &[u8]| {
                    new.as_deref().filter(|new| new.as_bytes() != old)
                };
                if let Some(path) = changed(path, survey.path()) {
                    effects.set_path(path);
                }
                if let Some(authority) = changed(authority, survey.authority()) {
                    effects.set_authority(Cow::Borrowed(authority.as_bytes()));
                }
                self.write_headers(
                    &request.headers,
                    survey.is_guarded(),
                    Wants::default(),
                    Values::default,
                    effects,
                );
                Ok(())
            }
        })
    }

    #[inline(never)]
    #[expect(clippy::too_many_arguments, reason = "they are what a decision is made from")]
    fn environment<'a, H: Headers<'a>, S: SourceAddress>(
        &'a self,
        environments: &'a Environments,
        request: &Request<'a, H, S>,
        survey: &Survey<'a>,
        addressed: Option<&Addressed<'a, '_>>,
        effects: &mut impl Effects<'a>,
        counters: &mut Counters,
        trace: &mut impl Trace,
    ) -> Result<(), Answer<'a>> {
        let host = addressed.map(|addressed| &addressed.host);
        let mut chosen = Chosen::default();
        choose(environments, survey, &request.headers, host, &mut chosen, counters, trace)?;
        self.hosts_and_writes(
            Some((environments, &chosen)),
            request,
            survey,
            addressed,
            effects,
            counters,
            trace,
        )
    }

    /// What comes behind the environment. Compiled twice, because a policy without environments
    /// needs half of it.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "they are what a decision is made from")]
    fn hosts_and_writes<'a, H: Headers<'a>, S: SourceAddress>(
        &'a self,
        environments: Option<(&'a Environments, &Chosen<'a>)>,
        request: &Request<'a, H, S>,
        survey: &Survey<'a>,
        addressed: Option<&Addressed<'a, '_>>,
        effects: &mut impl Effects<'a>,
        counters: &mut Counters,
        trace: &mut impl Trace,
    ) -> Result<(), Answer<'a>> {
        let shortened;
        let mut host = addressed.map(|addressed| &addressed.host);
        // Both the client's own host and what a subdomain source left of it are judged: shortening
        // a host must not open what naming it directly would not.
        if let Some(host) = host {
            self.judge(host, counters, trace)?;
        }
        let chosen = environments.map(|(_, chosen)| chosen);
        if let Some(text) = chosen.and_then(|chosen| chosen.shortened.as_ref()) {
            shortened = Host::of(text);
            self.judge(&shortened, counters, trace)?;
            host = Some(&shortened);
        }
        let mut original = None;
        if let Some(upstream) =
            self.upstream(environments, survey, addressed, host, counters, trace)?
        {
            original =
                self.original_host(addressed.map(|addressed| addressed.authority), &upstream);
            effects.set_authority(upstream);
        }
        // Put together only for what needs them.
        let values = || Values {
            env: chosen.and_then(Chosen::name),
            host: host.map(Host::text),
            labels: None,
        };
        self.write_headers(
            &request.headers,
            survey.is_guarded(),
            Wants::of(environments, original),
            values,
            effects,
        );
        Ok(())
    }

    /// Refuses a private host.
    #[inline(always)]
    fn judge(
        &self,
        host: &Host<'_>,
        counters: &mut Counters,
        trace: &mut impl Trace,
    ) -> Result<(), Refusal> {
        if self.hosts.private.is_empty() {
            return Ok(());
        }
        let found = match self.hosts.private.find(host) {
            None if host.is_numeric() => lenient::find_number(&self.hosts.private, host.text()),
            found => found,
        };
        self.judge_private(|| text(host.text()).to_owned(), found, counters, trace)
    }

    /// Refuses a Host that is no valid authority, unless the policy lets such Hosts pass.
    #[cold]
    fn pass_invalid(
        &self,
        survey: &Survey<'_>,
        counters: &mut Counters,
        trace: &mut impl Trace,
    ) -> Result<(), Refusal> {
        counters.host = Some(Counter::HostInvalid);
        match self.hosts.invalid {
            Invalid::Reject => Err(Refusal::HostInvalid),
            Invalid::Pass => self.private_to_others(survey, counters, trace),
        }
    }

    /// A Host that is no valid authority and passes all the same is refused if anybody could take
    /// it for a private one, or if nobody can tell what it is taken for.
    #[cold]
    fn private_to_others(
        &self,
        survey: &Survey<'_>,
        counters: &mut Counters,
        trace: &mut impl Trace,
    ) -> Result<(), Refusal> {
        if self.hosts.private.is_empty() {
            return Ok(());
        }
        let reading = lenient::read(&self.hosts.private, survey.authority());
        let host = || String::from_utf8_lossy(survey.authority()).into_owned();
        match reading {
            Reading::Private(found) => self.judge_private(host, Some(found), counters, trace),
            Reading::Unknown => Err(Refusal::HostInvalid),
            Reading::Public => self.judge_private(host, None, counters, trace),
        }
    }

    /// The authority that goes upstream, if it is not the one that came.
    #[inline(always)]
    fn upstream<'a>(
        &'a self,
        environments: Option<(&'a Environments, &Chosen<'a>)>,
        survey: &Survey<'a>,
        addressed: Option<&Addressed<'a, '_>>,
        host: Option<&Host<'_>>,
        counters: &mut Counters,
        trace: &mut impl Trace,
    ) -> Result<Option<Cow<'a, [u8]>>, Refusal> {
        let authority = addressed.map(|addressed| addressed.authority);
        // What came, if it is an authority as it should be: a template that gives just that is not
        // put together.
        let given = authority.and_then(Authority::given);
        let env = environments.and_then(|(_, chosen)| chosen.name());
        let mapped = if self.hosts.may_map() {
            self.mapped(host, env, given, counters, trace)?
        } else {
            None
        };
        let hint = match environments {
            Some((environments, chosen)) if chosen.named || mapped.is_none() => {
                hint(environments, chosen, host, given, counters)?
            }
            _ => None,
        };
        let (upstream, from) = match (hint, mapped) {
            (Some(hint), _) => (hint, Origin::Environment),
            (None, Some(mapped)) => {
                counters.host = Some(Counter::HostMapped);
                (mapped, Origin::Mapping)
            }
            (None, None) => match authority {
                Some(authority) => {
                    let shortened =
                        environments.and_then(|(_, chosen)| chosen.shortened.as_deref());
                    (self.unmapped(authority, shortened), Origin::Client)
                }
                // An invalid Host that the policy lets pass stays as it is.
                None => return Ok(None),
            },
        };
        trace.step(|| Step::Upstream { authority: text(&upstream).to_owned(), from });
        // What came is often what goes on, and need not be compared with itself.
        let as_it_came =
            ptr::eq(&*upstream, survey.authority()) || same(&upstream, survey.authority());
        Ok((!as_it_came).then_some(upstream))
    }

    /// The authority of the mapping that matches a host.
    fn mapped<'a>(
        &'a self,
        host: Option<&Host<'_>>,
        env: Option<&[u8]>,
        given: Option<&'a [u8]>,
        counters: &mut Counters,
        trace: &mut impl Trace,
    ) -> Result<Option<Cow<'a, [u8]>>, Refusal> {
        let mapped = match host {
            Some(host) if !self.hosts.mappings.is_empty() => {
                self.mapping(host, env, given, counters, trace)?
            }
            _ => None,
        };
        if mapped.is_none() {
            if counters.host.is_none() && !self.hosts.mappings.is_empty() {
                counters.host = Some(Counter::HostUnmapped);
            }
            if self.hosts.unmapped == Unmapped::Reject {
                return Err(Refusal::HostUnmapped);
            }
        }
        Ok(mapped)
    }

    #[inline(always)]
    fn mapping<'a>(
        &'a self,
        host: &Host<'_>,
        env: Option<&[u8]>,
        given: Option<&'a [u8]>,
        counters: &mut Counters,
        trace: &mut impl Trace,
    ) -> Result<Option<Cow<'a, [u8]>>, Refusal> {
        let found = self.hosts.mappings.find(host);
        let authority = match found.as_ref().and_then(|found| self.hosts.target(found)) {
            None => None,
            Some(Target::Text(text)) => Some(Cow::Borrowed(text)),
            Some(Target::Template(template)) => mapped_by(template, host, env, given, counters)?,
        };
        trace.step(|| Step::Mapping {
            host: text(host.text()).to_owned(),
            pattern: found.map(|found| text(found.key).to_owned()),
            authority: authority.as_deref().map(|authority| text(authority).to_owned()),
        });
        Ok(authority)
    }

    /// The client's own authority in canonical form, with the host that a subdomain source left of
    /// it.
    #[inline(always)]
    fn unmapped<'a>(&self, authority: &Authority<'a>, shortened: Option<&[u8]>) -> Cow<'a, [u8]> {
        match (shortened, self.hosts.port) {
            (None, Port::Keep) => authority.to_text(),
            (None, Port::Strip) => authority.to_host(),
            (Some(host), Port::Keep) => Cow::Owned([host, authority.colon_port_bytes()].concat()),
            (Some(host), Port::Strip) => Cow::Owned(host.to_owned()),
        }
    }

    /// Refuses a host that a private pattern matches.
    #[inline]
    fn judge_private(
        &self,
        host: impl FnOnce() -> String,
        found: Option<Record<'_>>,
        counters: &mut Counters,
        trace: &mut impl Trace,
    ) -> Result<(), Refusal> {
        trace.step(|| Step::Private {
            host: host(),
            pattern: found.map(|found| text(found.key).to_owned()),
        });
        if found.is_some() {
            counters.host = Some(Counter::HostPrivate);
            return Err(Refusal::HostPrivate);
        }
        Ok(())
    }
}

fn authority_step(raw: &[u8]) -> Step {
    let authority = Authority::parse(raw);
    Step::Authority {
        canonical: authority.as_ref().ok().map(|authority| authority.as_str().to_owned()),
        invalid: authority.as_ref().err().map(ToString::to_string),
    }
}

/// The authority that the environment's hint gives.
#[inline(always)]
fn hint<'a>(
    environments: &'a Environments,
    chosen: &Chosen<'a>,
    host: Option<&Host<'_>>,
    given: Option<&'a [u8]>,
    counters: &mut Counters,
) -> Result<Option<Cow<'a, [u8]>>, Refusal> {
    match &chosen.environment {
        Some(Environment { authority: Some(known), .. }) => Ok(Some(Cow::Borrowed(known))),
        Some(Environment { name, .. }) => {
            hint_for_request(environments, name, host, given, counters)
        }
        None => Ok(None),
    }
}

/// The authority of a hint that depends on more than an environment that the policy lists.
#[inline(never)]
fn hint_for_request<'a>(
    environments: &'a Environments,
    env: &[u8],
    host: Option<&Host<'_>>,
    given: Option<&'a [u8]>,
    counters: &mut Counters,
) -> Result<Option<Cow<'a, [u8]>>, Refusal> {
    let Some(template) = &environments.hints.authority else { return Ok(None) };
    authority_of(
        template,
        Values { env: Some(env), host: host.map(Host::text), labels: None },
        given,
        counters,
    )
}

#[inline(never)]
fn mapped_by<'a>(
    template: &'a Template,
    host: &Host<'_>,
    env: Option<&[u8]>,
    given: Option<&'a [u8]>,
    counters: &mut Counters,
) -> Result<Option<Cow<'a, [u8]>>, Refusal> {
    let labels = Labels::of(host.text());
    authority_of(
        template,
        Values { env, host: Some(host.text()), labels: Some(&labels) },
        given,
        counters,
    )
}

/// What a template gives, or nothing if a value that it needs is missing. Labels may grow together
/// beyond what a host may be, and an IP literal is no part of a name, which no compiler can
/// foresee. `given` is an authority that is known to be canonical, as every result is; where it is
/// the result, it serves as it is.
#[inline(never)]
fn authority_of<'a>(
    template: &'a Template,
    values: Values<'_>,
    given: Option<&'a [u8]>,
    counters: &mut Counters,
) -> Result<Option<Cow<'a, [u8]>>, Refusal> {
    if let Some(text) = template.as_literal() {
        return Ok(Some(Cow::Borrowed(text.as_bytes())));
    }
    if let Some(given) = given.filter(|given| template.gives(values, given)) {
        return Ok(Some(Cow::Borrowed(given)));
    }
    let Some(expanded) = template.expand(values) else { return Ok(None) };
    let canonical = match Authority::parse(&expanded) {
        Ok(authority) if authority.given().is_some() => None,
        Ok(authority) => Some(authority.to_text().into_owned()),
        Err(_) => {
            counters.host = Some(Counter::HostInvalid);
            return Err(Refusal::HostUnmappable);
        }
    };
    Ok(Some(Cow::Owned(canonical.unwrap_or(expanded))))
}
