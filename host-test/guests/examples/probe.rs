//! The probe of ABI 0.2.1: every callback is exported, and runs the lines of a script.

#[cfg(target_arch = "wasm32")]
mod guest {
    use gatepost_guests::dialect::Dialect;
    use gatepost_guests::{abi, header_callbacks, probe};

    static DIALECT: Dialect = Dialect {
        continue_stream: abi::continue_stream,
        close_stream: Some(abi::close_stream),
        log_level: Some(abi::log_level),
        clear_route_cache: None,
        configuration: None,
    };

    probe!(DIALECT, proxy_abi_version_0_2_1);
    header_callbacks!(DIALECT);
}
