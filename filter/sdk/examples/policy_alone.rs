//! A filter that carries out a Gatepost policy and does nothing else. Its plugin configuration is
//! the policy.

#![cfg(target_arch = "wasm32")]

use std::time::Duration;

use gatepost_proxy_wasm::{Gatepost, Outcome};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

#[derive(Default)]
struct Root {
    gatepost: Gatepost,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        let Ok(gatepost) = Gatepost::configure(&configuration) else { return false };
        self.gatepost = gatepost;
        self.set_tick_period(Duration::from_millis(500));
        true
    }

    fn on_tick(&mut self) {
        self.gatepost.flush_counters();
    }

    fn create_http_context(&self, _context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream(self.gatepost.stream())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream(gatepost_proxy_wasm::Stream);

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _headers: usize, _end_of_stream: bool) -> Action {
        action(self.0.on_request())
    }

    fn on_http_request_trailers(&mut self, _trailers: usize) -> Action {
        action(self.0.on_request_trailers())
    }

    fn on_http_response_headers(&mut self, _headers: usize, _end_of_stream: bool) -> Action {
        action(self.0.on_response())
    }
}

fn action(outcome: Outcome) -> Action {
    match outcome {
        Outcome::Continue | Outcome::Passed => Action::Continue,
        Outcome::Answered => Action::Pause,
    }
}
