//! The stream driver with guests that run scripts: what becomes of messages, and of hosts whose
//! guests misbehave. That it does as Envoy does is tested side by side elsewhere; here stands what
//! an embedder relies on.

mod bench;
mod ending;
mod failing;
mod messages;
mod random;
mod recorded;
mod waiting;
