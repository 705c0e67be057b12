//! A real Envoy on this machine: [`fetch`] gets its binary, [`process`] runs it. For tests and
//! demonstrations; in a cluster, Envoy comes with the mesh.
//!
//! ```no_run
//! use gatepost_testbed::envoy::process::{Envoy, Options};
//! use gatepost_testbed::envoy::{LISTENER, fetch};
//! use std::path::Path;
//!
//! let binary = fetch::envoy(fetch::VERSION, Path::new("target"))?;
//! let bootstrap = std::fs::read_to_string("envoy.json")?;
//! let envoy = Envoy::start(&binary, &bootstrap, &Options::default())?;
//! println!("send requests to {}", envoy.listener(LISTENER)?);
//! println!("{:?}", envoy.counters()?.get("http.gatepost.downstream_rq_2xx"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod fetch;
pub mod process;

pub use gatepost_render::bootstrap::LISTENER;
