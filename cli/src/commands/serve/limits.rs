//! The arguments of `serve` that limit clients and upstreams. Names and defaults are Envoy's.

use std::time::Duration;

use gatepost_gateway::Timeouts;

#[derive(clap::Args)]
#[command(next_help_heading = "Limits, with Envoy's names and defaults; 0 is none")]
pub struct Limits {
    /// From a request's end to the end of its response; 504 after it
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "15")]
    timeout: Duration,
    /// How long a connection to an upstream may take; 503 after it
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "5")]
    connect_timeout: Duration,
    /// How long a request, a response or a WebSocket may stand still; 408 while the client has to
    /// send, 504 while the upstream has to
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "300")]
    stream_idle_timeout: Duration,
    /// How long a whole request may take; 408 after it
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "0")]
    request_timeout: Duration,
    /// How long a request's head may take; 408 after it
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "0")]
    request_headers_timeout: Duration,
    /// How long a connection may have no request
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "3600")]
    idle_timeout: Duration,
    /// How many clients may be connected; as many as there are descriptors for without it. For one
    /// more, those are closed that wait for their clients the longest
    #[arg(long, value_name = "N", default_value_t = 0)]
    max_connections: usize,
    /// A protocol that HTTP/1.1 clients may change to; `none` for none
    #[arg(
        long = "upgrade-type",
        value_name = "PROTOCOL",
        num_args = 1..,
        default_values = ["websocket"]
    )]
    upgrade_types: Vec<String>,
}

impl Limits {
    pub fn timeouts(&self) -> Timeouts {
        let limit = |time: Duration| (!time.is_zero()).then_some(time);
        Timeouts {
            connect: limit(self.connect_timeout).unwrap_or(Duration::MAX),
            route: limit(self.timeout),
            stream_idle: limit(self.stream_idle_timeout),
            request: limit(self.request_timeout),
            request_headers: limit(self.request_headers_timeout),
            idle: limit(self.idle_timeout),
        }
    }

    /// How many clients may be connected, where there are descriptors for so many.
    pub fn max_connections(&self, possible: usize) -> usize {
        if self.max_connections == 0 { possible } else { self.max_connections.min(possible) }
    }

    pub fn upgrades(&self) -> Vec<String> {
        let names = self.upgrade_types.iter().filter(|name| *name != "none");
        names.map(|name| name.to_ascii_lowercase()).collect()
    }
}

/// A time in seconds, with a fraction if need be, up to a year: longer ones overflow clocks.
fn seconds(text: &str) -> Result<Duration, String> {
    const YEAR: f64 = 366.0 * 86_400.0;
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=YEAR).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("write seconds, as in 15 or 0.5; 0 is no limit".to_owned()),
    }
}
