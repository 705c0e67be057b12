//! Whether bytes are a wasm module.

/// The largest module that Istio's agent takes, in bytes. Its variable
/// `ISTIO_WASM_MAX_BINARY_SIZE_BYTES` changes that.
pub const LARGEST_MODULE: u64 = 256 * 1024 * 1024;

/// The first bytes of a module, as the agent compares them.
const MAGIC: &[u8] = b"\0asm";

/// Bytes that the agent does not take for a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoWasm {
    /// Something else.
    #[error("{length} bytes that do not begin as a wasm module does (`\\0asm`)")]
    Magic {
        /// How many bytes there are.
        length: usize,
    },
    /// Too many bytes.
    #[error("{length} bytes, and Istio's agent takes modules of up to {LARGEST_MODULE}")]
    Length {
        /// How many bytes there are.
        length: usize,
    },
}

/// Whether Istio's agent takes these bytes for a module.
///
/// # Errors
/// When it does not.
pub fn check_module(bytes: &[u8]) -> Result<(), NoWasm> {
    let length = bytes.len();
    if length as u64 > LARGEST_MODULE {
        Err(NoWasm::Length { length })
    } else if bytes.starts_with(MAGIC) {
        Ok(())
    } else {
        Err(NoWasm::Magic { length })
    }
}
