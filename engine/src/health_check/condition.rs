//! The conditions of a health check. To add one, add a variant to [`Condition`] at its place in the
//! order of evaluation, and its arms in this file.

use super::text_match::{Compared, TextMatch, TextMatchSection};
use crate::document::{Context, Read, Section, Seen, Value};
use crate::errors::PolicyErrorKind;
use crate::headers::{HeaderScan, HeaderUses, NameUse, canonical_name, read_name};
use crate::host::Block;
use crate::policy_fingerprint::PolicyFingerprint;
use crate::request::SourceAddress;

/// A condition, by its name in the policy. Conditions are evaluated in this order, cheap ones
/// first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum ConditionKind {
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

impl ConditionKind {
    /// The name of its field under `match`.
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

/// A condition, and what it compares with.
#[derive(Debug)]
pub(super) enum Condition {
    Method(TextMatch),
    Path(TextMatch),
    UserAgent(TextMatch),
    Host(TextMatch),
    AbsentHeaders(Vec<String>),
    Sources(Vec<Block>),
}

/// The parts of a request that conditions read.
pub(crate) struct Candidate<'c> {
    pub scan: &'c HeaderScan<'c>,
    /// The canonical host, if the request has a valid one.
    pub host: Option<&'c [u8]>,
    pub source: &'c dyn SourceAddress,
}

impl Condition {
    pub fn kind(&self) -> ConditionKind {
        match self {
            Self::Method(_) => ConditionKind::Method,
            Self::Path(_) => ConditionKind::Path,
            Self::UserAgent(_) => ConditionKind::UserAgent,
            Self::Host(_) => ConditionKind::Host,
            Self::AbsentHeaders(_) => ConditionKind::AbsentHeaders,
            Self::Sources(_) => ConditionKind::Sources,
        }
    }

    /// Whether the condition holds for a request. `check` is the bit of the health check.
    pub fn holds(&self, check: u64, request: &Candidate<'_>) -> bool {
        let scan = request.scan;
        match self {
            Self::Method(text) => text.holds(scan.method()),
            Self::Path(text) => text.holds(scan.path_only()),
            Self::UserAgent(text) => scan.user_agent().is_some_and(|agent| text.holds(agent)),
            Self::Host(text) => request.host.is_some_and(|host| text.holds(host)),
            Self::AbsentHeaders(_) => scan.present_for & check == 0,
            Self::Sources(blocks) => {
                let address = request.source.source_address();
                address.is_some_and(|address| blocks.iter().any(|block| block.contains(address)))
            }
        }
    }

    /// Whether it compares the path with that of gRPC's own health check.
    pub fn is_grpc_health(&self) -> bool {
        matches!(self, Self::Path(text) if text.is_grpc_health())
    }

    /// Adds the condition to a policy's fingerprint. `place` is that of the health check.
    pub fn add_to(&self, place: &str, fingerprint: &mut PolicyFingerprint) {
        let field = ["healthChecks.match.", self.kind().name()].concat();
        match self {
            Self::Method(text) | Self::Path(text) | Self::UserAgent(text) | Self::Host(text) => {
                let (how, text) = text.parts();
                fingerprint.add_pair(&[&field, ".", how].concat(), place, text);
            }
            Self::AbsentHeaders(names) => {
                let mut names = names.iter().map(|name| canonical_name(name));
                fingerprint.add_set(&field, place, &mut names);
            }
            Self::Sources(blocks) => {
                fingerprint.add_set(&field, place, &mut blocks.iter().map(Block::to_string));
            }
        }
    }

    /// Adds the headers that the scan must look for to the table.
    pub fn register(&self, check: u64, headers: &mut HeaderUses) {
        if let Self::AbsentHeaders(names) = self {
            names.iter().for_each(|name| headers.must_be_absent(name, check));
        }
    }
}

/// Reads `match`: its conditions in the order of evaluation.
#[derive(Default)]
pub(super) struct MatchSection(Vec<Condition>);

impl Section for MatchSection {
    type Out = Vec<Condition>;
    const FIELDS: &'static [&'static str] =
        &["userAgent", "method", "path", "host", "sources", "absentHeaders"];

    fn field(&mut self, context: &mut Context, name: &'static str, value: Value<'_>) -> Read {
        let mut text = |value: Value<'_>, compared, condition: fn(TextMatch) -> Condition| {
            let text = value.section(context, TextMatchSection::new(compared))?;
            Ok(text.map(condition))
        };
        let condition = match name {
            "userAgent" => text(value, Compared::UserAgent, Condition::UserAgent)?,
            "method" => text(value, Compared::Method, Condition::Method)?,
            "path" => text(value, Compared::Path, Condition::Path)?,
            "host" => text(value, Compared::Host, Condition::Host)?,
            "sources" => {
                read_list(context, value, "source blocks", Block::parse)?.map(Condition::Sources)
            }
            _ => {
                let read = |text: &str| read_name(text, NameUse::Read);
                read_list(context, value, "absent headers", read)?.map(Condition::AbsentHeaders)
            }
        };
        if let Some(condition) = condition {
            let at = self.0.partition_point(|known| known.kind() < condition.kind());
            self.0.insert(at, condition);
        }
        Ok(())
    }

    fn finish(self, context: &mut Context, seen: Seen) -> Option<Vec<Condition>> {
        context.require_any(seen, Self::FIELDS);
        Some(self.0)
    }
}

/// A list of strings that may not be empty.
fn read_list<T>(
    context: &mut Context,
    value: Value<'_>,
    what: &'static str,
    parse: impl Fn(&str) -> Result<T, PolicyErrorKind>,
) -> Read<Option<Vec<T>>> {
    const LIMIT: usize = 1024;
    let mut list = Vec::new();
    let count = value.list(context, what, LIMIT, &mut |context, value| {
        list.extend(value.parse(context, &parse)?);
        Ok(())
    })?;
    if count == Some(0) {
        context.error(PolicyErrorKind::EmptyList);
    }
    Ok(count.map(|_| list))
}
