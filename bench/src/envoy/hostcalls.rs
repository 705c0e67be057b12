//! What single hostcalls cost: modules that do nothing with a request, and one thing with its
//! response. What one adds over [`Kind::Enter`] is the price of its calls.

use super::arm::{Arm, Kind as ArmKind};

/// What such a module does beside entering for the request headers.
#[derive(Clone, Copy)]
enum Kind {
    /// Nothing.
    Request,
    /// Enters for the response headers.
    Enter,
    /// Enters at the end of a stream.
    Delete,
    /// Reads these response headers.
    Read(&'static [&'static str]),
    /// Reads all pairs of the response.
    Pairs,
    /// Adds, or replaces, a response header that is not there.
    Write(&'static str),
}

const KINDS: [(&str, Kind); 9] = [
    ("request", Kind::Request),
    ("response", Kind::Enter),
    ("delete", Kind::Delete),
    ("one missing", Kind::Read(&["location"])),
    ("four missing", Kind::Read(&["location", "content-location", "refresh", "set-cookie"])),
    ("one there", Kind::Read(&["content-type"])),
    ("all pairs", Kind::Pairs),
    ("add", Kind::Write("proxy_add_header_map_value")),
    ("replace", Kind::Write("proxy_replace_header_map_value")),
];

/// An arm for each kind.
#[must_use]
pub fn arms() -> Vec<Arm> {
    KINDS.into_iter().map(|(name, kind)| arm(name, kind)).collect()
}

fn arm(name: &str, kind: Kind) -> Arm {
    let module = wat::parse_str(text(kind)).unwrap_or_default();
    Arm { name: name.to_owned(), kind: ArmKind::Wasm { module, works: false } }
}

/// The module of a kind. The proxy writes what it returns at 4096.
fn text(kind: Kind) -> String {
    let imports = "
        (import \"env\" \"proxy_get_header_map_value\"
          (func $get (param i32 i32 i32 i32 i32) (result i32)))
        (import \"env\" \"proxy_get_header_map_pairs\"
          (func $pairs (param i32 i32 i32) (result i32)))";
    let (mut data, mut calls, mut write) = (String::new(), String::new(), String::new());
    match kind {
        Kind::Request | Kind::Enter | Kind::Delete => {}
        Kind::Read(names) => {
            for (name, at) in names.iter().zip((16..).step_by(64)) {
                data.push_str(&format!("(data (i32.const {at}) \"{name}\")"));
                calls.push_str(&format!(
                    "(drop (call $get (i32.const 2) (i32.const {at}) (i32.const {len}) \
                     (i32.const 8) (i32.const 12)))",
                    len = name.len()
                ));
            }
        }
        Kind::Pairs => {
            calls = "(drop (call $pairs (i32.const 2) (i32.const 8) (i32.const 12)))".to_owned();
        }
        Kind::Write(call) => {
            write = format!(
                "(import \"env\" \"{call}\" (func $write (param i32 i32 i32 i32 i32) (result i32)))"
            );
            data = "(data (i32.const 16) \"varyenv\")".to_owned();
            calls = "(drop (call $write (i32.const 2) (i32.const 16) (i32.const 4) (i32.const 20) \
                     (i32.const 3)))"
                .to_owned();
        }
    }
    let callback = match kind {
        Kind::Request => String::new(),
        Kind::Delete => "(func (export \"proxy_on_delete\") (param i32))".to_owned(),
        _ => format!(
            "(func (export \"proxy_on_response_headers\") (param i32 i32 i32) (result i32)
               {calls} (i32.const 0))"
        ),
    };
    format!(
        "(module {imports} {write}
           (memory (export \"memory\") 1) {data}
           (func (export \"proxy_abi_version_0_2_1\"))
           (func (export \"proxy_on_memory_allocate\") (param i32) (result i32) (i32.const 4096))
           (func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
             (i32.const 0))
           {callback})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_a_module() {
        for (name, kind) in KINDS {
            assert!(wat::parse_str(text(kind)).is_ok(), "{name}: {}", text(kind));
        }
    }
}
