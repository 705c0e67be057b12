//! A stable code for each way in which a document can be wrong, for programs that compare findings.

use crate::fault::FaultKind;

impl FaultKind {
    /// What kind of thing is wrong, in kebab case: `unknown-field`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "syntax",
            Self::ConfigurationTooLarge { .. } => "configuration-too-large",
            Self::TooMany { .. } => "too-many",
            Self::WrongType { .. } => "wrong-type",
            Self::UnknownField { .. } => "unknown-field",
            Self::MissingField(_) => "missing-field",
            Self::DuplicateField(_) => "duplicate-field",
            Self::UnknownChoice { .. } => "unknown-choice",
            Self::ApiVersion(_) => "api-version",
            Self::ExactlyOne(_) => "exactly-one",
            Self::AtLeastOne(_) => "at-least-one",
            Self::EmptyList => "empty-list",
            Self::Name(_) => "invalid-name",
            Self::Duplicate { .. } => "duplicate",
            Self::EmptyMatch => "empty-match",
            Self::PathMatch(_) => "path-never-matches",
            Self::Cidr(_) => "invalid-cidr",
            Self::HeaderName(_) => "invalid-header-name",
            Self::ForbiddenHeader { .. } => "forbidden-header",
            Self::HeaderValue => "invalid-header-value",
            Self::Token(..) => "invalid-token",
            Self::RewritePath(_) => "invalid-path",
            Self::Status(_) => "invalid-status",
            Self::Authority { .. } => "invalid-authority",
            Self::HostWithPort(_) => "host-with-port",
            Self::Pattern { .. } => "invalid-pattern",
            Self::Template { .. } => "invalid-template",
            Self::NoEnvironments => "no-environments",
            Self::EnvironmentName(_) => "invalid-environment",
            Self::NotAllowed(_) => "not-allowed",
            Self::NoDefault => "no-default",
            Self::NoSource => "no-source",
            Self::More(_) => "more",
        }
    }
}
