//! A plain filter as the Rust SDK's documentation teaches to write one: it reads three request
//! headers and sets one.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn create_http_context(&self, _context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream;

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _headers: usize, _end_of_stream: bool) -> Action {
        let known =
            [":authority", ":path", "user-agent"].map(|name| self.get_http_request_header(name));
        let complete = known.iter().all(Option::is_some);
        self.set_http_request_header("x-complete", Some(if complete { "yes" } else { "no" }));
        Action::Continue
    }
}
