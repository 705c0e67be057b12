//! A guest with the fewest exports: no context, no configuration, and one callback, which sets a
//! header of the request.

#[cfg(target_arch = "wasm32")]
mod guest {
    use gatepost_guests::abi;

    #[unsafe(no_mangle)]
    extern "C" fn proxy_abi_version_0_2_1() {}

    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_request_headers(_context: u32, _headers: u32, _end: u32) -> u32 {
        abi::add_header(0, b"x-few", b"exports");
        0
    }
}
