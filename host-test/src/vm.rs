//! A VM: one instance of a module with its memory, and the plugins and streams in it. Each callback
//! of the guest is one method. A trap poisons the VM: it answers every later call with the same
//! report.

mod callouts;
mod command;
mod guest_store;
mod http;
mod instance;
mod lending;
mod network;
mod plugins;

pub use self::http::FinalMaps;
pub use self::instance::Vm;
pub use self::network::CloseType;
pub use self::plugins::Stopped;
