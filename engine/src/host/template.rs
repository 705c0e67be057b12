//! Templates: literal text with `{env}`, `{host}` and the captures of a host pattern in it. They
//! are checked when the policy is compiled, so that at run time only validated labels are put in,
//! and only where a label is allowed.

use std::borrow::Cow;

use super::authority::Authority;
use super::labels::Labels;
use super::pattern::HostPattern;
use crate::errors::{PolicyErrorKind, TemplateError};
use crate::policy_fingerprint::place;

/// One piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Literal(Box<str>),
    Env,
    Host,
    /// A label of the host, counted from the right.
    Label(u8),
}

/// The longest template of a header's value, in bytes.
pub const MAX_TEMPLATE: usize = 1024;
/// How many placeholders a template may have. Each may stand for a host of 253 bytes.
pub const MAX_PLACEHOLDERS: usize = 16;

/// A compiled template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Template {
    /// Text without placeholders. Most templates are this.
    Literal(Box<str>),
    Pieces(Box<[Piece]>),
}

impl Default for Template {
    fn default() -> Self {
        Self::Literal(Box::default())
    }
}

/// What a template may name besides `{env}` and `{host}`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Captures<'p> {
    /// Nothing.
    None,
    /// The captures of this host pattern.
    Of(&'p HostPattern),
    /// Anything: the host pattern is invalid, so its captures are not known. The template is only
    /// checked, and never used.
    Unknown,
}

/// The values of a template's placeholders for one request.
#[derive(Clone, Copy, Default)]
pub(crate) struct Values<'v> {
    pub env: Option<&'v [u8]>,
    /// The host in canonical form.
    pub host: Option<&'v [u8]>,
    pub labels: Option<&'v Labels<'v>>,
}

impl<'v> Values<'v> {
    fn of(&self, piece: &Piece) -> Option<&'v [u8]> {
        match piece {
            Piece::Env => self.env,
            Piece::Host => self.host,
            Piece::Label(position) => self.labels?.get(*position),
            Piece::Literal(_) => None,
        }
    }
}

impl Template {
    /// Reads a template. A capture named `env` or `host` takes precedence over the placeholder of
    /// that name.
    pub fn parse(text: &str, captures: Captures<'_>) -> Result<Self, TemplateError> {
        if is_literal(text) {
            return Ok(Self::Literal(text.into()));
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        loop {
            let (literal, after) = match rest.split_once('{') {
                Some((literal, after)) => (literal, Some(after)),
                None => (rest, None),
            };
            if literal.contains('}') {
                return Err(TemplateError::Unbalanced);
            }
            if !literal.is_empty() {
                pieces.push(Piece::Literal(literal.into()));
            }
            let Some(after) = after else { break };
            let (name, after) = after.split_once('}').ok_or(TemplateError::Unbalanced)?;
            if name.contains('{') {
                return Err(TemplateError::Unbalanced);
            }
            pieces.push(placeholder(name, captures)?);
            rest = after;
        }
        let is_placeholder = |piece: &&Piece| !matches!(piece, Piece::Literal(_));
        if pieces.iter().filter(is_placeholder).count() > MAX_PLACEHOLDERS {
            return Err(TemplateError::TooManyPlaceholders(MAX_PLACEHOLDERS));
        }
        Ok(Self::Pieces(pieces.into()))
    }

    /// The text of a template without placeholders.
    pub fn as_literal(&self) -> Option<&str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Pieces(_) => None,
        }
    }

    fn pieces(&self) -> &[Piece] {
        match self {
            Self::Literal(_) => &[],
            Self::Pieces(pieces) => pieces,
        }
    }

    pub fn needs_env(&self) -> bool {
        self.pieces().contains(&Piece::Env)
    }

    /// The template with each capture's position, counted in labels from the right, in place of its
    /// name. No literal has a brace.
    pub fn canonical(&self) -> Cow<'_, str> {
        let Self::Pieces(pieces) = self else {
            return Cow::Borrowed(self.as_literal().unwrap_or_default());
        };
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Env => text.push_str("{env}"),
                Piece::Host => text.push_str("{host}"),
                Piece::Label(position) => {
                    text.extend(["{", &place((*position).into()), "}"]);
                }
            }
        }
        Cow::Owned(text)
    }

    /// The template with `*` in place of each placeholder.
    pub fn with_stars(&self) -> String {
        let text = |piece: &Piece| match piece {
            Piece::Literal(literal) => literal.to_string(),
            Piece::Env | Piece::Host | Piece::Label(_) => "*".to_owned(),
        };
        self.as_literal().map_or_else(|| self.pieces().iter().map(text).collect(), str::to_owned)
    }

    /// The template with the values put in; nothing if a value that it needs is missing.
    pub fn expand<'v>(&'v self, values: Values<'v>) -> Option<Cow<'v, [u8]>> {
        match self {
            Self::Literal(text) => Some(Cow::Borrowed(text.as_bytes())),
            Self::Pieces(pieces) => match &**pieces {
                [piece] => values.of(piece).map(Cow::Borrowed),
                pieces => fill(pieces, |piece| values.of(piece)).map(Cow::Owned),
            },
        }
    }
}

fn is_literal(text: &str) -> bool {
    text.bytes().all(|byte| !matches!(byte, b'{' | b'}'))
}

/// Reads an authority with placeholders. Its literals are in canonical form.
pub(crate) fn parse_authority(
    text: &str,
    captures: Captures<'_>,
) -> Result<Template, TemplateError> {
    // No authority holds a brace.
    if is_literal(text) {
        let authority = Authority::parse(text.as_bytes()).map_err(TemplateError::Authority)?;
        return Ok(Template::Literal(authority.as_str().into()));
    }
    let template = Template::parse(text, captures)?;
    // A sample with one letter for each label: if it is no authority, no result is one.
    let sample = fill(template.pieces(), |_| Some(b"x")).unwrap_or_default();
    let authority = Authority::parse(&sample).map_err(TemplateError::Authority)?;
    let Template::Pieces(pieces) = template else { return Ok(template) };
    Ok(Template::Pieces(canonical(pieces, sample.len(), authority.as_str())))
}

/// Does the same as [`parse_authority`], with the error of a policy document.
pub(crate) fn read_authority(
    text: &str,
    captures: Captures<'_>,
) -> Result<Template, PolicyErrorKind> {
    parse_authority(text, captures).map_err(|error| match error {
        TemplateError::Authority(error) if !text.contains('{') => {
            PolicyErrorKind::Authority { value: text.to_owned(), error }
        }
        error => PolicyErrorKind::Template { value: text.to_owned(), error },
    })
}

/// The pieces in canonical form: in lower case, and with the end of `canonical` in place of the
/// sample's. A trailing dot, an empty port and leading zeros of a port can only be in the last
/// literal.
fn canonical(pieces: Box<[Piece]>, sample: usize, canonical: &str) -> Box<[Piece]> {
    let mut pieces = pieces.into_vec();
    for piece in &mut pieces {
        if let Piece::Literal(literal) = piece {
            literal.make_ascii_lowercase();
        }
    }
    if let Some(Piece::Literal(last)) = pieces.last_mut() {
        let before = sample.saturating_sub(last.len());
        *last = canonical.get(before..).unwrap_or_default().into();
    }
    pieces.into()
}

/// The pieces joined, with values in place of the placeholders.
fn fill<'v>(pieces: &'v [Piece], value: impl Fn(&'v Piece) -> Option<&'v [u8]>) -> Option<Vec<u8>> {
    let mut filled = Vec::new();
    for piece in pieces {
        filled.extend_from_slice(match piece {
            Piece::Literal(literal) => literal.as_bytes(),
            placeholder => value(placeholder)?,
        });
    }
    Some(filled)
}

fn placeholder(name: &str, captures: Captures<'_>) -> Result<Piece, TemplateError> {
    let pattern = match captures {
        Captures::Of(pattern) => Some(pattern),
        Captures::None | Captures::Unknown => None,
    };
    if let Some(position) = pattern.and_then(|pattern| pattern.capture(name)) {
        return Ok(Piece::Label(position));
    }
    match (name, captures) {
        ("env", _) => Ok(Piece::Env),
        ("host", _) | (_, Captures::Unknown) => Ok(Piece::Host),
        _ => {
            let captures = pattern.into_iter().flat_map(HostPattern::capture_names);
            let known = captures.chain(["env", "host"]).map(str::to_owned).collect();
            Err(TemplateError::UnknownPlaceholder { name: name.to_owned(), known })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::AuthorityError;

    fn expand(template: &str, env: Option<&str>, host: Option<&str>) -> Option<String> {
        let values =
            Values { env: env.map(str::as_bytes), host: host.map(str::as_bytes), labels: None };
        parse_authority(template, Captures::None)
            .expect(template)
            .expand(values)
            .map(|text| String::from_utf8(text.into_owned()).expect("ASCII"))
    }

    #[test]
    fn placeholders_are_replaced_by_their_values() {
        assert_eq!(expand("app.{env}.svc", Some("env1"), None).as_deref(), Some("app.env1.svc"));
        assert_eq!(
            expand("{env}--{host}:80", Some("e"), Some("a.com")).as_deref(),
            Some("e--a.com:80")
        );
    }

    #[test]
    fn a_placeholder_without_a_value_gives_nothing() {
        assert_eq!(expand("app.{env}.svc", None, Some("a.com")), None);
    }

    #[test]
    fn captures_are_labels_counted_from_the_right() {
        let pattern = HostPattern::parse("{a}.{b}.example.com").expect("valid");
        let template = parse_authority("{b}.{a}.svc", Captures::Of(&pattern)).expect("valid");
        let labels = Labels::of(b"one.two.example.com");
        let values = Values { env: None, host: None, labels: Some(&labels) };
        assert_eq!(template.expand(values).as_deref(), Some(&b"two.one.svc"[..]));
    }

    #[test]
    fn literal_text_becomes_canonical() {
        assert_eq!(expand("App.{env}.SVC.", Some("e"), None).as_deref(), Some("app.e.svc"));
        assert_eq!(expand("{env}.SVC.:080", Some("e"), None).as_deref(), Some("e.svc:80"));
        assert_eq!(
            parse_authority("A.com.:", Captures::None).expect("valid").as_literal(),
            Some("a.com")
        );
    }

    #[test]
    fn a_template_has_few_placeholders() {
        let template = |count: usize| Template::parse(&"{host}".repeat(count), Captures::None);
        assert!(template(MAX_PLACEHOLDERS).is_ok());
        let error = TemplateError::TooManyPlaceholders(MAX_PLACEHOLDERS);
        assert_eq!(template(MAX_PLACEHOLDERS + 1), Err(error));
    }

    #[test]
    fn what_is_no_template_says_why() {
        for (text, error) in [
            ("a.{env", TemplateError::Unbalanced),
            ("a}.b", TemplateError::Unbalanced),
            ("a.{en{v}", TemplateError::Unbalanced),
            ("a..{env}", TemplateError::Authority(AuthorityError::EmptyLabel)),
            ("{env}:x", TemplateError::Authority(AuthorityError::Port)),
            ("", TemplateError::Authority(AuthorityError::Empty)),
            (
                "{svc}.a",
                TemplateError::UnknownPlaceholder {
                    name: "svc".into(),
                    known: vec!["env".into(), "host".into()],
                },
            ),
        ] {
            assert_eq!(parse_authority(text, Captures::None), Err(error), "{text}");
        }
    }
}
