//! The policy language, sentence by sentence: each sentence of its specification has a test named
//! after it. The modules follow the order of the specification, and each begins with the sentences
//! that it tests.

mod allocation;
mod authority;
mod document;
mod environments;
mod fingerprints;
mod generators;
mod health_check_actions;
mod health_checks;
mod limits;
mod observe;
mod order;
mod patterns;
mod pins;
mod preflights;
mod private_hosts;
mod properties;
mod rejects;
mod responses;
mod results;
mod sources;
mod templates;
mod trust;
mod vary;
mod vocabulary;
