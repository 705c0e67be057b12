//! Health checks: how a load balancer's probe is recognised, and what happens to it. A probe is a
//! request that meets every condition of a rule. A rule without a condition is refused, because it
//! would match every request.

mod condition;
mod prefilter;
mod text_match;

use crate::document::{Context, Read, Section, Seen, Value};
use crate::errors::{Path, Place, PolicyErrorKind};
use crate::headers::HeaderUses;
use crate::host::Authority;
use crate::policy_fingerprint::{PolicyFingerprint, place};
use condition::{Condition, MatchSection};
use prefilter::Prefilter;

pub(crate) use condition::Candidate;
pub use condition::ConditionKind;

/// How many health checks a policy may have.
pub const MAX_HEALTH_CHECKS: usize = 64;

/// The statuses of responses that cannot have a body (RFC 9110 §15.3.5, §15.3.6, §15.4.5).
const WITHOUT_BODY: [u16; 3] = [204, 205, 304];

/// What happens to a probe.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Rewrite { authority: Option<Box<str>>, path: Option<Box<str>> },
    Respond { status: u16, body: Box<str> },
    Pass,
}

/// One health check.
#[derive(Debug)]
pub(crate) struct HealthCheck {
    pub name: Box<str>,
    conditions: Vec<Condition>,
    pub action: Action,
}

/// The health checks of a policy, in its order.
#[derive(Debug, Default)]
pub(crate) struct HealthChecks {
    checks: Vec<HealthCheck>,
    prefilter: Prefilter,
}

impl HealthChecks {
    pub fn iter(&self) -> impl Iterator<Item = &HealthCheck> {
        self.checks.iter()
    }

    /// Whether a check may match a request with this user agent.
    #[inline]
    pub fn may_match(&self, user_agent: Option<&[u8]>) -> bool {
        self.prefilter.may_match(user_agent)
    }

    /// The first check that matches, and its number. `compared` is called for every check that was
    /// compared, with the first of its conditions that does not hold.
    pub fn first_match(
        &self,
        request: &Candidate<'_>,
        mut compared: impl FnMut(&HealthCheck, Option<ConditionKind>),
    ) -> Option<(usize, &HealthCheck)> {
        self.checks.iter().enumerate().find(|(number, check)| {
            let bit = check_bit(*number);
            let failed = check.conditions.iter().find(|condition| !condition.holds(bit, request));
            compared(check, failed.map(Condition::kind));
            failed.is_none()
        })
    }

    /// Adds the checks to a policy's fingerprint. Their order counts.
    pub fn add_to(&self, fingerprint: &mut PolicyFingerprint) {
        for (number, check) in self.checks.iter().enumerate() {
            let place = place(number);
            fingerprint.add_pair("healthChecks.name", &place, &check.name);
            match &check.action {
                Action::Rewrite { authority, path } => {
                    let texts = [("authority", authority), ("path", path)];
                    for (name, text) in texts {
                        let Some(text) = text else { continue };
                        let field = ["healthChecks.rewrite.", name].concat();
                        fingerprint.add_pair(&field, &place, text);
                    }
                }
                Action::Respond { status, body } => {
                    let status = self::place(usize::from(*status));
                    fingerprint.add_pair("healthChecks.respond.status", &place, &status);
                    fingerprint.add_pair("healthChecks.respond.body", &place, body);
                }
                Action::Pass => fingerprint.add_pair("healthChecks.pass", &place, ""),
            }
            let conditions = check.conditions.iter();
            conditions.for_each(|condition| condition.add_to(&place, fingerprint));
        }
    }

    /// Adds the headers that the scan must look for to the table.
    pub fn register(&self, headers: &mut HeaderUses) {
        for (number, check) in self.checks.iter().enumerate() {
            let bit = check_bit(number);
            check.conditions.iter().for_each(|condition| condition.register(bit, headers));
        }
    }
}

/// The bit of a health check in a set of checks. There are at most 64 checks, so a `u64` holds
/// them.
fn check_bit(number: usize) -> u64 {
    u32::try_from(number).ok().and_then(|number| 1u64.checked_shl(number)).unwrap_or(0)
}

/// Reads the list `healthChecks`.
pub(crate) fn read(context: &mut Context, value: Value<'_>) -> Read<HealthChecks> {
    let mut read = HealthChecks::default();
    let mut names: Vec<(String, Path)> = Vec::new();
    value.list(context, "health checks", MAX_HEALTH_CHECKS, &mut |context, value| {
        let check = value.section(context, HealthCheckSection::default())?;
        let Some(HealthCheckSection { name: Some(name), conditions, action }) = check else {
            return Ok(());
        };
        let path = context.path().clone().key("name");
        match names.iter().find(|(known, _)| *known == name) {
            Some((_, first)) => {
                let kind = PolicyErrorKind::Duplicate { value: name.clone(), first: first.clone() };
                context.error_at(path, Place::Value, kind);
            }
            None => names.push((name.clone(), path)),
        }
        if let Some(action) = action {
            read.prefilter.add(&conditions);
            read.checks.push(HealthCheck { name: name.into(), conditions, action });
        }
        Ok(())
    })?;
    Ok(read)
}

const ACTIONS: &[&str] = &["rewrite", "respond", "pass"];

#[derive(Default)]
struct HealthCheckSection {
    name: Option<String>,
    conditions: Vec<Condition>,
    action: Option<Action>,
}

impl Section for HealthCheckSection {
    type Out = Self;
    const FIELDS: &'static [&'static str] = &["name", "match", "rewrite", "respond", "pass"];

    fn field(&mut self, context: &mut Context, name: &'static str, value: Value<'_>) -> Read {
        match name {
            "name" => self.name = value.parse(context, read_check_name)?,
            "match" => {
                let conditions = value.section(context, MatchSection::default())?;
                self.conditions = conditions.unwrap_or_default();
            }
            "rewrite" => self.action = value.section(context, RewriteSection::default())?,
            "respond" => self.action = value.section(context, RespondSection::default())?,
            _ => self.action = read_pass(context, value)?,
        }
        Ok(())
    }

    fn finish(self, context: &mut Context, seen: Seen) -> Option<Self> {
        context.require(seen, &["name", "match"]);
        context.require_one(seen, ACTIONS);
        if let Some(Action::Respond { status: 200..=299, .. }) = self.action
            && self.conditions.iter().any(Condition::is_grpc_health)
        {
            let path = context.path().clone().key("respond");
            context.error_at(path, Place::Key, PolicyErrorKind::GrpcHealthRespond);
        }
        Some(self)
    }
}

/// Whether a text may be a health check's name, which becomes a part of a counter's name.
#[must_use]
pub fn is_check_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn read_check_name(text: &str) -> Result<String, PolicyErrorKind> {
    if is_check_name(text) {
        Ok(text.to_owned())
    } else {
        Err(PolicyErrorKind::Name(text.to_owned()))
    }
}

/// Reads `pass: {}`, or `pass:` with nothing behind it, which means the same.
fn read_pass(context: &mut Context, value: Value<'_>) -> Read<Option<Action>> {
    if let Value::Null = value {
        return Ok(Some(Action::Pass));
    }
    let nothing =
        &mut |context: &mut Context, _, value: Value<'_>| value.refuse(context, "nothing");
    let read = value.fields(context, &[], None, nothing)?;
    Ok(read.map(|_| Action::Pass))
}

#[derive(Default)]
struct RewriteSection {
    authority: Option<Box<str>>,
    path: Option<Box<str>>,
}

impl Section for RewriteSection {
    type Out = Action;
    const FIELDS: &'static [&'static str] = &["authority", "path"];
    const BARE: Option<&'static str> = Some("path");

    fn field(&mut self, context: &mut Context, name: &'static str, value: Value<'_>) -> Read {
        match name {
            "authority" => self.authority = value.parse(context, read_authority)?,
            _ => self.path = value.parse(context, read_path)?,
        }
        Ok(())
    }

    fn finish(self, context: &mut Context, seen: Seen) -> Option<Action> {
        context.require_any(seen, Self::FIELDS);
        Some(Action::Rewrite { authority: self.authority, path: self.path })
    }
}

fn read_authority(text: &str) -> Result<Box<str>, PolicyErrorKind> {
    match Authority::parse(text.as_bytes()) {
        Ok(authority) => Ok(authority.as_str().into()),
        Err(error) => Err(PolicyErrorKind::Authority { value: text.to_owned(), error }),
    }
}

fn read_path(text: &str) -> Result<Box<str>, PolicyErrorKind> {
    let is_path = text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    if is_path { Ok(text.into()) } else { Err(PolicyErrorKind::RewritePath(text.to_owned())) }
}

#[derive(Default)]
struct RespondSection {
    status: Option<u16>,
    body: Option<String>,
}

impl Section for RespondSection {
    type Out = Action;
    const FIELDS: &'static [&'static str] = &["status", "body"];
    const BARE: Option<&'static str> = Some("status");

    fn field(&mut self, context: &mut Context, name: &'static str, value: Value<'_>) -> Read {
        match name {
            "status" => {
                let status = value.integer(context)?.map(read_status);
                self.status = status.and_then(|status| context.check(status));
            }
            _ => {
                self.body = value.text(context)?.map(str::to_owned);
            }
        }
        Ok(())
    }

    fn finish(self, context: &mut Context, seen: Seen) -> Option<Action> {
        context.require(seen, &["status"]);
        let (status, body) = (self.status?, self.body.unwrap_or_default());
        if WITHOUT_BODY.contains(&status) && !body.is_empty() {
            let path = context.path().clone().key("body");
            context.error_at(path, Place::Value, PolicyErrorKind::BodyForStatus(status));
        }
        Some(Action::Respond { status, body: body.into() })
    }
}

fn read_status(status: i64) -> Result<u16, PolicyErrorKind> {
    let valid = u16::try_from(status).ok().filter(|status| (200..=599).contains(status));
    valid.ok_or(PolicyErrorKind::Status(status))
}
