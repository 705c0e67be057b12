//! Header names that a policy speaks of, what a request's headers hold, and what is written to
//! them.

mod name;
mod scan;
mod table;

pub(crate) use name::{NameUse, is_token, is_value, read_name};
pub(crate) use scan::HeaderScan;
pub(crate) use table::HeaderTable;
