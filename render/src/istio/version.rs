//! Istio's releases, as far as objects differ between them.

use std::fmt;
use std::str::FromStr;

/// A release of Istio: its minor version, as `1.30` has 30.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IstioVersion {
    minor: u16,
}

/// Why a text is no version that can be rendered for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum VersionError {
    /// It is no version.
    #[error("`{text}` is no version of Istio: write it as in 1.30")]
    Malformed {
        /// The text.
        text: String,
    },
    /// It is too old.
    #[error(
        "Istio {version} is older than {oldest}, the first release with these versions of its APIs"
    )]
    TooOld {
        /// The version.
        version: IstioVersion,
        /// The oldest that works.
        oldest: IstioVersion,
    },
}

impl IstioVersion {
    /// `networking.istio.io/v1`, and `targetRefs` in a WasmPlugin.
    pub const OLDEST: Self = Self { minor: 22 };
    /// `FAIL_RELOAD`.
    pub const FAIL_RELOAD: Self = Self { minor: 27 };
    /// TrafficExtension, by which WasmPlugin is implemented since.
    pub const TRAFFIC_EXTENSION: Self = Self { minor: 30 };
}

impl Default for IstioVersion {
    fn default() -> Self {
        Self::TRAFFIC_EXTENSION
    }
}

impl fmt::Display for IstioVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.minor)
    }
}

impl FromStr for IstioVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let malformed = || VersionError::Malformed { text: text.to_owned() };
        let mut parts = text.strip_prefix('v').unwrap_or(text).splitn(3, '.');
        let (Some("1"), Some(minor)) = (parts.next(), parts.next()) else {
            return Err(malformed());
        };
        let version = Self { minor: minor.parse().map_err(|_| malformed())? };
        let oldest = Self::OLDEST;
        if version < oldest { Err(VersionError::TooOld { version, oldest }) } else { Ok(version) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_with_and_without_its_patch() {
        for text in ["1.30", "1.30.2", "v1.30.0-rc.1"] {
            assert_eq!(text.parse(), Ok(IstioVersion { minor: 30 }), "{text}");
        }
        for text in ["", "30", "2.1", "1", "1.x", "1."] {
            let error = VersionError::Malformed { text: text.to_owned() };
            assert_eq!(text.parse::<IstioVersion>(), Err(error), "{text}");
        }
        let error = "1.21.9".parse::<IstioVersion>().unwrap_err();
        assert!(error.to_string().starts_with("Istio 1.21 is older than 1.22,"), "{error}");
    }
}
