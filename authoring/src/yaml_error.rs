//! What can be wrong with the YAML of a file: its syntax, its keys and its aliases. Errors in the
//! meaning of a policy are the engine's, those of a tests file are in [`crate::suite`].

use gatepost_diagnostics::{Diagnostic, Source, Span};
use granit_parser::{ErrorKind, ScanError};

/// The ways in which a file's text can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum YamlError {
    /// The parser could not go on.
    #[error("not valid YAML: {0}")]
    Syntax(String),
    /// A tab where YAML wants blanks.
    #[error("not valid YAML: a tab cannot indent")]
    Tab,
    /// A second document begins.
    #[error("a second document begins here, and a file holds one")]
    SecondDocument,
    /// A key of a mapping is there already.
    #[error("the key `{key}` is already on line {first_line}")]
    DuplicateKey {
        /// The key.
        key: String,
        /// Where it is first.
        first: Span,
        /// The line of that.
        first_line: usize,
    },
    /// A key that is no string.
    #[error("a key must be a string, and this is {found}")]
    KeyNotText {
        /// What it is instead.
        found: &'static str,
    },
    /// YAML 1.1's `<<`, which YAML 1.2 does not have.
    #[error("merge keys (`<<`) are not part of YAML 1.2")]
    MergeKey,
    /// An alias without an anchor before it.
    #[error("no anchor `&{0}` stands before this alias")]
    UnknownAlias(String),
    /// An alias within what it stands for.
    #[error("this alias stands inside the value that it repeats")]
    AliasLoop,
    /// Aliases that repeat too much.
    #[error("the aliases up to here repeat more than {limit} bytes")]
    AliasesTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// Lists and mappings inside each other.
    #[error("more than {limit} lists and mappings inside each other")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A tag that is not of the core schema.
    #[error("the tag `{0}` is not known here")]
    UnknownTag(String),
    /// A value that is not what its tag says.
    #[error("this is no `{0}`")]
    TagMismatch(String),
    /// A word or number that YAML 1.1 reads in another way than YAML 1.2.
    #[error("`{text}` is {ours} in YAML 1.2, and kubectl, which reads YAML 1.1, sends `{theirs}`")]
    ReadOtherwise {
        /// The text.
        text: String,
        /// What it is here, with an article.
        ours: &'static str,
        /// What kubectl makes of it.
        theirs: String,
    },
    /// A line break of YAML 1.1 that is none in YAML 1.2.
    #[error("U+{0:04X} is a line break to kubectl, and a character in YAML 1.2")]
    LineBreak(u32),
    /// A placeholder without quotes.
    #[error("not valid YAML: text that begins with `{{` needs quotes")]
    Placeholder(String),
    /// A file of JSON that is not JSON.
    #[error("not valid JSON: {0}")]
    Json(String),
    /// An infinity or a NaN.
    #[error("`{0}` is a number that JSON cannot hold")]
    NotFinite(String),
}

impl YamlError {
    /// The diagnostic for it. The path is that of the value; empty at the root, and for errors in
    /// the syntax.
    pub(crate) fn diagnostic(
        &self,
        source: &Source,
        span: Span,
        path: Option<String>,
    ) -> Diagnostic {
        let diagnostic = Diagnostic::error(self.code(), self.to_string())
            .at(source, span)
            .with_path(path)
            .with_help(self.help());
        match self {
            Self::DuplicateKey { first, .. } => diagnostic.with_first(source, *first),
            _ => diagnostic,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "syntax",
            Self::Tab => "tab-indentation",
            Self::SecondDocument => "second-document",
            Self::DuplicateKey { .. } => "duplicate-key",
            Self::KeyNotText { .. } => "key-not-a-string",
            Self::MergeKey => "merge-key",
            Self::UnknownAlias(_) => "unknown-alias",
            Self::AliasLoop => "alias-loop",
            Self::AliasesTooLarge { .. } => "aliases-too-large",
            Self::TooDeep { .. } => "too-deep",
            Self::UnknownTag(_) => "unknown-tag",
            Self::TagMismatch(_) => "tag-mismatch",
            Self::NotFinite(_) => "number-not-finite",
            Self::ReadOtherwise { .. } | Self::LineBreak(_) => "yaml-1-1",
            Self::Placeholder(_) | Self::Json(_) => "syntax",
        }
    }

    /// What to do about it, where the message alone does not say.
    fn help(&self) -> Option<String> {
        let help = match self {
            Self::ReadOtherwise { text, ours, theirs } if *ours == "a number" => {
                return Some(format!("write {theirs} if that is meant, or \"{text}\""));
            }
            Self::ReadOtherwise { text, .. } => return Some(format!("write \"{text}\"")),
            Self::Placeholder(text) => return Some(format!("write \"{text}\"")),
            Self::LineBreak(character) => {
                return Some(format!("remove it, or write `\\u{character:04x}` in double quotes"));
            }
            Self::Tab => "indent with blanks",
            Self::SecondDocument => "put it into a file of its own",
            Self::DuplicateKey { .. } => "remove one of them, or join their values",
            Self::KeyNotText { .. } => "put the key in quotes",
            Self::MergeKey => "repeat the fields, or put an alias in the place of the whole value",
            Self::UnknownAlias(_) => {
                "an alias `*name` repeats what an anchor `&name` marked before; \
                 text that begins with `*` needs quotes"
            }
            Self::UnknownTag(_) => "remove the tag",
            Self::NotFinite(_) => "write a finite number, or put it in quotes if it is text",
            Self::Syntax(_)
            | Self::AliasLoop
            | Self::AliasesTooLarge { .. }
            | Self::TooDeep { .. }
            | Self::Json(_)
            | Self::TagMismatch(_) => return None,
        };
        Some(help.to_owned())
    }

    /// The parser's error in an author's words, for those that authors meet.
    pub(crate) fn from_scan(error: &ScanError, depth_limit: usize) -> Self {
        let words = match error.kind() {
            ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabInPlainScalar
            | ErrorKind::TabAtBlockScalarStart => return Self::Tab,
            ErrorKind::RecursionLimitExceeded => return Self::TooDeep { limit: depth_limit },
            ErrorKind::MappingValueNotAllowed => {
                "no `:` may stand here; check the indentation, \
                 or put text that contains `: ` in quotes"
            }
            ErrorKind::InvalidColonPlacement => {
                "no `:` may stand here; check that the brackets before it are closed"
            }
            ErrorKind::UnclosedQuotedScalar | ErrorKind::InvalidQuotedScalarIndent => {
                "a quote is not closed"
            }
            ErrorKind::UnclosedFlowCollection { .. }
            | ErrorKind::UnexpectedEofFlowMapping
            | ErrorKind::UnexpectedEofFlowSequence => "a bracket is not closed",
            ErrorKind::UnexpectedEofImplicitFlowMapping | ErrorKind::ExpectedNodeContent => {
                "a value is missing here"
            }
            ErrorKind::MisplacedFlowCollectionEnd => "no bracket is open here",
            ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
                return Self::Syntax(format!("the bracket `{open}` is closed by `{close}`"));
            }
            ErrorKind::InvalidTrailingDoubleQuotedScalar
            | ErrorKind::InvalidTrailingSingleQuotedScalar => {
                "nothing may follow a closing quote but `:`, `,` or a closing bracket"
            }
            ErrorKind::UnexpectedCharacter { character } if character.is_ascii_punctuation() => {
                return Self::Syntax(format!("text that begins with `{character}` needs quotes"));
            }
            ErrorKind::UnexpectedCharacter { character } => {
                return Self::Syntax(format!(
                    "the character U+{:04X} cannot stand here",
                    u32::from(*character)
                ));
            }
            ErrorKind::MissingAnchorOrAliasName => {
                "`*` and `&` need a name; text that begins with one of them needs quotes"
            }
            ErrorKind::ExpectedDocumentStart => {
                "the document has ended before this; check the indentation"
            }
            ErrorKind::ExpectedFlowMappingSeparator => "expected `,` or `}`",
            ErrorKind::ExpectedFlowSequenceSeparator => "expected `,` or `]`",
            ErrorKind::ExpectedBlockMappingKey => "expected a key; check the indentation",
            ErrorKind::ExpectedBlockSequenceEntry => "expected `- `; check the indentation",
            ErrorKind::SimpleKeyExpected => "expected `:` after a key",
            ErrorKind::UnknownQuotedScalarEscape => {
                "unknown escape after `\\`; in single quotes `\\` is an ordinary character"
            }
            _ => return Self::Syntax(error.info()),
        };
        Self::Syntax(words.to_owned())
    }
}
