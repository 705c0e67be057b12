//! What Envoy calls. It wants every hook of an HTTP filter to be there; those that have nothing to
//! do let the stream go on.

use std::ffi::{c_char, c_void};
use std::ptr;

use gatepost_engine::compile_json;

use crate::abi::{Buffer, EnvoyConfig, EnvoyFilter, Stream, VERSION, log_error};
use crate::config::Config;
use crate::request;

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_program_init() -> *const c_char {
    VERSION.as_ptr()
}

/// Null refuses the configuration.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_config_new(
    envoy: EnvoyConfig,
    _name: Buffer,
    config: Buffer,
) -> *const Config {
    // SAFETY: Envoy lends the configuration for the length of this call.
    match compile_json(unsafe { config.bytes() }) {
        Ok(policy) => Box::into_raw(Box::new(Config::new(envoy, policy))),
        Err(errors) => {
            errors.iter().for_each(|error| log_error(&error.to_string()));
            ptr::null()
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_config_destroy(config: *mut Config) {
    if !config.is_null() {
        // SAFETY: it came from `config_new`, and Envoy gives it back once.
        drop(unsafe { Box::from_raw(config) });
    }
}

/// A stream needs nothing but the policy, so Envoy gets that again.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_new(
    config: *const Config,
    _filter: EnvoyFilter,
) -> *const Config {
    config
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_request_headers(
    filter: EnvoyFilter,
    config: *const Config,
    _end_of_stream: bool,
) -> u32 {
    // SAFETY: Envoy keeps a configuration until its last stream is gone.
    let Some(config) = (unsafe { config.as_ref() }) else { return request::STOP };
    request::decide(config, Stream(filter))
}

/// Hooks that have nothing to do. They ignore their arguments, and 0 says that the stream goes on.
macro_rules! idle {
    ($($hook:ident)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $hook(_filter: *mut c_void) -> u32 {
                0
            }
        )*
    };
}

idle! {
    envoy_dynamic_module_on_http_filter_request_body
    envoy_dynamic_module_on_http_filter_request_trailers
    envoy_dynamic_module_on_http_filter_response_headers
    envoy_dynamic_module_on_http_filter_response_body
    envoy_dynamic_module_on_http_filter_response_trailers
    envoy_dynamic_module_on_http_filter_stream_complete
    envoy_dynamic_module_on_http_filter_destroy
    envoy_dynamic_module_on_http_filter_http_callout_done
    envoy_dynamic_module_on_http_filter_http_stream_headers
    envoy_dynamic_module_on_http_filter_http_stream_data
    envoy_dynamic_module_on_http_filter_http_stream_trailers
    envoy_dynamic_module_on_http_filter_http_stream_complete
    envoy_dynamic_module_on_http_filter_http_stream_reset
    envoy_dynamic_module_on_http_filter_scheduled
    envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark
    envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark
}
