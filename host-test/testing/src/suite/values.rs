//! Values that may be written in several ways, as a text or as a mapping that says more.

mod body;
mod headers;
mod log;
mod matcher;
mod property;
mod text_or_map;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

pub use self::body::{Body, Content};
pub use self::headers::HeaderList;
pub use self::log::LogExpectation;
pub(super) use self::matcher::json_difference;
pub use self::matcher::{Matcher, Outcome};
pub use self::property::Property;

/// A configuration as it is given to a plugin: text as it is, anything else as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration(pub Bytes);

impl<'de> Deserialize<'de> for Configuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text.into(),
            serde_json::Value::Null => Bytes::new(),
            json => json.to_string().into(),
        }))
    }
}

/// The address of a client, with or without a port.
pub(super) fn address(text: &str) -> Option<SocketAddr> {
    text.parse().ok().or_else(|| text.parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, 0)))
}

/// A length of time, as in `250ms` and `2s`; a number is seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &text[number.len()..] {
            "" | "s" => 1.0,
            "ms" => 1e-3,
            "us" => 1e-6,
            "ns" => 1e-9,
            "m" => 60.0,
            "h" => 3600.0,
            _ => {
                return Err(D::Error::custom(format!(
                    "{text:?} is no length of time: write `250ms`, `2s`, `1m` or `1h`"
                )));
            }
        };
        let seconds = number.trim().parse::<f64>().ok().map(|number| number * unit);
        let span = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        span.map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "{text:?} is no length of time: write `250ms`, `2s`, `1m` or `1h`"
            ))
        })
    }
}
