//! The probe of ABI 0.1.0: header callbacks without `end_of_stream`, and the hostcalls that only
//! 0.1.0 has.

#[cfg(target_arch = "wasm32")]
mod guest {
    use gatepost_guests::abi;
    use gatepost_guests::dialect::Dialect;
    use gatepost_guests::{header_callbacks_v0_1_0, probe};

    static DIALECT: Dialect = Dialect {
        continue_stream: |kind| {
            if kind == 0 { abi::continue_request() } else { abi::continue_response() }
        },
        close_stream: None,
        log_level: None,
        clear_route_cache: Some(abi::clear_route_cache),
        configuration: Some(abi::configuration),
    };

    probe!(DIALECT, proxy_abi_version_0_1_0);
    header_callbacks_v0_1_0!(DIALECT);
}
