//! The exports of a probe, which a host calls. They are macros, because each module defines those
//! of its version of the ABI.

unsafe extern "C" {
    /// The module's static constructors, a function of the linker's.
    fn __wasm_call_ctors();
}

/// WASI calls this once, before anything else. Without it the module would be a command, and the
/// linker would call all constructors and destructors in every export.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: the ABI promises that this runs once, and first.
    unsafe { __wasm_call_ctors() }
}

/// Allocates memory for a value that the host gives.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    crate::abi::allocate(size)
}

/// Exports callbacks that log their arguments and run their lines:
/// `callbacks!(DIALECT; export, "name", answer, (numbers), (end);…)`. The first parameter of each
/// callback is its context.
#[macro_export]
macro_rules! callbacks {
    ($dialect:path; $(
        $export:ident, $name:literal, $answer:literal, ($($number:ident),*), ($($end:ident)?);
    )*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $export(context: u32 $(, $number: u32)* $(, $end: u32)?) -> u32 {
            let mut arguments: Vec<String> = Vec::new();
            $(arguments.push($number.to_string());)*
            let end = false;
            $(let end = end || $end != 0; arguments.push(end.to_string());)?
            $crate::run::callback(&$dialect, $name, context, &arguments.join(", "), end, $answer)
        }
    )*};
}

/// As [`callbacks!`], for callbacks that return nothing.
#[macro_export]
macro_rules! notices {
    ($dialect:path; $(
        $export:ident, $name:literal, ($($hidden:ident),*), ($($number:ident),*);
    )*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $export(context: u32 $(, $hidden: u32)* $(, $number: u32)*) {
            $(let _ = $hidden;)*
            let arguments: Vec<String> = vec![$($number.to_string()),*];
            $crate::run::callback(&$dialect, $name, context, &arguments.join(", "), false, 0);
        }
    )*};
}

/// The exports that every version of the ABI has.
#[macro_export]
macro_rules! probe {
    ($dialect:path, $version:ident) => {
        #[unsafe(no_mangle)]
        extern "C" fn $version() {}

        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_context_create(context: u32, parent: u32) {
            $crate::run::create(&$dialect, context, parent);
        }

        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_vm_start(root: u32, size: u32) -> u32 {
            $crate::run::vm_start(&$dialect, root, size)
        }

        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_configure(root: u32, size: u32) -> u32 {
            $crate::run::configure(&$dialect, root, size)
        }

        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_delete(context: u32) {
            $crate::run::delete(&$dialect, context);
        }

        $crate::callbacks! { $dialect;
            proxy_on_new_connection, "new_connection", 0, (), ();
            proxy_on_downstream_data, "downstream_data", 0, (size), (end);
            proxy_on_upstream_data, "upstream_data", 0, (size), (end);
            proxy_on_request_body, "request_body", 0, (size), (end);
            proxy_on_request_trailers, "request_trailers", 0, (count), ();
            proxy_on_request_metadata, "request_metadata", 0, (count), ();
            proxy_on_response_body, "response_body", 0, (size), (end);
            proxy_on_response_trailers, "response_trailers", 0, (count), ();
            proxy_on_response_metadata, "response_metadata", 0, (count), ();
            proxy_on_done, "done", 1, (), ();
        }

        $crate::notices! { $dialect;
            proxy_on_tick, "tick", (), ();
            proxy_on_queue_ready, "queue_ready", (queue), ();
            proxy_on_log, "log", (), ();
            proxy_on_downstream_connection_close, "downstream_close", (), (peer);
            proxy_on_upstream_connection_close, "upstream_close", (), (peer);
            proxy_on_http_call_response, "http_call_response", (token), (headers, body, trailers);
            proxy_on_grpc_receive_initial_metadata,
                "grpc_receive_initial_metadata", (token), (count);
            proxy_on_grpc_receive, "grpc_receive", (token), (size);
            proxy_on_grpc_receive_trailing_metadata,
                "grpc_receive_trailing_metadata", (token), (count);
            proxy_on_grpc_close, "grpc_close", (token), (status);
        }
    };
}

/// The header callbacks since ABI 0.2.0.
#[macro_export]
macro_rules! header_callbacks {
    ($dialect:path) => {
        $crate::callbacks! { $dialect;
            proxy_on_request_headers, "request_headers", 0, (count), (end);
            proxy_on_response_headers, "response_headers", 0, (count), (end);
        }
    };
}

/// The header callbacks of ABI 0.1.0, which have no `end_of_stream`.
#[macro_export]
macro_rules! header_callbacks_v0_1_0 {
    ($dialect:path) => {
        $crate::callbacks! { $dialect;
            proxy_on_request_headers, "request_headers", 0, (count), ();
            proxy_on_response_headers, "response_headers", 0, (count), ();
        }
    };
}
