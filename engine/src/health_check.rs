//! Health checks: how a balancer's probe is known, and what becomes of it. A probe is whatever
//! meets every condition that the rule gives; a rule without a condition is refused, because it
//! would take every request.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::authority::Authority;
use crate::cidr::Block;
use crate::fault::FaultKind;
use crate::header::{HeaderTable, Use, read_name};
use crate::reader::{Broken, Context, Object, Parsed, Reader, Scalar, Section, Seen, Value};
use crate::request::{SourceAddress, Survey};
use crate::text_match::{Compared, TextMatch, TextMatchSection};

/// How many health checks a policy may have.
pub const MAX_HEALTH_CHECKS: usize = 64;

const MAX_BODY: usize = 4096;

/// A condition of a health check, by its name in the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum Condition {
    /// `match.method`
    Method,
    /// `match.path`
    Path,
    /// `match.userAgent`
    UserAgent,
    /// `match.host`
    Host,
    /// `match.absentHeaders`
    AbsentHeaders,
    /// `match.sources`
    Sources,
}

impl Condition {
    /// Its field under `match`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Path => "path",
            Self::UserAgent => "userAgent",
            Self::Host => "host",
            Self::AbsentHeaders => "absentHeaders",
            Self::Sources => "sources",
        }
    }
}

/// What becomes of a probe.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Rewrite { authority: Option<Box<str>>, path: Option<Box<str>> },
    Respond { status: u16, body: Box<str> },
    Pass,
}

#[derive(Debug)]
pub(crate) struct HealthCheck {
    pub name: Box<str>,
    conditions: Conditions,
    pub action: Action,
}

#[derive(Debug, Default)]
struct Conditions {
    user_agent: Option<TextMatch>,
    method: Option<TextMatch>,
    path: Option<TextMatch>,
    host: Option<TextMatch>,
    absent_headers: Option<Vec<String>>,
    sources: Option<Vec<Block>>,
}

/// What is told of a request at a glance: whether it can be a probe at all. Most requests come from
/// browsers, and no health check knows a browser.
#[derive(Debug, Default)]
pub(crate) struct Agents {
    /// Bit n of 256: a check knows user agents that begin with byte n.
    first: [u64; 4],
    /// A check asks for no user agent, or for its end.
    any: bool,
    /// A check asks for a host.
    pub hosts: bool,
}

impl Agents {
    pub fn of(checks: &[HealthCheck]) -> Self {
        let mut agents = Self::default();
        for conditions in checks.iter().map(|check| &check.conditions) {
            agents.hosts |= conditions.host.is_some();
            match &conditions.user_agent {
                Some(TextMatch::Exact(text) | TextMatch::Prefix(text)) => {
                    let (word, bit) = first_byte(text.as_bytes());
                    agents.first.get_mut(word).into_iter().for_each(|word| *word |= bit);
                }
                Some(TextMatch::Suffix(_)) | None => agents.any = true,
            }
        }
        agents
    }

    /// Whether a check may know the request's user agent.
    #[inline]
    pub fn may_know(&self, agent: Option<&[u8]>) -> bool {
        let (word, bit) = first_byte(agent.unwrap_or_default());
        self.any || self.first.get(word).is_some_and(|word| word & bit != 0)
    }
}

#[inline]
fn first_byte(text: &[u8]) -> (usize, u64) {
    let byte = text.first().copied().unwrap_or(0);
    (usize::from(byte >> 6), 1u64.rotate_left(u32::from(byte & 63)))
}

impl HealthCheck {
    /// The first condition that does not hold; nothing when it is a probe. `number` is the check's
    /// place in the policy, `host` the canonical host, if the request has a valid one. The source
    /// address is asked for last, because it costs.
    pub fn first_failed(
        &self,
        number: usize,
        survey: &Survey<'_>,
        host: Option<&[u8]>,
        source: &impl SourceAddress,
    ) -> Option<Condition> {
        let fails = |condition: &Option<TextMatch>, value: &[u8]| {
            condition.as_ref().is_some_and(|m| !m.holds(value))
        };
        let conditions = &self.conditions;
        if fails(&conditions.method, survey.method()) {
            return Some(Condition::Method);
        }
        if conditions.path.as_ref().is_some_and(|path| !path.holds_for_path(survey.path())) {
            return Some(Condition::Path);
        }
        if conditions
            .user_agent
            .as_ref()
            .is_some_and(|m| !survey.user_agent().is_some_and(|value| m.holds(value)))
        {
            return Some(Condition::UserAgent);
        }
        if conditions.host.as_ref().is_some_and(|m| !host.is_some_and(|host| m.holds(host))) {
            return Some(Condition::Host);
        }
        if survey.vetoed & veto_bit(number) != 0 {
            return Some(Condition::AbsentHeaders);
        }
        let sources = conditions.sources.as_ref()?;
        let holds = source
            .source_address()
            .is_some_and(|address| sources.iter().any(|block| block.contains(address)));
        (!holds).then_some(Condition::Sources)
    }

    /// Tells the table of headers which ones must be absent for this check.
    pub fn register(&self, number: usize, headers: &mut HeaderTable) {
        for name in self.conditions.absent_headers.iter().flatten() {
            if let Some(roles) = headers.roles_mut(name) {
                roles.vetoes |= veto_bit(number);
            }
        }
    }
}

#[inline]
fn veto_bit(number: usize) -> u64 {
    u32::try_from(number).ok().and_then(|number| 1u64.checked_shl(number)).unwrap_or(0)
}

impl Section for Conditions {
    type Out = Self;
    const FIELDS: &'static [&'static str] =
        &["userAgent", "method", "path", "host", "sources", "absentHeaders"];

    fn field(&mut self, name: &'static str, value: Value<'_>) -> Result<(), Broken> {
        let text = |compared| Object(TextMatchSection::new(compared));
        match name {
            "userAgent" => self.user_agent = value.read(text(Compared::UserAgent))?,
            "method" => self.method = value.read(text(Compared::Method))?,
            "path" => self.path = value.read(text(Compared::Path))?,
            "host" => self.host = value.read(text(Compared::Host))?,
            "sources" => self.sources = read_list(value, "source blocks", Block::parse)?,
            _ => {
                self.absent_headers =
                    read_list(value, "absent headers", |text| read_name(text, Use::Read))?
            }
        }
        Ok(())
    }

    fn finish(self, context: &mut Context, seen: Seen) -> Option<Self> {
        context.require_any(seen, <Self as Section>::FIELDS);
        Some(self)
    }
}

/// A list of strings that may not be empty.
fn read_list<T>(
    value: Value<'_>,
    what: &'static str,
    parse: impl Fn(&str) -> Result<T, FaultKind>,
) -> Result<Option<Vec<T>>, Broken> {
    let mut list = Vec::new();
    let read = value.elements(what, 1024, &mut |value| {
        list.extend(value.read(Parsed(&parse))?);
        Ok(())
    });
    if let Some((context, 0)) = read? {
        context.fault(FaultKind::EmptyList);
    }
    Ok(Some(list))
}

#[derive(Default)]
struct RewriteSection {
    authority: Option<Box<str>>,
    path: Option<Box<str>>,
}

impl Section for RewriteSection {
    type Out = Action;
    const FIELDS: &'static [&'static str] = &["authority", "path"];

    fn field(&mut self, name: &'static str, value: Value<'_>) -> Result<(), Broken> {
        match name {
            "authority" => self.authority = value.read(Parsed(read_authority))?,
            _ => self.path = value.read(Parsed(read_path))?,
        }
        Ok(())
    }

    fn finish(self, context: &mut Context, seen: Seen) -> Option<Action> {
        context.require_any(seen, <Self as Section>::FIELDS);
        Some(Action::Rewrite { authority: self.authority, path: self.path })
    }
}

fn read_authority(text: &str) -> Result<Box<str>, FaultKind> {
    match Authority::parse(text.as_bytes()) {
        Ok(authority) => Ok(authority.as_str().into()),
        Err(error) => Err(FaultKind::Authority { value: text.to_owned(), error }),
    }
}

fn read_path(text: &str) -> Result<Box<str>, FaultKind> {
    let valid = text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    if valid { Ok(text.into()) } else { Err(FaultKind::RewritePath(text.to_owned())) }
}

#[derive(Default)]
struct RespondSection {
    status: u16,
    body: Option<String>,
}

impl Section for RespondSection {
    type Out = Action;
    const FIELDS: &'static [&'static str] = &["status", "body"];

    fn field(&mut self, name: &'static str, value: Value<'_>) -> Result<(), Broken> {
        match name {
            "status" => self.status = value.read(Status)?.unwrap_or_default(),
            _ => {
                self.body = value.read(Parsed(|text: &str| match text.len() {
                    0..=MAX_BODY => Ok(text.to_owned()),
                    _ => Err(FaultKind::TooMany { what: "bytes of body", limit: MAX_BODY }),
                }))?;
            }
        }
        Ok(())
    }

    fn finish(self, context: &mut Context, seen: Seen) -> Option<Action> {
        context.require(seen, &["status"]);
        Some(Action::Respond { status: self.status, body: self.body.unwrap_or_default().into() })
    }
}

struct Status;

impl Reader for Status {
    type Out = u16;

    fn read(self, value: Value<'_>) -> Result<Option<u16>, Broken> {
        let Some((context, status)) = value.integer()? else { return Ok(None) };
        let valid = u16::try_from(status).ok().filter(|status| (200..=599).contains(status));
        Ok(context.check(valid.ok_or(FaultKind::Status(status))))
    }
}

/// `pass: {}`, or `pass:` with nothing behind it, which means the same to a person.
struct Pass;

impl Reader for Pass {
    type Out = Action;

    fn read(self, value: Value<'_>) -> Result<Option<Action>, Broken> {
        if let Some(Scalar::Null) = value.as_scalar() {
            return Ok(Some(Action::Pass));
        }
        let read = value.fields("an empty object", &[], &mut |_, value| value.refuse("nothing"))?;
        Ok(read.map(|_| Action::Pass))
    }
}

#[derive(Default)]
pub(crate) struct HealthCheckSection {
    name: Option<String>,
    conditions: Conditions,
    action: Option<Action>,
}

const ACTIONS: &[&str] = &["rewrite", "respond", "pass"];

impl Section for HealthCheckSection {
    type Out = HealthCheck;
    const FIELDS: &'static [&'static str] = &["name", "match", "rewrite", "respond", "pass"];

    fn field(&mut self, name: &'static str, value: Value<'_>) -> Result<(), Broken> {
        match name {
            "name" => self.name = value.read(Parsed(read_check_name))?,
            "match" => {
                self.conditions = value.read(Object(Conditions::default()))?.unwrap_or_default()
            }
            "rewrite" => self.action = value.read(Object(RewriteSection::default()))?,
            "respond" => self.action = value.read(Object(RespondSection::default()))?,
            _ => self.action = value.read(Pass)?,
        }
        Ok(())
    }

    fn finish(self, context: &mut Context, seen: Seen) -> Option<HealthCheck> {
        context.require(seen, &["name", "match"]);
        context.require_one(seen, ACTIONS);
        Some(HealthCheck {
            name: self.name?.into(),
            conditions: self.conditions,
            action: self.action?,
        })
    }
}

fn read_check_name(text: &str) -> Result<String, FaultKind> {
    let valid = (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if valid { Ok(text.to_owned()) } else { Err(FaultKind::Name(text.to_owned())) }
}
