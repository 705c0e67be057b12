//! Sets the size of the module's stack for the linker.

/// In bytes. The default of 1 MiB would be most of the module's memory; the deepest calls, of a
/// policy being read, take a few KiB.
const STACK: usize = 128 * 1024;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
        println!("cargo:rustc-link-arg-cdylib=-zstack-size={STACK}");
    }
}
