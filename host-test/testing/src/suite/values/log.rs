//! A log line that a test names.

use gatepost_host::LogLevel;
use serde::Deserialize;
use serde::de::Error;

use super::matcher::{Matcher, MatcherMap};
use super::text_or_map::{TextOrMap, text_or_map};

text_or_map!(LogExpectation);

/// A line that is logged.
#[derive(Clone, Debug)]
pub struct LogExpectation {
    /// Its level; none is any.
    pub level: Option<LogLevel>,
    /// Its text.
    pub message: Matcher,
}

/// The mapping form of a [`LogExpectation`]: a matcher with a level.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogMap {
    level: Option<LogLevel>,
    exact: Option<String>,
    regex: Option<String>,
    prefix: Option<String>,
    suffix: Option<String>,
    contains: Option<String>,
}

impl TextOrMap for LogExpectation {
    type Map = LogMap;
    const EXPECTING: &'static str = "a text, or a mapping with one of `exact`, `regex`, `prefix`, \
                                     `suffix`, `contains`, and `level`";

    fn from_text<E: Error>(text: String) -> Result<Self, E> {
        Ok(Self { level: None, message: Matcher::Exact(text.into()) })
    }

    fn from_map<E: Error>(map: LogMap) -> Result<Self, E> {
        let LogMap { level, exact, regex, prefix, suffix, contains } = map;
        let nothing =
            [&exact, &regex, &prefix, &suffix, &contains].iter().all(|given| given.is_none());
        let any = (nothing && level.is_some()).then_some(true);
        let map = MatcherMap {
            exact,
            regex,
            prefix,
            suffix,
            contains,
            present: any,
            ..MatcherMap::default()
        };
        Ok(Self { level, message: map.into_matcher()? })
    }
}
