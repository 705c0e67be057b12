//! A complete static Envoy bootstrap around the filter, as a pure function of a typed description.
//! It writes no file and runs nothing; the test bed does.
//!
//! The document is JSON, not YAML. Envoy selects its parser by the file's name: `.yaml` and `.yml`
//! are read as YAML, every other name as JSON, also that of a pipe (measured on 1.40.0). The YAML
//! parser accepts JSON too, so the document works under every name, and as the pipe of `envoy -c
//! <(gatepost render envoy …)`. Only `-c /dev/stdin` is refused, with any content. Both parsers
//! accept a module of hundreds of KiB as one base64 string, and both pass the policy to the filter
//! byte for byte (e2e/tests/bootstrap). Fields are in the order in which a person reads them, with
//! the module last in its filter.
//!
//! The fields are those of the v3 API. Envoy refuses a static document with an unknown field, so
//! the tests that start a real Envoy on these documents also check every name and type here. Where
//! a comment names a default of Envoy, it comes from that API's reference, or the comment says that
//! it was measured.
//!
//! ```
//! use std::path::Path;
//!
//! use gatepost_render::FailurePolicy;
//! use gatepost_render::bootstrap::{AccessLog, Bootstrap, Module, Plugin, PluginSource, Route};
//!
//! let routes: Vec<Route> =
//!     vec!["app.example.com=127.0.0.1:9001".parse()?, "*=127.0.0.1:9002".parse()?];
//! let document = Bootstrap {
//!     listen: "127.0.0.1:8080".parse()?,
//!     admin: None,
//!     routes: &routes,
//!     trusted_hops: 0,
//!     access_log: AccessLog::Stdout,
//!     plugin: PluginSource::Static(Plugin {
//!         module: Module::File(Path::new("/etc/gatepost/filter.wasm")),
//!         configuration: r#"{"apiVersion": "gatepost/v1"}"#,
//!         on_failure: FailurePolicy::Closed,
//!     }),
//! }
//! .render()?;
//! assert!(document.contains(r#""domains": ["#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cluster;
mod document;
mod input;
mod listener;
mod message;
mod route;
mod virtual_host;
mod wasm;

#[cfg(test)]
mod tests;

pub use input::{AccessLog, Bootstrap};
pub use listener::LISTENER;
pub use route::{AddressError, HostError, NameError, Route, RouteError, Upstream};
pub use wasm::{Module, Plugin, PluginSource};
