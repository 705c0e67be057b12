//! Modules of other languages on `gatepost-host`: the same filter written in Go, C++ and Rust,
//! built by each language's own toolchain and run unchanged. The toolchains come from PyPI and
//! rustup, pinned, into the workspace's `target/languages`.

mod cpp;
mod filter;
mod go;
mod rust;
mod toolchain;
