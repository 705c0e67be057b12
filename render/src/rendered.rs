//! What rendering gives.

/// Objects as text, and what a person must know about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// YAML documents, or one of JSON.
    pub text: String,
    /// What is still to be done, a sentence each.
    pub notes: Vec<String>,
}
