//! Hosts: which are refused from outside, which are a customer's and become the service's own, and what happens to the rest.

use crate::fault::{FaultKind, Path, Place};
use crate::header::{HeaderTable, Marks, Use, read_name};
use crate::host_table::{HostTable, MAX_SHAPES, Refused};
use crate::paged::{Paged, TextRef, Texts};
use crate::pattern::HostPattern;
use crate::reader::{Broken, Choice, Context, List, Numbers, Object, Parsed, Section, Seen, Value};
use crate::template::{Authored, Template, read_authority};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// How many mappings a policy may have.
pub const MAX_MAPPINGS: usize = 200_000;
/// How many private host patterns a policy may have.
pub const MAX_PRIVATE: usize = 10_000;

/// What happens to a request whose Host is no valid authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Invalid {
    #[default]
    Reject,
    Pass,
}

/// What happens to the port of a host that no mapping rewrites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Port {
    #[default]
    Keep,
    Strip,
}

/// What happens to a host that no mapping matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Unmapped {
    #[default]
    Pass,
    Reject,
}

/// The authority that a mapping gives: most are plain text, kept together in one store.
#[derive(Debug)]
pub(crate) enum Target {
    Text(TextRef),
    Template(Box<Template>),
}

/// The part of a policy that is about hosts. The default is what a policy without it does.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    pub invalid: Invalid,
    pub private: HostTable,
    pub port: Port,
    pub mappings: HostTable,
    /// What each mapping gives.
    pub targets: Paged<Target>,
    pub texts: Texts,
    pub unmapped: Unmapped,
    pub original_host: Option<Box<str>>,
    /// The mappings whose authority needs an environment, by their numbers in the document; for the compiler alone.
    pub needs_env: Vec<u32>,
}

impl Hosts {
    /// Whether mappings have anything to say: there are some, or a host without one is refused.
    #[inline]
    pub fn may_map(&self) -> bool {
        !self.mappings.is_empty() || self.unmapped == Unmapped::Reject
    }

    pub fn register(&self, headers: &mut HeaderTable) {
        if let Some(roles) = self.original_host.as_deref().and_then(|name| headers.roles_mut(name)) {
            roles.marks |= Marks::GUARDED;
        }
    }
}

#[derive(Default)]
pub(crate) struct HostsSection(Hosts);

impl Section for HostsSection {
    type Out = Hosts;
    const FIELDS: &'static [&'static str] = &["invalid", "private", "port", "mappings", "unmapped", "originalHost"];

    fn field(&mut self, name: &'static str, value: Value<'_>) -> Result<(), Broken> {
        let hosts = &mut self.0;
        match name {
            "invalid" => {
                let choice = Choice(&["reject", "pass"], &[Invalid::Reject, Invalid::Pass]);
                hosts.invalid = value.read(choice)?.unwrap_or_default();
            }
            "private" => {
                let list = value.context.path().clone();
                let (private, mut numbers) = (&mut hosts.private, Numbers::default());
                let take = |context: &mut Context, pattern: HostPattern| match private.add(&pattern) {
                    Ok(()) => numbers.remember(private.len().saturating_sub(1), context),
                    Err(refused) => {
                        context.fault(refusal(refused, &pattern, |first| list.clone().index(numbers.of(first))));
                    }
                };
                let make = || Parsed(HostPattern::read);
                value.read(List { what: "private hosts", limit: MAX_PRIVATE, make, take })?;
            }
            "port" => {
                hosts.port = value.read(Choice(&["keep", "strip"], &[Port::Keep, Port::Strip]))?.unwrap_or_default();
            }
            "mappings" => {
                let list = value.context.path().clone();
                let mut mappings = MappingReader { hosts, list, numbers: Numbers::default(), authority: String::new() };
                value.elements("mappings", MAX_MAPPINGS, &mut |value| {
                    let mapping = MappingSection { mappings: &mut mappings, host: None, has_authority: false };
                    value.read(Object(mapping)).map(drop)
                })?;
            }
            "unmapped" => {
                let choice = Choice(&["pass", "reject"], &[Unmapped::Pass, Unmapped::Reject]);
                hosts.unmapped = value.read(choice)?.unwrap_or_default();
            }
            _ => hosts.original_host = value.read(Parsed(|text: &str| read_name(text, Use::Write)))?.map(Into::into),
        }
        Ok(())
    }

    fn finish(mut self, _: &mut Context, _: Seen) -> Option<Hosts> {
        self.0.private.shrink_to_fit();
        self.0.mappings.shrink_to_fit();
        self.0.targets.shrink_to_fit();
        self.0.texts.shrink_to_fit();
        Some(self.0)
    }
}

fn refusal(refused: Refused, pattern: &HostPattern, path: impl Fn(usize) -> Path) -> FaultKind {
    match refused {
        Refused::Duplicate(first) => FaultKind::Duplicate { value: pattern.text().into_owned(), first: path(first) },
        Refused::TooManyShapes => {
            FaultKind::TooMany { what: "different arrangements of labels, captures and `*`", limit: MAX_SHAPES }
        }
    }
}

/// Puts mappings into the table while they are read.
struct MappingReader<'h> {
    hosts: &'h mut Hosts,
    list: Path,
    numbers: Numbers,
    /// The authority of the mapping that is being read. One text serves all mappings.
    authority: String,
}

impl MappingReader<'_> {
    fn add(&mut self, context: &mut Context, pattern: &HostPattern) {
        let target = match read_authority(&self.authority, Some(pattern)) {
            Ok(Authored::Text(text)) => Target::Text(self.hosts.texts.add(text.as_bytes())),
            Ok(Authored::Template(template)) => {
                if template.needs_env() {
                    self.hosts.needs_env.extend(context.number());
                }
                Target::Template(Box::new(template))
            }
            Err(kind) => return context.fault_at(context.path().clone().key("authority"), Place::Value, kind),
        };
        match self.hosts.mappings.add(pattern) {
            Ok(()) => {
                self.numbers.remember(self.hosts.targets.len(), context);
                self.hosts.targets.push(target);
            }
            Err(refused) => {
                let path = |entry| self.list.clone().index(self.numbers.of(entry)).key("host");
                let kind = refusal(refused, pattern, path);
                context.fault_at(context.path().clone().key("host"), Place::Value, kind);
            }
        }
    }
}

struct MappingSection<'m, 'h> {
    mappings: &'m mut MappingReader<'h>,
    host: Option<HostPattern>,
    has_authority: bool,
}

impl Section for MappingSection<'_, '_> {
    type Out = ();
    const FIELDS: &'static [&'static str] = &["host", "authority"];

    fn field(&mut self, name: &'static str, value: Value<'_>) -> Result<(), Broken> {
        match name {
            "host" => self.host = value.read(Parsed(HostPattern::read))?,
            _ => {
                if let Some((_, text)) = value.text()? {
                    text.clone_into(&mut self.mappings.authority);
                    self.has_authority = true;
                }
            }
        }
        Ok(())
    }

    fn finish(self, context: &mut Context, seen: Seen) -> Option<()> {
        context.require(seen, <Self as Section>::FIELDS);
        // Without a valid pattern nobody knows which placeholders the authority may name.
        let pattern = self.host.filter(|_| self.has_authority)?;
        self.mappings.add(context, &pattern);
        Some(())
    }
}
