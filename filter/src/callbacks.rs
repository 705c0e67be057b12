//! What the proxy calls: the entry points of the proxy-wasm ABI 0.2.1, and only those that this
//! filter needs. Envoy enters the VM once for each callback that a module exports.

use gatepost_filter_request::Outcome;

use crate::{abi, plugin, stream};

/// The actions of the ABI.
const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;

/// Tells the host which ABI this module speaks.
#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

unsafe extern "C" {
    /// Runs the module's static constructors. The linker generates it.
    fn __wasm_call_ctors();
}

/// WASI calls this once, before anything else. A module without it would be taken for a command,
/// and the linker would wrap every export in a call of all constructors and destructors.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: the ABI promises that this runs once, and first.
    unsafe { __wasm_call_ctors() }
}

/// Called for each new context. A root context has no parent (0); a stream's parent is its root.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, parent: u32) {
    if parent != 0 {
        #[cfg(feature = "probe")]
        crate::probe::created();
        plugin::add_stream(context, parent);
    }
}

/// Returns 1 when the configuration is accepted. On 0, an Envoy that is starting does not start,
/// and one that is running keeps the configuration that it has.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, size: usize) -> u32 {
    let configuration = match size {
        0 => Some(Vec::new()),
        size => abi::plugin_configuration(size),
    };
    configuration.is_some_and(|configuration| plugin::configure(root, &configuration)).into()
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(stream: u32, _headers: u32, end_of_stream: u32) -> u32 {
    #[cfg(feature = "probe")]
    crate::probe::on_request_headers();
    let has_more = end_of_stream == 0;
    action(plugin::on_request_headers(stream, has_more, stream::on_request_headers))
}

/// Called for each response, those that the proxy makes itself included.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(stream: u32, _headers: u32, _end_of_stream: u32) -> u32 {
    action(plugin::on_response_headers(stream, stream::on_response_headers))
}

/// Called for the few requests that have trailers: a client may not send there what it may not send
/// as a header.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(stream: u32, _trailers: u32) -> u32 {
    action(plugin::on_request_trailers(stream, stream::on_request_trailers))
}

fn action(outcome: Outcome) -> u32 {
    match outcome {
        Outcome::Continue | Outcome::Passed => CONTINUE,
        Outcome::Answered => PAUSE,
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    plugin::tick(root);
}

/// Called at the end of each stream. Only the test build exports it, to count streams: Envoy would
/// enter the VM once more for each stream.
#[cfg(feature = "probe")]
#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    if !plugin::is_root(context) {
        crate::probe::deleted();
    }
}
