//! Environments: which values name one, where a request may name it, and the hints that the
//! gateway's routes match.

mod hints;
mod name_patterns;
mod names;
mod pin;
mod select;
mod source;

use std::borrow::Cow;
use std::sync::Arc;

use crate::document::{Context, Read, Section, Seen, Value};
use crate::errors::{Path, Place, PolicyErrorKind};
use crate::headers::HeaderUses;
use crate::policy_fingerprint::{PolicyFingerprint, place};
use hints::HintsSection;
use name_patterns::{NamePattern, Refused};
use names::read_name;
use source::{SourceSection, is_emptied};

pub use hints::MAX_HINT_HEADERS;
pub(crate) use hints::{Hint, Hints};
pub use name_patterns::MAX_NAME_PATTERNS;
pub(crate) use names::{Environment, Names};
pub use pin::MAX_COOKIE_AGE;
pub(crate) use select::{Selection, select_environment};
pub(crate) use source::Source;

/// How many environments a policy may allow, and how many aliases it may give them.
pub const MAX_ENVIRONMENTS: usize = 50_000;
/// How many sources a policy may name.
pub const MAX_SOURCES: usize = 16;

/// What happens to a request whose value names no environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Unknown {
    #[default]
    Reject,
    Default,
    Ignore,
}

/// Whether responses say which request headers chose the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Vary {
    #[default]
    Add,
    Keep,
}

/// The part of a policy that is about environments.
#[derive(Debug)]
pub(crate) struct Environments {
    pub sources: Vec<Source>,
    /// What `Vary` of a response gains, by how many sources were asked for the environment. Shared
    /// with the responses that are still to come.
    vary: Vec<Option<Arc<str>>>,
    pub names: Names,
    default: Option<FixedEnvironment>,
    preflight: Option<FixedEnvironment>,
    pub unknown: Unknown,
    pub hints: Hints,
}

/// An environment that the policy gives to requests that name none.
#[derive(Debug)]
struct FixedEnvironment {
    name: Box<[u8]>,
    authority: Option<Box<[u8]>>,
}

impl FixedEnvironment {
    fn environment(&self) -> Environment<'_> {
        Environment { name: Cow::Borrowed(&self.name), authority: self.authority.as_deref() }
    }
}

impl Environments {
    /// The environment of requests that name none.
    pub fn default_environment(&self) -> Option<Environment<'_>> {
        self.default.as_ref().map(FixedEnvironment::environment)
    }

    /// The environment of CORS preflights that name none.
    pub fn preflight_environment(&self) -> Option<Environment<'_>> {
        self.preflight.as_ref().map(FixedEnvironment::environment)
    }

    /// Whether the query ends the pin whose cookie this source reads: `?env=`.
    fn forgets(&self, cookie: &Source, query: &[u8]) -> bool {
        let Source::Cookie { name: cookie, is_pin: true } = cookie else { return false };
        self.sources.iter().any(|source| match source {
            Source::Query { name, pin: Some(pin) } => {
                pin.cookie == *cookie && is_emptied(query, name)
            }
            _ => false,
        })
    }

    /// What `Vary` of a response gains when this many sources were asked.
    pub fn vary(&self, asked: usize) -> Option<&Arc<str>> {
        self.vary.get(asked)?.as_ref()
    }

    /// Whether a client may name any DNS label.
    pub fn is_open(&self) -> bool {
        self.names.allows_any() && self.has_sources()
    }

    /// Whether a request can name an environment.
    pub fn has_sources(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Adds the environments to a policy's fingerprint. The order of the sources counts.
    pub fn add_to(&self, fingerprint: &mut PolicyFingerprint) {
        for (number, source) in self.sources.iter().enumerate() {
            source.add_to(&place(number), fingerprint);
        }
        // Without a source in a header there is nothing to add to `Vary`.
        if self.vary.iter().any(Option::is_some) {
            fingerprint.add_pair("environments.vary", "add", "");
        }
        let fixed = [("default", &self.default), ("preflight", &self.preflight)];
        for (field, environment) in fixed {
            if let Some(FixedEnvironment { name, .. }) = environment {
                fingerprint.add(&["environments.", field].concat(), &[name, b""]);
            }
        }
        let unknown = match self.unknown {
            Unknown::Reject => None,
            Unknown::Default => Some("default"),
            Unknown::Ignore => Some("ignore"),
        };
        if let Some(unknown) = unknown {
            fingerprint.add_pair("environments.unknown", unknown, "");
        }
        self.names.add_to(fingerprint);
        self.hints.add_to(fingerprint);
    }

    /// Guards the headers that only the gateway may set, and has the scan find the first header
    /// that names an environment.
    pub fn register(&mut self, headers: &mut HeaderUses) {
        self.hints.headers.iter().for_each(|hint| headers.guard(&hint.name));
        let first = self.sources.iter_mut().find_map(|source| match source {
            Source::Header { name, is_scanned } => Some((name, is_scanned)),
            _ => None,
        });
        if let Some((name, is_scanned)) = first {
            *is_scanned = headers.source(name);
        }
    }
}

#[derive(Default)]
pub(crate) struct EnvironmentsSection {
    sources: Vec<Source>,
    /// How many sources the document gave, invalid ones included.
    source_count: usize,
    allow: Option<Names>,
    aliases: Vec<Alias>,
    default: Option<String>,
    preflight: Option<String>,
    vary: Vary,
    unknown: Unknown,
    hints: Hints,
}

/// An entry of the allow-list.
enum Allowed {
    Name(String),
    Pattern(NamePattern),
}

impl Allowed {
    fn read(text: &str) -> Result<Self, PolicyErrorKind> {
        match text.contains('*') {
            true => NamePattern::read(text).map(Self::Pattern),
            false => read_name(text).map(Self::Name),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Pattern(pattern) => pattern.text(),
        }
    }

    fn add_to(self, names: &mut Names, number: u32) -> Result<(), Refused> {
        match self {
            Self::Name(name) => {
                names.add(name.as_bytes(), number, None, None).map_err(Refused::Duplicate)
            }
            Self::Pattern(pattern) => names.add_pattern(pattern, number),
        }
    }
}

/// An alias, and where the document gives it.
struct Alias {
    path: Path,
    name: String,
    target: String,
}

impl Section for EnvironmentsSection {
    type Out = Environments;
    const FIELDS: &'static [&'static str] =
        &["sources", "allow", "aliases", "default", "preflight", "vary", "unknown", "hints"];

    fn field(&mut self, context: &mut Context, name: &'static str, value: Value<'_>) -> Read {
        match name {
            "sources" => {
                let what = "environment sources";
                let count = value.list(context, what, MAX_SOURCES, &mut |context, value| {
                    self.sources.extend(value.section(context, SourceSection::default())?);
                    Ok(())
                })?;
                self.source_count = count.unwrap_or_default();
            }
            "allow" => {
                let mut names = Names::default();
                let list = context.path().clone();
                let read = value.list(
                    context,
                    "environments",
                    MAX_ENVIRONMENTS,
                    &mut |context, value| {
                        let Some(allowed) = value.parse(context, Allowed::read)? else {
                            return Ok(());
                        };
                        let text = allowed.text();
                        match allowed.add_to(&mut names, context.number()) {
                            Ok(()) => {}
                            Err(Refused::Duplicate(first)) => {
                                let first = list.clone().index(first as usize);
                                context.error(PolicyErrorKind::Duplicate { value: text, first });
                            }
                            Err(Refused::TooMany) => {
                                let (what, limit) = ("patterns of environments", MAX_NAME_PATTERNS);
                                context.error(PolicyErrorKind::TooMany { what, limit });
                            }
                        }
                        Ok(())
                    },
                )?;
                // Without a list it is not known which names are allowed.
                self.allow = read.map(|_| names);
            }
            "aliases" => {
                let Some(value) = value.unless_left_empty(context, name) else { return Ok(()) };
                value.entries(
                    context,
                    "aliases",
                    MAX_ENVIRONMENTS,
                    &mut |context, name, value| {
                        let Some(target) = value.parse(context, read_name)? else { return Ok(()) };
                        let path = context.path().clone();
                        match read_name(name) {
                            Ok(name) => self.aliases.push(Alias { path, name, target }),
                            Err(kind) => context.error_at_key(kind),
                        }
                        Ok(())
                    },
                )?;
            }
            "default" => self.default = value.parse(context, read_name)?,
            "preflight" => self.preflight = value.parse(context, read_name)?,
            "vary" => {
                let choice = value.choice(context, &["add", "keep"], &[Vary::Add, Vary::Keep])?;
                self.vary = choice.unwrap_or_default();
            }
            "unknown" => {
                let values = [Unknown::Reject, Unknown::Default, Unknown::Ignore];
                let choice = value.choice(context, &["reject", "default", "ignore"], &values)?;
                self.unknown = choice.unwrap_or_default();
            }
            _ => {
                let hints = value.section(context, HintsSection::default())?;
                self.hints = hints.unwrap_or_default();
            }
        }
        Ok(())
    }

    fn finish(self, context: &mut Context, seen: Seen) -> Option<Environments> {
        let here = context.path().clone();
        let allowed = self.allow.unwrap_or_else(Names::any);
        if self.unknown == Unknown::Default && !seen.has("default") {
            let path = here.clone().key("unknown");
            context.error_at(path, Place::Value, PolicyErrorKind::NoDefault);
        }
        if self.source_count == 0 && !seen.has("default") {
            context.error(PolicyErrorKind::NoSource);
        }
        if self.source_count == 0 && seen.has("preflight") {
            let path = here.clone().key("preflight");
            context.error_at(path, Place::Key, PolicyErrorKind::PreflightWithoutSource);
        }
        let mut sources = self.sources;
        // Invalid sources have errors of their own, and a cookie may be among them.
        if sources.len() == self.source_count {
            let is_open = allowed.allows_any();
            check_pins(&mut sources, is_open, &here.clone().key("sources"), context);
        }
        let names = with_aliases(allowed, &self.aliases, &self.hints, context);
        // These names are written by people, too, so they may be aliases.
        let hints = self.hints;
        let mut fixed = |name: Option<String>, field: &'static str| {
            let name = name?;
            let Some(meant) = names.resolve(name.as_bytes()) else {
                let path = here.clone().key(field);
                context.error_at(path, Place::Value, PolicyErrorKind::NotAllowed(name));
                return None;
            };
            Some(FixedEnvironment {
                authority: hints.authority_for(&meant.name).map(Into::into),
                name: meant.name.into(),
            })
        };
        let default = fixed(self.default, "default");
        let preflight = fixed(self.preflight, "preflight");
        let vary = match self.vary {
            Vary::Add => vary_of(&sources),
            Vary::Keep => Vec::new(),
        };
        let unknown = self.unknown;
        Some(Environments { sources, vary, names, default, preflight, unknown, hints })
    }
}

/// The headers that choose the environment when the first none, one, two and so on of the sources
/// are asked, as a value of `Vary`.
fn vary_of(sources: &[Source]) -> Vec<Option<Arc<str>>> {
    let mut names: Vec<&str> = Vec::new();
    let mut vary = vec![None];
    for source in sources {
        names.extend(source.header().filter(|name| !names.contains(name)));
        vary.push((!names.is_empty()).then(|| names.join(", ").into()));
    }
    vary
}

/// Marks the cookies of pins. A pin needs a source that reads its cookie, and it must come later:
/// the link that was followed last decides.
fn check_pins(sources: &mut [Source], is_open: bool, list: &Path, context: &mut Context) {
    for number in 0..sources.len() {
        let (asked, later) = sources.split_at_mut(number.saturating_add(1));
        let Some(Source::Query { pin: Some(pin), .. }) = asked.last() else { continue };
        let path = list.clone().index(number).key("pin");
        let mut is_read = false;
        for source in later {
            if let Source::Cookie { name, is_pin } = source
                && *name == pin.cookie
            {
                (*is_pin, is_read) = (true, true);
            }
        }
        if !is_read {
            let kind = PolicyErrorKind::PinNotRead(pin.cookie.to_string());
            context.error_at(path.key("cookie"), Place::Value, kind);
        } else if is_open {
            context.warn_at(path, PolicyErrorKind::OpenPin);
        }
    }
}

/// The names of the allow-list and the aliases, with the authority of each. An alias may have the
/// name of an environment in the allow-list, to send its traffic elsewhere: the alias wins.
fn with_aliases(
    mut allowed: Names,
    aliases: &[Alias],
    hints: &Hints,
    context: &mut Context,
) -> Names {
    for Alias { path, target, .. } in aliases {
        if !allowed.allows(target.as_bytes()) {
            let kind = PolicyErrorKind::NotAllowed(target.clone());
            context.error_at(path.clone(), Place::Value, kind);
        }
    }
    let mut names = allowed.take_open();
    for (number, Alias { path, name, target }) in (0..).zip(aliases) {
        let authority = hints.authority_for(target.as_bytes());
        let target = Some(target.as_bytes());
        if names.add(name.as_bytes(), number, target, authority.as_deref()).is_err() {
            let kind = PolicyErrorKind::DuplicateField(name.clone());
            context.error_at(path.clone(), Place::Key, kind);
        }
    }
    for (number, name) in allowed.iter() {
        // An alias of the same name is there already, and wins.
        let _ = names.add(name, number, None, hints.authority_for(name).as_deref());
    }
    names.shrink_to_fit();
    names
}
