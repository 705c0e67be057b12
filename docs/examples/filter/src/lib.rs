//! Lets a request pass that carries the key of a caller, and tells the upstream who that is.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

type Callers = Vec<(String, String)>;

/// Reads `name=key`, a caller on each line.
fn callers(text: &str) -> Result<Callers, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| match line.split_once('=') {
            Some((name, key)) if !name.is_empty() && !key.is_empty() => {
                Ok((name.to_owned(), key.to_owned()))
            }
            _ => Err(format!("{line:?} is not `name=key`")),
        })
        .collect()
}

#[derive(Default)]
struct Root {
    callers: Callers,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        match callers(&String::from_utf8_lossy(&configuration)) {
            Ok(callers) => {
                self.callers = callers;
                true
            }
            Err(error) => {
                log::error!("configuration: {error}");
                false
            }
        }
    }

    fn create_http_context(&self, _context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request { callers: self.callers.clone() }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Request {
    callers: Callers,
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _headers: usize, _end_of_stream: bool) -> Action {
        let key = self.get_http_request_header("x-api-key").unwrap_or_default();
        match self.callers.iter().find(|(_, known)| *known == key) {
            Some((name, _)) => {
                self.set_http_request_header("x-api-key", None);
                self.set_http_request_header("x-caller", Some(name));
                Action::Continue
            }
            None => {
                log::info!("refused: no caller has this key");
                self.send_http_response(
                    401,
                    vec![("www-authenticate", "x-api-key")],
                    Some(b"who are you?\n"),
                );
                Action::Pause
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::callers;

    #[test]
    fn each_line_is_a_caller() {
        let expected =
            vec![("alice".to_owned(), "s3cret".to_owned()), ("bob".to_owned(), "a=b".to_owned())];
        assert_eq!(callers("alice=s3cret\n\n bob=a=b\n"), Ok(expected));
    }

    #[test]
    fn a_line_without_a_key_is_refused() {
        assert!(callers("alice").is_err());
    }
}
