//! The stream driver, with guests that run scripts: how messages move, and what happens when guests
//! misbehave. The parity tests compare it with Envoy; these tests check what an embedding program
//! relies on.

mod bench;
mod ending;
mod failing;
mod messages;
mod random;
mod recorded;
mod waiting;
