//! The answer to a request of the benchmark in Envoy.

/// An answer of the routes, or a refusal. A route's body names what selected it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The whole body.
    pub body: String,
}

impl Answer {
    /// The answer of the route that has this body.
    #[must_use]
    pub fn of_route(body: impl Into<String>) -> Self {
        Self { status: 200, body: body.into() }
    }

    /// A refusal.
    #[must_use]
    pub fn refused(status: u16, body: &str) -> Self {
        Self { status, body: body.to_owned() }
    }
}
