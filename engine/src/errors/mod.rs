//! What can be wrong with a policy document, and the messages for it. An error has the path of the
//! value and says what to do about it. It has no line and column, except where the text is not
//! valid JSON: the crate that reads policy files adds them.

mod host;
mod nearest;
mod path;
mod policy_error;

pub use host::{AuthorityError, PatternError, TemplateError};
pub use nearest::nearest;
pub use path::{Path, Segment};
pub use policy_error::{Place, PolicyError, PolicyErrorKind};
