//! Why a text is no authority, no host pattern or no template.

use thiserror::Error;

/// Why a text is no authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AuthorityError {
    /// No host at all: empty, only a port, or only a dot.
    #[error("the host is empty")]
    Empty,
    /// `user@host`, which RFC 9110 §4.2.4 wants treated as an error.
    #[error("it holds user information (`@`)")]
    Userinfo,
    /// Bytes above 0x7f: an internationalised name must come as its A-label.
    #[error("it holds a byte that is not ASCII")]
    NonAscii,
    /// Control bytes.
    #[error("it holds a control byte")]
    Control,
    /// Percent-encoding, or the zone of an IPv6 address.
    #[error("it holds a percent sign")]
    Percent,
    /// A comma: two Host lines that a proxy joined.
    #[error("it holds a comma, as two joined Host lines do")]
    Comma,
    /// Another byte that no host has.
    #[error("it holds the byte `{}`, which no host has", char::from(*.0))]
    Byte(u8),
    /// Two dots in a row, or one in front.
    #[error("it has an empty label")]
    EmptyLabel,
    /// A label over 63 bytes.
    #[error("it has a label of more than 63 bytes")]
    LabelTooLong,
    /// A name over 253 bytes.
    #[error("it has a name of more than 253 bytes")]
    NameTooLong,
    /// A port that is no number up to 65535.
    #[error("its port is no number from 0 to 65535")]
    Port,
    /// `[` without `]`, or no IPv6 address between them.
    #[error("it holds no valid IPv6 literal")]
    Ipv6,
}

/// Why a text is no host pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// What is left after `*.` and captures is no valid host.
    #[error("{0}")]
    Host(AuthorityError),
    /// `*` that is not the whole first label.
    #[error("`*` may only be the whole first label, as in `*.example.com`")]
    Star,
    /// A capture that shares its label with other text, or is not closed.
    #[error("a capture must be a whole label, as in `{{name}}.example.com`")]
    PartialCapture,
    /// A capture without a valid name.
    #[error("a capture's name is 1 to 63 letters, digits, `-` or `_`")]
    CaptureName,
    /// A capture's name given twice.
    #[error("the capture `{{{0}}}` stands in it twice")]
    DuplicateCapture(String),
    /// A port in a pattern.
    #[error("it has a port, and the port is ignored for matching")]
    Port,
    /// `*` or a capture before an IP literal.
    #[error("an IP literal never matches a pattern, only itself")]
    IpLiteral,
    /// Only wildcards: it would match every host, and no other pattern could.
    #[error("it matches every host of that many labels")]
    NoLiteral,
    /// A pattern of a `subdomain` source without `{env}`.
    #[error("it must capture the environment as `{{env}}`")]
    NoEnv,
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// `{` without `}`, or the other way round.
    #[error("a `{{` or `}}` has no partner")]
    Unbalanced,
    /// A placeholder that has no value here.
    #[error("unknown placeholder `{{{name}}}`")]
    UnknownPlaceholder {
        /// The name between the braces.
        name: String,
        /// The names that have a value here.
        known: Vec<String>,
    },
    /// More placeholders than the limit.
    #[error("it has more than {0} placeholders")]
    TooManyPlaceholders(usize),
    /// With values put in, it would be no authority.
    #[error("it would give no valid authority: {0}")]
    Authority(AuthorityError),
}
