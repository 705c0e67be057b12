//! Headers: the names in a policy, the table of headers that a policy uses, and the scan of a
//! request's headers.

mod name;
mod scan;
mod spelling;
mod table;

pub use name::MAX_HEADER_NAME;
pub(crate) use name::{NameUse, is_value, read_name, read_token};
pub(crate) use scan::HeaderScan;
pub(crate) use spelling::canonical as canonical_name;
pub(crate) use table::{HeaderTable, HeaderUses};
