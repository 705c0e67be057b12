//! A policy document, compiled: read once, every fault gathered, and what is left is tables that a
//! decision looks things up in.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::decision::Counter;
use crate::environment::{Environments, EnvironmentsSection};
use crate::fault::{Fault, FaultKind, Path, Place};
use crate::header::{HeaderTable, Marks, Use, read_name};
use crate::health_check::{Agents, HealthCheck, HealthCheckSection, MAX_HEALTH_CHECKS};
use crate::hosts::{Hosts, HostsSection};
#[cfg(feature = "serde")]
use crate::reader::read_serde;
use crate::reader::{
    Broken, Choice, Context, List, Object, Parsed, Section, Seen, Take, Value, read_json,
};

/// The largest plugin configuration, in bytes.
pub const MAX_CONFIGURATION: usize = 8 * 1024 * 1024;
/// How many headers `strip` may name.
pub const MAX_STRIP: usize = 1024;

/// The version of the policy language that this engine reads.
pub const API_VERSION: &str = "gatepost/v1";

/// Whether a policy changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Decisions are carried out.
    #[default]
    Enforce,
    /// Decisions are made and counted, and every request goes on as it came.
    Observe,
}

/// A compiled policy.
#[derive(Debug, Default)]
pub struct Policy {
    /// An empty configuration: every request passes untouched.
    pub(crate) empty: bool,
    pub(crate) mode: Mode,
    pub(crate) health_checks: Vec<HealthCheck>,
    pub(crate) agents: Agents,
    pub(crate) environments: Option<Environments>,
    pub(crate) hosts: Hosts,
    pub(crate) headers: HeaderTable,
}

impl Policy {
    /// The policy of an empty configuration: every request passes untouched.
    #[must_use]
    pub fn pass_through() -> Self {
        Self { empty: true, ..Self::default() }
    }

    /// Whether this is [`Policy::pass_through`].
    #[must_use]
    pub fn is_pass_through(&self) -> bool {
        self.empty
    }

    /// Whether decisions are to be carried out.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The counters that this policy's decisions may raise, each with its name. Their number is
    /// bounded by the policy.
    #[must_use]
    #[inline(never)]
    pub fn counters(&self) -> Vec<(Counter, String)> {
        let mut counters = Vec::new();
        for (number, check) in self.health_checks.iter().enumerate() {
            let name = ["gatepost.health_check.", &check.name].concat();
            counters.push((Counter::HealthCheck(u8::try_from(number).unwrap_or(u8::MAX)), name));
        }
        for (some, is_raised) in
            [(Counter::ENVIRONMENT, self.environments.is_some()), (Counter::HOST, !self.empty)]
        {
            if is_raised {
                some.iter()
                    .for_each(|counter| counters.push((*counter, counter.fixed_name().to_owned())));
            }
        }
        counters
    }

    pub(crate) fn is_guarded(&self, name: &[u8]) -> Option<&str> {
        self.headers
            .find(name)
            .filter(|(_, roles)| roles.marks.has(Marks::GUARDED))
            .map(|(name, _)| name)
    }
}

/// Compiles the plugin configuration that the filter receives: JSON, or nothing at all (no bytes,
/// white space, `null` or `{}`), which is [`Policy::pass_through`].
///
/// # Errors
/// Every fault of the document. A document with a fault gives no policy.
#[inline(never)]
pub fn compile_json(configuration: &[u8]) -> Result<Policy, Vec<Fault>> {
    let whole = |kind| vec![Fault { path: Path::default(), place: Place::Value, kind }];
    if configuration.len() > MAX_CONFIGURATION {
        return Err(whole(FaultKind::ConfigurationTooLarge {
            size: configuration.len(),
            limit: MAX_CONFIGURATION,
        }));
    }
    if is_nothing(configuration) {
        return Ok(Policy::pass_through());
    }
    read(|take| read_json(configuration, take))
}

/// Compiles a document of any format that serde reads.
///
/// # Errors
/// Every fault of the document; an error of the format itself is a [`FaultKind::Syntax`].
#[cfg(feature = "serde")]
pub fn compile<'de, D: serde::de::Deserializer<'de>>(document: D) -> Result<Policy, Vec<Fault>> {
    use alloc::string::ToString;

    read(|take| read_serde(document, take).map_err(|error| error.to_string()))
}

/// Reads a document with what reads its format.
fn read(document: impl FnOnce(&mut Take<'_>) -> Result<(), String>) -> Result<Policy, Vec<Fault>> {
    let mut context = Context::default();
    let mut policy = None;
    let read = document(&mut |given| {
        policy = Value::new(&mut context, given).read(Object(PolicySection::default()))?;
        Ok(())
    });
    if let Err(message) = read {
        context.fault_at(Path::default(), Place::Value, FaultKind::Syntax(message));
    }
    match policy {
        Some(policy) if context.is_clean() => Ok(policy),
        _ => Err(context.into_faults()),
    }
}

/// Istio sends an empty `pluginConfig` as no bytes; a Struct without fields arrives as `{}`.
fn is_nothing(configuration: &[u8]) -> bool {
    let text = without_white_space(configuration);
    let object = text.strip_prefix(b"{").and_then(|text| text.strip_suffix(b"}"));
    text.is_empty()
        || text == b"null"
        || object.is_some_and(|inside| without_white_space(inside).is_empty())
}

/// Without JSON's white space around it, of which a form feed is none.
fn without_white_space(text: &[u8]) -> &[u8] {
    let is_ink = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let start = text.iter().position(is_ink).unwrap_or(text.len());
    let end = text.iter().rposition(is_ink).map_or(start, |last| last.saturating_add(1));
    text.get(start..end).unwrap_or_default()
}

#[derive(Default)]
struct PolicySection {
    policy: Policy,
    strip: Vec<String>,
}

impl Section for PolicySection {
    type Out = Policy;
    const FIELDS: &'static [&'static str] =
        &["apiVersion", "mode", "healthChecks", "strip", "environments", "hosts"];

    fn field(&mut self, name: &'static str, value: Value<'_>) -> Result<(), Broken> {
        let policy = &mut self.policy;
        match name {
            "apiVersion" => {
                value.read(Parsed(|text: &str| match text {
                    API_VERSION => Ok(()),
                    other => Err(FaultKind::ApiVersion(Some(other.to_owned()))),
                }))?;
            }
            "mode" => {
                let choice = Choice(&["enforce", "observe"], &[Mode::Enforce, Mode::Observe]);
                policy.mode = value.read(choice)?.unwrap_or_default();
            }
            "healthChecks" => {
                let checks = &mut policy.health_checks;
                let mut names: Vec<(Box<str>, Path)> = Vec::new();
                let take = |context: &mut Context, check: HealthCheck| {
                    let here = context.path().clone().key("name");
                    if let Some((_, first)) = names.iter().find(|(name, _)| *name == check.name) {
                        let kind = FaultKind::Duplicate {
                            value: check.name.clone().into(),
                            first: first.clone(),
                        };
                        context.fault_at(here, Place::Value, kind);
                    } else {
                        names.push((check.name.clone(), here));
                    }
                    checks.push(check);
                };
                let make = || Object(HealthCheckSection::default());
                value.read(List { what: "health checks", limit: MAX_HEALTH_CHECKS, make, take })?;
            }
            "strip" => {
                let strip = &mut self.strip;
                let make = || Parsed(|text: &str| read_name(text, Use::Remove));
                let take = |_: &mut Context, name| strip.push(name);
                value.read(List { what: "headers to strip", limit: MAX_STRIP, make, take })?;
            }
            "environments" => {
                policy.environments = value.read(Object(EnvironmentsSection::default()))?
            }
            _ => policy.hosts = value.read(Object(HostsSection::default()))?.unwrap_or_default(),
        }
        Ok(())
    }

    fn finish(self, context: &mut Context, seen: Seen) -> Option<Policy> {
        let mut policy = self.policy;
        if !seen.has("apiVersion") {
            context.fault(FaultKind::ApiVersion(None));
        }
        for number in core::mem::take(&mut policy.hosts.needs_env)
            .into_iter()
            .filter(|_| !seen.has("environments"))
        {
            let mapping = Path::default().key("hosts").key("mappings").index(number as usize);
            context.fault_at(mapping.key("authority"), Place::Value, FaultKind::NoEnvironments);
        }
        let headers = &mut policy.headers;
        for (number, check) in policy.health_checks.iter().enumerate() {
            check.register(number, headers);
        }
        for name in &self.strip {
            if let Some(roles) = headers.roles_mut(name) {
                roles.marks |= Marks::GUARDED;
            }
        }
        if let Some(environments) = &policy.environments {
            environments.register(headers);
            let hints = &environments.hints.headers;
            let original = policy.hosts.original_host.as_deref();
            if let Some(name) =
                original.filter(|name| hints.iter().any(|hint| &*hint.name == *name))
            {
                let hints = Path::default().key("environments").key("hints").key("headers");
                let kind = FaultKind::Duplicate { value: name.to_owned(), first: hints };
                context.fault_at(
                    Path::default().key("hosts").key("originalHost"),
                    Place::Value,
                    kind,
                );
            }
        }
        policy.hosts.register(headers);
        policy.agents = Agents::of(&policy.health_checks);
        Some(policy)
    }
}
