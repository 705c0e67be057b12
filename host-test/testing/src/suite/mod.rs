//! Gatepost's own format of test files, in YAML or JSON: the plugins and how they are configured,
//! the request, what the upstream and the plugins' callouts answer, and what is expected of all of
//! them.
//!
//! ```yaml
//! plugin:
//!   configuration: { allow: [shop] }      # text as it is, anything else as JSON
//! tests:
//! - name: a user without a token is refused
//!   request: { url: http://shop.example/cart, headers: { x-user: me } }
//!   expect:
//!     reply: { status: 401, body: { contains: token } }
//! - name: a good token is checked once, and taken off
//!   request: { url: http://shop.example/cart, headers: { x-token: abc } }
//!   callouts:
//!   - { cluster: auth, path: /check, reply: { status: 200 }, delay: 20ms }
//!   expect:
//!     forward: { headers: { x-user: me }, absent: [x-token] }
//!     callouts: [{ cluster: auth, headers: { x-token: abc } }]
//! ```

mod content;
mod drive;
mod effects;
mod judge;
pub mod model;
mod observed;
mod places;
pub(crate) mod read;
mod run;
mod stubs;
mod validate;
pub mod values;

pub use model::File;
pub use read::Suite;
pub(crate) use run::Run;
