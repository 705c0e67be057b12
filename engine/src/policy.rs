//! A policy document, compiled: it is read once, all its errors are gathered, and the result is
//! the tables that decisions look up.

use std::collections::HashSet;

use crate::counter::Counter;
use crate::document::{self, Context, Read, Section, Seen, Value};
use crate::environment::{Environments, EnvironmentsSection};
use crate::errors::{Path, Place, PolicyError, PolicyErrorKind};
use crate::headers::{HeaderTable, HeaderUses, NameUse, read_name};
use crate::health_check::{self, HealthChecks};
use crate::host::{Hosts, HostsSection};
use crate::policy_fingerprint::PolicyFingerprint;

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
    pub(crate) mode: Mode,
    pub(crate) health_checks: HealthChecks,
    pub(crate) environments: Option<Environments>,
    pub(crate) hosts: Hosts,
    /// Every header that a rule reads, sets or removes.
    pub(crate) headers: HeaderTable,
    warnings: Vec<PolicyError>,
}

impl Policy {
    /// Whether decisions are to be carried out.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The warnings: what the document's author should change, although the policy is accepted.
    #[must_use]
    pub fn warnings(&self) -> &[PolicyError] {
        &self.warnings
    }

    /// Whether a client may not send a header, or a trailer, of this name. Names that an upstream
    /// may take for a guarded one count as well: any case, and any punctuation in place of `-`.
    #[must_use]
    pub fn guards(&self, name: &[u8]) -> bool {
        self.headers.is_guarded(name)
    }

    /// The counters that this policy's decisions may raise, each with its name. Their number is
    /// bounded by the policy.
    #[must_use]
    pub fn counters(&self) -> Vec<(Counter, String)> {
        let checks = (0..).zip(self.health_checks.iter()).map(|(number, check)| {
            let name = format!("{}{}", Counter::HEALTH_CHECK_PREFIX, check.name);
            (Counter::HealthCheck(number), name)
        });
        let has_environments = self.environments.is_some();
        let fixed = Counter::FIXED
            .into_iter()
            .filter(|(counter, _)| has_environments || !counter.is_of_environments())
            .map(|(counter, name)| (counter, name.to_owned()));
        checks.chain(fixed).collect()
    }

    /// One number for what the policy means: at least 1, and below 2^52, so that a double holds it.
    ///
    /// It is the same for YAML and JSON, for any order of keys, for defaults that are written or
    /// omitted, and for any spelling of numbers, hosts and names; and on every machine and in every
    /// release. The order of a list counts where it decides: that of health checks and of
    /// environment sources. Policies of which one decides otherwise, answers otherwise or has other
    /// counters have different numbers, but for one pair in 2^52.
    ///
    /// It tells which policy is in force. It is no proof against an author who wants two policies
    /// to have one number: to find such a pair is easy. Nor does it say what a rule does: a later
    /// release may carry the same policy out in another way.
    #[must_use]
    #[inline(never)]
    pub fn fingerprint(&self) -> u64 {
        let mut fingerprint = PolicyFingerprint::default();
        fingerprint.add_pair("apiVersion", API_VERSION, "");
        if self.mode == Mode::Observe {
            fingerprint.add_pair("mode", "observe", "");
        }
        self.health_checks.add_to(&mut fingerprint);
        self.environments.iter().for_each(|environments| environments.add_to(&mut fingerprint));
        self.hosts.add_to(&mut fingerprint);
        self.headers.add_to(&mut fingerprint);
        fingerprint.number()
    }
}

/// Compiles the plugin configuration that the filter receives, which is JSON.
///
/// # Errors
/// Every error of the document. A document with an error gives no policy. An empty document (no
/// bytes, white space, `null` or `{}`) is an error.
pub fn compile_json(configuration: &[u8]) -> Result<Policy, Vec<PolicyError>> {
    let whole = |kind| vec![PolicyError { path: Path::default(), place: Place::Value, kind }];
    let size = configuration.len();
    if size > MAX_CONFIGURATION {
        let limit = MAX_CONFIGURATION;
        return Err(whole(PolicyErrorKind::ConfigurationTooLarge { size, limit }));
    }
    if is_empty(configuration) {
        return Err(whole(PolicyErrorKind::Empty));
    }
    let mut context = Context::default();
    let mut policy = None;
    let read = document::read(configuration, &mut |value| {
        policy = value.section(&mut context, PolicySection::default())?;
        Ok(())
    });
    if let Err(error) = read {
        context.error_at(Path::default(), Place::Value, PolicyErrorKind::Syntax(error.to_string()));
    }
    let warnings = context.finish()?;
    policy.map(|policy| Policy { warnings, ..policy }).ok_or_else(|| whole(PolicyErrorKind::Empty))
}

/// Istio sends an empty `pluginConfig` as no bytes; a Struct without fields arrives as `{}`.
fn is_empty(configuration: &[u8]) -> bool {
    let text = configuration.trim_ascii();
    let object = text.strip_prefix(b"{").and_then(|text| text.strip_suffix(b"}"));
    let has_no_fields = object.is_some_and(|fields| fields.trim_ascii().is_empty());
    text.is_empty() || text == b"null" || has_no_fields
}

#[derive(Default)]
struct PolicySection {
    policy: Policy,
    strip: HashSet<String>,
}

impl Section for PolicySection {
    type Out = Policy;
    const FIELDS: &'static [&'static str] =
        &["apiVersion", "mode", "healthChecks", "strip", "environments", "hosts"];

    fn field(&mut self, context: &mut Context, name: &'static str, value: Value<'_>) -> Read {
        let policy = &mut self.policy;
        match name {
            "apiVersion" => {
                value.parse(context, |text| match text {
                    API_VERSION => Ok(()),
                    other => Err(PolicyErrorKind::ApiVersion(other.to_owned())),
                })?;
            }
            "mode" => {
                let values = [Mode::Enforce, Mode::Observe];
                let choice = value.choice(context, &["enforce", "observe"], &values)?;
                policy.mode = choice.unwrap_or_default();
            }
            "healthChecks" => policy.health_checks = health_check::read(context, value)?,
            "strip" => {
                let Some(value) = value.unless_left_empty(context, name) else { return Ok(()) };
                let read = |text: &str| read_name(text, NameUse::Remove);
                value.list(context, "headers to strip", MAX_STRIP, &mut |context, value| {
                    self.strip.extend(value.parse(context, read)?);
                    Ok(())
                })?;
            }
            "environments" => {
                policy.environments = value.section(context, EnvironmentsSection::default())?;
            }
            _ => {
                let hosts = value.section(context, HostsSection::default())?;
                policy.hosts = hosts.unwrap_or_default();
            }
        }
        Ok(())
    }

    fn finish(self, context: &mut Context, seen: Seen) -> Option<Policy> {
        let mut policy = self.policy;
        if !seen.has_or_means("apiVersion") {
            context.error(PolicyErrorKind::NoApiVersion);
        }
        if !seen.has("environments") {
            let mappings = Path::default().key("hosts").key("mappings");
            for number in std::mem::take(&mut policy.hosts.needs_env) {
                let path = mappings.clone().index(number as usize).key("authority");
                context.error_at(path, Place::Value, PolicyErrorKind::NoEnvironments);
            }
        }
        check_original_host(&policy, context);
        warn_of_open_environment(&policy, context);
        let headers = &mut HeaderUses::default();
        policy.health_checks.register(headers);
        self.strip.iter().for_each(|name| headers.guard(name));
        policy.environments.iter_mut().for_each(|environments| environments.register(headers));
        policy.hosts.register(headers);
        policy.headers = HeaderTable::new(std::mem::take(headers));
        Some(policy)
    }
}

/// Adds a warning if a client's value goes into an authority unchecked: in a mesh it then chooses
/// among all namespaces.
fn warn_of_open_environment(policy: &Policy, context: &mut Context) {
    let open = policy.environments.as_ref().filter(|environments| environments.is_open());
    let Some(Environments { hints, .. }) = open else { return };
    let path = match (&hints.authority, policy.hosts.needs_env.first()) {
        (Some(authority), _) if authority.needs_env() => {
            Path::default().key("environments").key("hints").key("authority")
        }
        (_, Some(mapping)) => {
            let mappings = Path::default().key("hosts").key("mappings");
            mappings.index(*mapping as usize).key("authority")
        }
        (_, None) => return,
    };
    context.warn_at(path, PolicyErrorKind::OpenEnvironment);
}

/// Adds an error if one header is both a hint and `originalHost`.
fn check_original_host(policy: &Policy, context: &mut Context) {
    let (Some(environments), Some(name)) = (&policy.environments, &policy.hosts.original_host)
    else {
        return;
    };
    if environments.hints.headers.iter().any(|hint| hint.name == *name) {
        let first = Path::default().key("environments").key("hints").key("headers");
        let kind = PolicyErrorKind::Duplicate { value: name.to_string(), first };
        let path = Path::default().key("hosts").key("originalHost");
        context.error_at(path, Place::Value, kind);
    }
}
