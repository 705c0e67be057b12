//! `gatepost serve` as a process, with echo upstreams behind it: what its clients get, what it
//! prints on standard error, and how it ends. Tests wait for messages and for answers; time limits
//! only end a test that hangs.

mod admin;
mod ending;
mod forwarding;
mod limits;
mod logs;
mod reload;
mod served;
mod status;
mod watching;
