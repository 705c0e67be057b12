//! What can be wrong with a policy document, and the words for it. An error carries the path of the
//! value and what a person can do about it. It knows nothing of lines and columns, which belong to
//! the text that the document was written in.

mod host;
mod nearest;
mod path;
mod policy_error;

pub use host::{AuthorityError, PatternError, TemplateError};
pub use nearest::nearest;
pub use path::{Path, Segment};
pub use policy_error::{Place, PolicyError, PolicyErrorKind};
