//! Recording what passes between a guest and the host, in order: each call into the guest and its
//! return, and each hostcall with its arguments and results. A VM records only when it was given a
//! [`Recorder`]; without one, each call costs one check.

pub(crate) mod draft;
mod event;
mod list;
mod strict;
mod value;

pub use self::event::{Recorded, RecordedEvent, Recorder};
pub(crate) use self::list::EventList;
pub use self::list::Recording;
pub use self::strict::{ExpectedHostcall, HostcallMismatch, StrictRecorder};
pub use self::value::{Fields, Value};
