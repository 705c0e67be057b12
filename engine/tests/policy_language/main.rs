//! The policy language, sentence by sentence: every sentence that the language promises is held by
//! a test of its name. The modules follow the language's own order of subjects; each module's head
//! quotes the sentences that it holds.

mod allocation;
mod authority;
mod document;
mod environments;
mod generators;
mod health_checks;
mod observe;
mod order;
mod patterns;
mod properties;
mod rejects;
mod templates;
mod trust;
mod vocabulary;
