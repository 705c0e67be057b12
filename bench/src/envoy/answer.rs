//! The answer to a request of the benchmark in Envoy.

/// An answer of the routes, or a refusal. A route's body names what selected it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The whole body.
    pub body: String,
    /// The header `location`.
    pub location: Option<String>,
    /// The header `vary`.
    pub vary: Option<String>,
}

impl Answer {
    /// The answer of the route that has this body.
    #[must_use]
    pub fn of_route(body: impl Into<String>) -> Self {
        Self { status: 200, body: body.into(), ..Self::default() }
    }

    /// A refusal.
    #[must_use]
    pub fn refused(status: u16, body: &str) -> Self {
        Self { status, body: body.to_owned(), ..Self::default() }
    }

    /// A redirect of a route.
    #[must_use]
    pub fn redirect(location: String) -> Self {
        Self { status: 302, location: Some(location), ..Self::default() }
    }

    /// With a header `vary`.
    #[must_use]
    pub fn varying(self, names: &str) -> Self {
        Self { vary: Some(names.to_owned()), ..self }
    }

    /// The same without what a policy owes to responses.
    #[must_use]
    pub fn of_request_alone(&self) -> Self {
        Self { location: None, vary: None, ..self.clone() }
    }
}
