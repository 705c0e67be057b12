//! Environments: which values name one, where a request may name it, and what the gateway's routes
//! are told. Names are found by one hash lookup, however many there are.

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::authority::{Authority, MAX_LABEL};
use crate::fault::{FaultKind, Path, Place};
use crate::header::{HeaderTable, MAX_SOURCES, Marks, Use, is_value, read_name};
use crate::plain::text;
use crate::reader::{Broken, Choice, Context, Entries, List, Object, Parsed, Section, Seen, Value};
use crate::records::{Record, Records, hash};
use crate::same::same;
use crate::source::{Source, SourceSection};
use crate::template::{Template, Values, read_authority};

/// How many environments a policy may allow, and how many aliases it may give them.
pub const MAX_ENVIRONMENTS: usize = 50_000;
/// How many headers a policy may hint with.
pub const MAX_HINT_HEADERS: usize = 16;

/// What becomes of a value that names no environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Unknown {
    #[default]
    Reject,
    Default,
    Ignore,
}

/// The part of a policy that is about environments.
#[derive(Debug)]
pub(crate) struct Environments {
    pub sources: Vec<Source>,
    pub names: Names,
    pub default: Option<Fallback>,
    pub unknown: Unknown,
    pub hints: Hints,
}

/// The environment of requests that name none.
#[derive(Debug)]
pub(crate) struct Fallback {
    name: Box<[u8]>,
    authority: Option<Box<[u8]>>,
}

impl Fallback {
    pub fn environment(&self) -> Environment<'_> {
        Environment { name: Cow::Borrowed(&self.name), authority: self.authority.as_deref() }
    }
}

/// What routes are told of the environment.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    pub headers: Vec<Hint>,
    pub authority: Option<Template>,
}

/// A header that a hint sets.
#[derive(Debug)]
pub(crate) struct Hint {
    pub name: Box<str>,
    pub template: Template,
    /// The template is the environment's name and nothing else.
    pub is_env: bool,
    /// The template needs the host of the request.
    pub needs_host: bool,
}

impl Environments {
    /// Tells the table of headers which ones are read, and which ones only the gateway may set.
    pub fn register(&self, headers: &mut HeaderTable) {
        for (number, source) in self.sources.iter().enumerate() {
            if let Some(roles) = source.header().and_then(|name| headers.roles_mut(name)) {
                roles.add_source(Marks::source(number));
            }
        }
        for hint in &self.hints.headers {
            if let Some(roles) = headers.roles_mut(&hint.name) {
                roles.marks |= Marks::GUARDED;
            }
        }
    }
}

/// An environment: one that the policy lists, whose name is the policy's, or any other label.
#[derive(Debug)]
pub(crate) struct Environment<'a> {
    pub name: Cow<'a, [u8]>,
    /// What the hint `authority` gives for one that is listed, where that depends on nothing else.
    pub authority: Option<&'a [u8]>,
}

/// The environments there are, and the other names that people give them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// By name. A value is the environment that an alias means, followed by the
    /// [authority](Environment::authority) if there is one; the tag is the length of the former, 0
    /// for a name that means itself.
    records: Records,
    /// Without an allow-list every DNS label is an environment.
    any: bool,
}

impl Names {
    /// The environment that a value names; nothing if it is not allowed. `value` is neither empty
    /// nor padded.
    #[inline]
    pub fn resolve(&self, value: &[u8]) -> Option<Environment<'_>> {
        // Most values are in lower case, and listed.
        match self.find(value) {
            Some(record) => Some(listed(record)),
            None => self.resolve_any(value),
        }
    }

    #[cold]
    fn resolve_any(&self, value: &[u8]) -> Option<Environment<'_>> {
        let may_name_one = self.any || value.iter().any(u8::is_ascii_uppercase);
        if !may_name_one || value.len() > MAX_LABEL {
            return None;
        }
        let lower = value.to_ascii_lowercase();
        if let Some(record) = self.find(&lower) {
            return Some(listed(record));
        }
        (self.any && is_dns_label(&lower))
            .then_some(Environment { name: Cow::Owned(lower), authority: None })
    }

    #[inline(never)]
    fn find(&self, lower: &[u8]) -> Option<Record<'_>> {
        self.records.find(hash(0, lower), |record| same(record.key, lower))
    }

    /// Adds a name; of an alias also the environment that it means. Nothing is added if the name is
    /// there already.
    ///
    /// # Errors
    /// The number of the one that is there.
    fn add(
        &mut self,
        name: &[u8],
        number: u32,
        meant: Option<&[u8]>,
        authority: Option<&[u8]>,
    ) -> Result<(), u32> {
        if let Some(first) = self.find(name) {
            return Err(first.number);
        }
        let meant = meant.unwrap_or_default();
        let value = [meant, authority.unwrap_or_default()].concat();
        // A label has at most 63 bytes.
        let tag = u8::try_from(meant.len()).unwrap_or(u8::MAX);
        self.records.add(hash(0, name), Record { number, tag, key: name, value: &value });
        Ok(())
    }

    /// Whether this is an environment, and no other name of one.
    fn allows(&self, name: &[u8]) -> bool {
        self.any || self.find(name).is_some_and(|record| *listed(record).name == *name)
    }
}

/// The environment that a listed name means.
#[inline]
fn listed(record: Record<'_>) -> Environment<'_> {
    let (meant, authority) = record.value.split_at_checked(record.tag.into()).unwrap_or_default();
    let name = if meant.is_empty() { record.key } else { meant };
    Environment {
        name: Cow::Borrowed(name),
        authority: (!authority.is_empty()).then_some(authority),
    }
}

/// The canonical authority that a hint gives for an environment; nothing if it depends on the
/// request, too, or gives none.
fn authority_for(hint: &Template, env: &[u8]) -> Option<Vec<u8>> {
    let text = hint.expand(Values { env: Some(env), ..Values::default() })?;
    Some(Authority::parse(&text).ok()?.to_text().into_owned())
}

/// RFC 1123 §2.1, as Kubernetes names its namespaces: letters, digits and inner hyphens, at most
/// 63, in lower case.
#[inline]
fn is_dns_label(text: &[u8]) -> bool {
    let letter_or_digit = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=MAX_LABEL).contains(&text.len())
        && text.iter().all(|b| letter_or_digit(b) || *b == b'-')
        && text.first().is_some_and(letter_or_digit)
        && text.last().is_some_and(letter_or_digit)
}

fn read_environment(text: &str) -> Result<String, FaultKind> {
    let name = text.to_ascii_lowercase();
    if is_dns_label(name.as_bytes()) {
        Ok(name)
    } else {
        Err(FaultKind::EnvironmentName(text.to_owned()))
    }
}

#[derive(Default)]
pub(crate) struct EnvironmentsSection {
    sources: Vec<Source>,
    /// How many sources the document gave, faulty ones included.
    given: usize,
    allow: Option<Names>,
    aliases: Vec<Alias>,
    default: Option<String>,
    unknown: Unknown,
    hints: Hints,
}

impl Section for EnvironmentsSection {
    type Out = Environments;
    const FIELDS: &'static [&'static str] =
        &["sources", "allow", "aliases", "default", "unknown", "hints"];

    fn field(&mut self, name: &'static str, value: Value<'_>) -> Result<(), Broken> {
        match name {
            "sources" => {
                let sources = &mut self.sources;
                let make = || Object(SourceSection::default());
                let take = |_: &mut Context, source| sources.push(source);
                let list = List { what: "environment sources", limit: MAX_SOURCES, make, take };
                self.given = value.read(list)?.unwrap_or_default();
            }
            "allow" => {
                let names = self.allow.insert(Names::default());
                let make = || Parsed(read_environment);
                let list = value.context.path().clone();
                let take = |context: &mut Context, name: String| {
                    if let Err(first) = names.add(name.as_bytes(), context.number(), None, None) {
                        context.fault(FaultKind::Duplicate {
                            value: name,
                            first: list.clone().index(first as usize),
                        });
                    }
                };
                value.read(List { what: "environments", limit: MAX_ENVIRONMENTS, make, take })?;
            }
            "aliases" => {
                let aliases = &mut self.aliases;
                let make = || Parsed(read_environment);
                let take = |context: &mut Context, written: &str, target| match read_environment(
                    written,
                ) {
                    Ok(name) => aliases.push(Alias { path: context.path().clone(), name, target }),
                    Err(kind) => context.fault_at(context.path().clone(), Place::Key, kind),
                };
                value.read(Entries { what: "aliases", limit: MAX_ENVIRONMENTS, make, take })?;
            }
            "default" => self.default = value.read(Parsed(read_environment))?,
            "unknown" => {
                const CHOICES: &[Unknown] = &[Unknown::Reject, Unknown::Default, Unknown::Ignore];
                self.unknown = value
                    .read(Choice(&["reject", "default", "ignore"], CHOICES))?
                    .unwrap_or_default();
            }
            _ => self.hints = value.read(Object(HintsSection::default()))?.unwrap_or_default(),
        }
        Ok(())
    }

    fn finish(self, context: &mut Context, seen: Seen) -> Option<Environments> {
        let here = context.path().clone();
        let names = self.allow.unwrap_or(Names { any: true, ..Names::default() });
        if self.unknown == Unknown::Default && !seen.has("default") {
            context.fault_at(here.clone().key("unknown"), Place::Value, FaultKind::NoDefault);
        }
        if self.given == 0 && !seen.has("default") {
            context.fault(FaultKind::NoSource);
        }
        let hint = self.hints.authority.as_ref();
        let authority = |env: &[u8]| authority_for(hint?, env);
        let names = complete(names, &self.aliases, authority, context);
        // A default is written by people too, so it may be an alias.
        let default = self.default.and_then(|default| {
            let meant: Option<Box<[u8]>> =
                names.resolve(default.as_bytes()).map(|meant| meant.name.into());
            if meant.is_none() {
                context.fault_at(here.key("default"), Place::Value, FaultKind::NotAllowed(default));
            }
            meant
        });
        let default =
            default.map(|name| Fallback { authority: authority(&name).map(Into::into), name });
        Some(Environments {
            sources: self.sources,
            names,
            default,
            unknown: self.unknown,
            hints: self.hints,
        })
    }
}

/// An alias, and where the document gives it.
struct Alias {
    path: Path,
    name: String,
    target: String,
}

/// The names that the allow-list and the aliases give, with the authority of each. An alias may
/// shadow an environment of the allow-list, to send its traffic elsewhere; then the alias is what
/// counts.
fn complete(
    allowed: Names,
    aliases: &[Alias],
    authority: impl Fn(&[u8]) -> Option<Vec<u8>>,
    context: &mut Context,
) -> Names {
    let mut names = Names { any: allowed.any, ..Names::default() };
    for (number, Alias { path, name, target }) in (0..).zip(aliases) {
        let (name, target) = (name.as_bytes(), target.as_bytes());
        if !allowed.allows(target) {
            context.fault_at(
                path.clone(),
                Place::Value,
                FaultKind::NotAllowed(text(target).to_owned()),
            );
        }
        if names.add(name, number, Some(target), authority(target).as_deref()).is_err() {
            context.fault_at(
                path.clone(),
                Place::Key,
                FaultKind::DuplicateField(text(name).to_owned()),
            );
        }
    }
    for Record { number, key, .. } in allowed.records.iter() {
        // An alias of the same name is there already, and wins.
        let _ = names.add(key, number, None, authority(key).as_deref());
    }
    names.records.shrink_to_fit();
    names
}

#[derive(Default)]
struct HintsSection(Hints);

impl Section for HintsSection {
    type Out = Hints;
    const FIELDS: &'static [&'static str] = &["headers", "authority"];

    fn field(&mut self, name: &'static str, value: Value<'_>) -> Result<(), Broken> {
        match name {
            "headers" => {
                let headers = &mut self.0.headers;
                let take = |context: &mut Context, name: &str, template: Template| match read_name(
                    name,
                    Use::Write,
                ) {
                    Ok(name) if headers.iter().any(|hint: &Hint| *hint.name == *name) => {
                        context.fault_at(
                            context.path().clone(),
                            Place::Key,
                            FaultKind::DuplicateField(name),
                        );
                    }
                    Ok(name) => {
                        let (is_env, needs_host) = (template.is_env(), template.needs_host());
                        headers.push(Hint { name: name.into(), template, is_env, needs_host });
                    }
                    Err(kind) => context.fault_at(context.path().clone(), Place::Key, kind),
                };
                let make = || Parsed(read_hint);
                value.read(Entries {
                    what: "hint headers",
                    limit: MAX_HINT_HEADERS,
                    make,
                    take,
                })?;
            }
            _ => {
                self.0.authority = value
                    .read(Parsed(|text: &str| read_authority(text, None).map(Template::from)))?
            }
        }
        Ok(())
    }

    fn finish(self, context: &mut Context, seen: Seen) -> Option<Hints> {
        context.require_any(seen, <Self as Section>::FIELDS);
        Some(self.0)
    }
}

fn read_hint(text: &str) -> Result<Template, FaultKind> {
    if !is_value(text) {
        return Err(FaultKind::HeaderValue);
    }
    Template::parse(text, None)
        .map_err(|error| FaultKind::Template { value: text.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(allow: &[&str]) -> Names {
        let mut names = Names::default();
        (0..).zip(allow).for_each(|(number, name)| {
            names.add(name.as_bytes(), number, None, None).expect("new")
        });
        names
    }

    fn named(names: &Names, value: &[u8]) -> Option<String> {
        names.resolve(value).map(|found| String::from_utf8(found.name.into_owned()).expect("ASCII"))
    }

    #[test]
    fn a_value_is_compared_exactly_after_lower_casing() {
        let names = names(&["env1", "env2"]);
        assert_eq!(named(&names, b"env1"), Some("env1".into()));
        assert_eq!(named(&names, b"ENV1"), Some("env1".into()));
        assert_eq!(named(&names, b"env"), None);
        assert_eq!(named(&names, b"env11"), None);
        assert_eq!(named(&names, "env１".as_bytes()), None);
    }

    #[test]
    fn without_an_allow_list_every_dns_label_is_an_environment() {
        let names = Names { any: true, ..Names::default() };
        assert_eq!(named(&names, b"Pr-123"), Some("pr-123".into()));
        for malformed in
            ["-a", "a-", "a.b", "a_b", "a b", "a,b", "\u{e9}", &"a".repeat(64), "../etc"]
        {
            assert_eq!(named(&names, malformed.as_bytes()), None, "{malformed}");
        }
        assert_eq!(named(&names, b"\xff"), None);
    }

    #[test]
    fn an_alias_means_its_environment() {
        let mut names = names(&["env2"]);
        names.add(b"stg", 0, Some(b"env2"), Some(b"env2.svc")).expect("new");
        assert_eq!(named(&names, b"STG"), Some("env2".into()));
        assert_eq!(names.resolve(b"stg").and_then(|found| found.authority), Some(&b"env2.svc"[..]));
        assert_eq!(names.resolve(b"env2").and_then(|found| found.authority), None);
        assert!(names.allows(b"env2") && !names.allows(b"stg"));
    }
}
