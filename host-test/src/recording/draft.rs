//! The hostcall that is being recorded. A hostcall adds its arguments and results as it reads and
//! writes them.

use super::value::{Fields, Value};

/// A hostcall while it runs.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) arguments: Fields,
    pub(crate) returned: Fields,
}

impl Draft {
    pub(crate) fn arg(&mut self, name: &'static str, value: impl Into<Value>) -> &mut Self {
        self.arguments.0.push((name, value.into()));
        self
    }

    pub(crate) fn ret(&mut self, name: &'static str, value: impl Into<Value>) -> &mut Self {
        self.returned.0.push((name, value.into()));
        self
    }
}
