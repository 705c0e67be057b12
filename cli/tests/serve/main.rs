//! `gatepost serve` as a process of its own, with echo upstreams behind it: what its clients get,
//! what it says on standard error, and how it ends. Tests wait for messages and for answers; the
//! limits only end what hangs.

mod ending;
mod forwarding;
mod reload;
mod served;
