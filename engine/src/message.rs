//! The words of faults. They are put together as plain strings: formatting would take 6 KB of the
//! filter.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::authority::AuthorityError;
use crate::fault::{Fault, FaultKind, Path, Segment};
use crate::nearest::nearest;
use crate::pattern::PatternError;
use crate::plain::{decimal, fill, push_escaped, push_quoted, signed};
use crate::reader::{Number, Scalar};
use crate::template::TemplateError;

impl Scalar<'_> {
    /// What stands there, with an article.
    pub fn describe(&self) -> String {
        match self {
            Self::Text(text) => {
                let mut described = String::from("the string ");
                push_quoted(&mut described, text);
                described
            }
            Self::Number(Number::Integer(value)) => ["the number ", &signed(*value)].concat(),
            Self::Number(Number::Fraction) => "a number with a fraction".into(),
            Self::Number(Number::Huge) => "a number of more than 15 digits".into(),
            Self::Flag(true) => "`true`".into(),
            Self::Flag(false) => "`false`".into(),
            Self::Null => "nothing".into(),
        }
    }
}

impl Path {
    fn text(&self) -> String {
        let mut text = String::new();
        for segment in self.segments() {
            match segment {
                Segment::Index(index) => text.extend(["[", &decimal(*index as u64), "]"]),
                Segment::Key(key) if is_plain(key) => {
                    text.extend([if text.is_empty() { "" } else { "." }, key])
                }
                Segment::Key(key) => {
                    text.push('[');
                    push_quoted(&mut text, key);
                    text.push(']');
                }
            }
        }
        if text.is_empty() { ".".into() } else { text }
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl fmt::Display for Path {
    /// Keys that are no plain name are quoted: `hints.headers["x.y"]`. The root itself is `.`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl Fault {
    /// The fault as one line, in which the control characters of what the document's author wrote
    /// are escaped. A line end or an escape of a terminal would be another's words in the gateway's
    /// log.
    // Not a part of whoever shows a fault, who may be compiled for speed.
    #[inline(never)]
    #[must_use]
    pub fn line(&self) -> String {
        let (path, message, help) = (self.path.text(), self.kind.message(), self.help());
        let mut line = String::new();
        let semicolon = if help.is_some() { "; " } else { "" };
        for part in [&path, ": ", &message, semicolon, &help.unwrap_or_default()] {
            part.chars().for_each(|letter| push_escaped(&mut line, letter));
        }
        line
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line())
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl FaultKind {
    fn message(&self) -> String {
        let (first, second) = self.values();
        fill(self.template(), [&first, &second])
    }

    /// What stands in place of each `%` of the template.
    fn values(&self) -> (Cow<'_, str>, Cow<'_, str>) {
        let count = |number: &usize| Cow::Owned(decimal(*number as u64));
        let nothing = Cow::Borrowed("");
        match self {
            Self::Syntax(text)
            | Self::DuplicateField(text)
            | Self::ApiVersion(Some(text))
            | Self::Name(text)
            | Self::PathMatch(text)
            | Self::Cidr(text)
            | Self::HeaderName(text)
            | Self::RewritePath(text)
            | Self::HostWithPort(text)
            | Self::EnvironmentName(text)
            | Self::NotAllowed(text)
            | Self::UnknownField { name: text, .. }
            | Self::UnknownChoice { value: text, .. } => (text.into(), nothing),
            Self::ForbiddenHeader { name: first, reason: second } | Self::Token(first, second) => {
                (first.into(), (*second).into())
            }
            Self::WrongType { expected, found } => ((*expected).into(), found.into()),
            Self::MissingField(name) => ((*name).into(), nothing),
            Self::ExactlyOne(fields) | Self::AtLeastOne(fields) => {
                (fields.join("`, `").into(), nothing)
            }
            Self::ConfigurationTooLarge { size, limit } => (count(size), count(limit)),
            Self::TooMany { what, limit } => (count(limit), (*what).into()),
            Self::More(more) => (count(more), nothing),
            Self::Status(status) => (signed(*status).into(), nothing),
            Self::Duplicate { value, first } => (value.into(), first.text().into()),
            Self::Authority { value, error } => (value.into(), error.message().into()),
            Self::Pattern { value, error } => (value.into(), error.message().into()),
            Self::Template { value, error } => (value.into(), error.message().into()),
            Self::ApiVersion(None)
            | Self::EmptyList
            | Self::EmptyMatch
            | Self::HeaderValue
            | Self::NoEnvironments
            | Self::NoDefault
            | Self::NoSource => (nothing.clone(), nothing),
        }
    }

    fn template(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "not valid JSON: %",
            Self::ConfigurationTooLarge { .. } => {
                "the configuration is % bytes, more than the limit of %"
            }
            Self::TooMany { .. } => "more than % %",
            Self::WrongType { .. } => "expected %, found %",
            Self::UnknownField { .. } => "unknown field `%`",
            Self::MissingField(_) => "the field `%` is missing",
            Self::DuplicateField(_) => "`%` is given twice",
            Self::UnknownChoice { .. } => "`%` is no choice here",
            Self::ApiVersion(None) => {
                "this is not a policy of version `gatepost/v1`: apiVersion is missing"
            }
            Self::ApiVersion(Some(_)) => {
                "this is not a policy of version `gatepost/v1`: apiVersion is `%`"
            }
            Self::ExactlyOne(_) => "exactly one of `%` must be given here",
            Self::AtLeastOne(_) => "at least one of `%` must be given here",
            Self::EmptyList => "the list is empty",
            Self::Name(_) => "`%` is no valid name: 1 to 63 of a-z, 0-9 and `-`",
            Self::Duplicate { .. } => "`%` is already given at %",
            Self::EmptyMatch => "the text to compare with is empty",
            Self::PathMatch(_) => {
                "`%` can never match: paths begin with `/` and are compared without their query"
            }
            Self::Cidr(_) => "`%` is no CIDR block, such as 35.191.0.0/16 or 2600:2d00:1:1::/64",
            Self::HeaderName(_) => "`%` is no valid header name",
            Self::ForbiddenHeader { .. } => "the header `%` may not be named here: %",
            Self::HeaderValue => {
                "the value holds bytes that a header cannot carry: only visible ASCII, spaces and tabs are allowed"
            }
            Self::Token(..) => "`%` is no valid name for a %",
            Self::RewritePath(_) => {
                "`%` is no path: it must begin with `/` and hold visible ASCII only, without `#`"
            }
            Self::Status(_) => "% is no status code for a reply: 200 to 599",
            Self::Authority { .. } => "`%` is no valid authority: %",
            Self::HostWithPort(_) => "`%` has a port, and ports are not compared",
            Self::Pattern { .. } => "`%` is no valid host pattern: %",
            Self::Template { .. } => "`%` is no valid template: %",
            Self::NoEnvironments => "`{env}` has no value: the policy has no `environments`",
            Self::EnvironmentName(_) => {
                "`%` is no DNS label: 1 to 63 of a-z, 0-9 and `-`, beginning and ending with a letter or digit"
            }
            Self::NotAllowed(_) => "the environment `%` is not in `environments.allow`",
            Self::NoDefault => "`unknown: default` needs `environments.default`",
            Self::NoSource => {
                "no environment can ever be selected: give `sources`, `default`, or both"
            }
            Self::More(_) => "% more faults are not shown",
        }
    }

    pub(crate) fn help(&self) -> Option<String> {
        Some(match self {
            Self::UnknownField { name, known } => did_you_mean(name, known),
            Self::UnknownChoice { value, known } => did_you_mean(value, known),
            Self::Template { error: TemplateError::UnknownPlaceholder { name, known }, .. } => {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                did_you_mean(name, &known)
            }
            other => other.advice()?.into(),
        })
    }

    fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::ApiVersion(_) => "write `apiVersion: gatepost/v1`",
            Self::EmptyList => "remove the field, or give it an entry",
            Self::EmptyMatch => "remove the condition, or write what it compares with",
            Self::HostWithPort(_) | Self::Pattern { error: PatternError::Port, .. } => {
                "remove the port"
            }
            Self::NoDefault => "give `default`, or choose `reject` or `ignore`",
            Self::NotAllowed(_) => "add it to the list, or name an environment of the list",
            Self::NoEnvironments => "add `environments`, or remove the placeholder",
            Self::Pattern { error: PatternError::NoLiteral, .. } => {
                "end it with a literal label; `hosts.unmapped` says what happens to every other host"
            }
            _ => return None,
        })
    }
}

fn did_you_mean(written: &str, known: &[&str]) -> String {
    match nearest(written, known) {
        Some(name) => fill("did you mean `%`?", [name, ""]),
        None if known.is_empty() => "nothing may stand here".into(),
        None => fill("known here: %", [&known.join(", "), ""]),
    }
}

impl AuthorityError {
    fn message(self) -> String {
        let mut letter = String::new();
        if let Self::Byte(byte) = self {
            letter.push(char::from(byte));
        }
        let template = match self {
            Self::Empty => "the host is empty",
            Self::Userinfo => "it holds user information (`@`)",
            Self::NonAscii => "it holds a byte that is not ASCII",
            Self::Control => "it holds a control byte",
            Self::Percent => "it holds a percent sign",
            Self::Comma => "it holds a comma, as two joined Host lines do",
            Self::Byte(_) => "it holds the byte `%`, which no host has",
            Self::EmptyLabel => "it has an empty label",
            Self::LabelTooLong => "it has a label of more than 63 bytes",
            Self::NameTooLong => "it has a name of more than 253 bytes",
            Self::Port => "its port is no number from 0 to 65535",
            Self::Ipv6 => "it holds no valid IPv6 literal",
        };
        fill(template, [&letter, ""])
    }
}

impl PatternError {
    fn message(&self) -> String {
        let value = match self {
            Self::Host(error) => &error.message(),
            Self::DuplicateCapture(name) => name.as_str(),
            _ => "",
        };
        let template = match self {
            Self::Host(_) => "%",
            Self::Star => "`*` may only be the whole first label, as in `*.example.com`",
            Self::PartialCapture => "a capture must be a whole label, as in `{name}.example.com`",
            Self::CaptureName => "a capture's name is 1 to 63 letters, digits, `-` or `_`",
            Self::DuplicateCapture(_) => "the capture `{%}` stands in it twice",
            Self::Port => "it has a port, and the port is ignored for matching",
            Self::IpLiteral => "an IP literal never matches a pattern, only itself",
            Self::NoLiteral => "it matches every host of that many labels",
            Self::NoEnv => "it must capture the environment as `{env}`",
        };
        fill(template, [value, ""])
    }
}

impl TemplateError {
    fn message(&self) -> String {
        match self {
            Self::Unbalanced => "a `{` or `}` has no partner".into(),
            Self::UnknownPlaceholder { name, .. } => fill("unknown placeholder `{%}`", [name, ""]),
            Self::Authority(error) => {
                fill("it would give no valid authority: %", [&error.message(), ""])
            }
        }
    }
}

impl fmt::Display for AuthorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl core::error::Error for FaultKind {}
impl core::error::Error for AuthorityError {}
impl core::error::Error for PatternError {}
impl core::error::Error for TemplateError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Place;

    #[test]
    fn a_path_is_written_as_people_write_it() {
        let path = Path::default().key("hosts").key("mappings").index(3).key("authority");
        assert_eq!(path.to_string(), "hosts.mappings[3].authority");
        assert_eq!(Path::default().to_string(), ".");
        assert_eq!(Path::default().key("hints").key("x.y").to_string(), "hints[\"x.y\"]");
        assert_eq!(Path::default().index(0).key("a\"\\\u{7}").to_string(), r#"[0]["a\"\\\u{7}"]"#);
    }

    #[test]
    fn an_unknown_field_names_the_nearest_known_one() {
        let kind = FaultKind::UnknownField {
            name: "mapings".into(),
            known: &["invalid", "mappings", "port"],
        };
        let fault =
            Fault { path: Path::default().key("hosts").key("mapings"), place: Place::Key, kind };
        assert_eq!(
            fault.to_string(),
            "hosts.mapings: unknown field `mapings`; did you mean `mappings`?"
        );
    }

    #[test]
    fn a_field_that_resembles_nothing_gets_the_list_of_known_ones() {
        let kind = FaultKind::UnknownField { name: "zzzzzz".into(), known: &["exact", "prefix"] };
        assert_eq!(kind.help().as_deref(), Some("known here: exact, prefix"));
    }

    #[test]
    fn what_an_author_wrote_is_put_in_as_it_stands() {
        let kind = FaultKind::Duplicate {
            value: "100 % %".into(),
            first: Path::default().key("strip").index(10),
        };
        assert_eq!(kind.to_string(), "`100 % %` is already given at strip[10]");
        assert_eq!(
            AuthorityError::Byte(b'%').to_string(),
            "it holds the byte `%`, which no host has"
        );
    }
}
