//! The stream driver: runs HTTP exchanges through a chain of plugins, as Envoy's filter manager
//! does. It does no input or output. Parts of messages and answers to callouts go in, events and
//! callouts come out; the program around it sends, receives and waits.

mod callout_id;
mod callouts;
mod drive;
mod emit;
mod ending;
mod event;
mod exchange;
mod guests;
mod iterate;
mod local_reply;
mod message;
mod options;
mod queries;
mod recorded;
mod reply;
mod run;
mod state;
mod timers;
mod verify;

pub use self::callout_id::{Callout, CalloutId};
pub use self::event::{Direction, Event, ExchangeId, Finished, LocalReplySent};
pub use self::message::{End, Message, Part};
pub use self::options::WorkerOptions;
pub use self::run::Upstream;
pub use self::state::Worker;
