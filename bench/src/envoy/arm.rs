//! The arms: ways to do the same work in Envoy, or to do nothing.

use super::policy::Shape;

/// The smallest wasm filter: the callback for request headers, which continues at once, and what
/// the ABI requires.
pub const EMPTY: &str = r#"
(module
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 0))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0)))
"#;

/// The work written naively with the Rust SDK `proxy-wasm` 0.2.5.
pub const NAIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/naive.wasm"));

/// The engine in a dynamic module of Envoy's: a shared object.
pub const NATIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/native.so"));

/// An arm. It has a listener for each policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arm {
    /// What reports call it.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// A kind of arm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No filter.
    Nothing,
    /// A wasm filter.
    Wasm {
        /// The module.
        module: Vec<u8>,
        /// Whether it gets the policy and carries it out.
        works: bool,
    },
    /// Envoy's Lua filter with the script of the policy.
    Lua,
    /// A dynamic module of Envoy's with the policy: the shared object.
    Native(&'static [u8]),
    /// Envoy's own routes alone.
    Routes(Selection),
}

/// How Envoy's own routes find the host or the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// One virtual host, whose routes match a header, tried in order.
    Linear,
    /// A virtual host for each, found by hash.
    Hash,
}

impl Arm {
    fn new(name: &str, kind: Kind) -> Self {
        Self { name: name.to_owned(), kind }
    }

    /// No filter. What other arms add is their figure minus this arm's.
    #[must_use]
    pub fn nothing() -> Self {
        Self::new("no filter", Kind::Nothing)
    }

    /// No filter, measured a second time. What it adds is noise.
    #[must_use]
    pub fn nothing_again() -> Self {
        Self::new("no filter, again (A/A)", Kind::Nothing)
    }

    /// The module [`EMPTY`].
    #[must_use]
    pub fn empty() -> Self {
        let module = wat::parse_str(EMPTY).unwrap_or_default();
        Self::new("empty module", Kind::Wasm { module, works: false })
    }

    /// The module [`NAIVE`].
    #[must_use]
    pub fn naive() -> Self {
        Self::new("SDK, naive", Kind::Wasm { module: NAIVE.to_vec(), works: true })
    }

    /// A filter that is written with the same SDK and `gatepost-proxy-wasm`, without the exports
    /// that it does not use. It carries out the policy and nothing else.
    #[must_use]
    pub fn careful() -> Self {
        Self::filter("SDK, with care", gatepost_proxy_wasm_example::POLICY_ALONE.to_vec())
    }

    /// The module [`NATIVE`]. It shows what a filter costs at least.
    #[must_use]
    pub fn native() -> Self {
        Self::new("native module", Kind::Native(NATIVE))
    }

    /// Gatepost's filter.
    #[must_use]
    pub fn gatepost() -> Self {
        Self::filter("Gatepost", gatepost_filter_wasm::MODULE.to_vec())
    }

    /// Gatepost's filter, measured a second time. The difference of the two is noise.
    #[must_use]
    pub fn gatepost_again() -> Self {
        Self::filter("Gatepost, again (A/A)", gatepost_filter_wasm::MODULE.to_vec())
    }

    /// Another module that reads Gatepost's policies.
    #[must_use]
    pub fn filter(name: &str, module: Vec<u8>) -> Self {
        Self::new(name, Kind::Wasm { module, works: true })
    }

    /// Envoy's Lua filter.
    #[must_use]
    pub fn lua() -> Self {
        Self::new("Lua", Kind::Lua)
    }

    /// Envoy's routes without a filter.
    #[must_use]
    pub fn routes(selection: Selection) -> Self {
        let name = match selection {
            Selection::Linear => "native routes, linear",
            Selection::Hash => "native routes, by hash",
        };
        Self::new(name, Kind::Routes(selection))
    }

    /// Whether it carries out the policy.
    #[must_use]
    pub fn works(&self) -> bool {
        match &self.kind {
            Kind::Nothing => false,
            Kind::Wasm { works, .. } => *works,
            Kind::Lua | Kind::Native(_) | Kind::Routes(_) => true,
        }
    }

    /// Whether it gives responses what the policy owes them. The naive filter and the native module
    /// show what less work costs; of another module it is not known.
    #[must_use]
    pub fn answers(&self) -> bool {
        let arms = [Self::gatepost(), Self::gatepost_again(), Self::careful(), Self::lua()];
        arms.iter().any(|arm| arm.name == self.name)
    }

    /// Whether it does all of a policy, not only what the workloads need. Routes alone cannot.
    #[must_use]
    pub fn works_fully(&self) -> bool {
        self.works() && !matches!(self.kind, Kind::Routes(_))
    }

    /// The name of its listener for a policy, which is also the prefix of the listener's
    /// statistics.
    #[must_use]
    pub fn listener(&self, shape: Shape) -> String {
        let slug: String = self
            .name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .collect();
        format!("{slug}_{}", shape.name())
    }
}
