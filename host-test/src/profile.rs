//! The rules that differ between proxies: Envoy, and Google Cloud's Service Extensions.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::headers::Headers;

/// The proxy whose rules apply.
///
/// ```
/// use gatepost_host::{Host, Profile, Vm, VmOptions};
/// # use gatepost_host_fixtures::*;
/// # let module = module("tag");
/// # let mut seen = Vec::new();
///
/// // This guest adds `x-tag: blue` to a request that has an `x-tag` already.
/// for profile in [Profile::Envoy, Profile::Gcp] {
///     let options = VmOptions { profile, ..VmOptions::default() };
///     let mut vm = Vm::new(&module, Host::default(), options)?;
///     # let plugin = vm.start_plugin(config("tag"))?;
///     # let stream = vm.stream(plugin, StreamInfo::default())?;
///     # let mut headers = Headers::request([("x-tag", "red")]);
///     let _ = vm.request_headers(stream, &mut headers, true)?;
///     seen.push(headers.to_string());
/// }
/// assert_eq!(seen, ["x-tag: red\nx-tag: blue\n", "x-tag: red, blue\n"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Envoy: a header can have several values, a map's size is its bytes, and a body is written at
    /// its start or its end.
    #[default]
    Envoy,
    /// Google Cloud, as in its plugin tester: a header has one value, to which others are joined
    /// with `, `; replacing a header keeps its position; a map's size is its number of headers; any
    /// part of a body can be written; the plugin's configuration can be read in every callback; a
    /// map or body of another callback cannot; and a local reply is taken in a request's callbacks
    /// and in those of a response's headers only.
    Gcp,
}

impl Profile {
    pub(crate) fn add(self, headers: &mut Headers, name: &[u8], value: &[u8]) {
        if self == Profile::Gcp
            && let Some(have) = headers.get(name)
        {
            // An empty value gives way.
            let joined =
                if have.is_empty() { value.to_vec() } else { [have, b", ", value].concat() };
            headers.set(name, joined);
        } else {
            headers.add(name, value);
        }
    }

    pub(crate) fn replace(self, headers: &mut Headers, name: &[u8], value: &[u8]) {
        match self {
            Profile::Gcp if headers.find(name).is_some() => headers.set(name, value),
            _ => headers.replace(name, value),
        }
    }

    pub(crate) fn size(self, headers: &Headers) -> usize {
        match self {
            Profile::Envoy => headers.byte_size(),
            Profile::Gcp => headers.len(),
        }
    }

    /// The parts of a body before and after the data that a guest writes. Envoy replaces `length`
    /// bytes at the start or appends at the end, and refuses other positions.
    pub(crate) fn splice(
        self,
        body: &Bytes,
        start: usize,
        length: usize,
    ) -> Option<(&[u8], &[u8])> {
        let after = |start: usize| body.get(start.saturating_add(length)..).unwrap_or_default();
        match (self, start) {
            (Profile::Envoy, 0) => Some((&[], after(0))),
            _ if start >= body.len() => Some((body, &[])),
            (Profile::Envoy, _) => None,
            (Profile::Gcp, _) => Some((body.get(..start)?, after(start))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envoy_keeps_values_apart_and_google_joins_them() {
        let pairs = [("a", "1"), ("b", "2")];
        let (mut envoy, mut gcp) = (Headers::request(pairs), Headers::request(pairs));
        for (profile, headers) in [(Profile::Envoy, &mut envoy), (Profile::Gcp, &mut gcp)] {
            profile.add(headers, b"A", b"3");
            profile.replace(headers, b"b", b"4");
        }
        assert_eq!(envoy.to_string(), "a: 1\na: 3\nb: 4\n");
        assert_eq!(gcp.to_string(), "a: 1, 3\nb: 4\n");
        assert_eq!((Profile::Envoy.size(&gcp), Profile::Gcp.size(&gcp)), (7, 2));
    }

    #[test]
    fn only_google_writes_inside_a_body() {
        let body = Bytes::from_static(b"abcdef");
        assert_eq!(Profile::Envoy.splice(&body, 0, 2), Some((&b""[..], &b"cdef"[..])));
        assert_eq!(Profile::Envoy.splice(&body, 9, 2), Some((&b"abcdef"[..], &b""[..])));
        assert_eq!(Profile::Envoy.splice(&body, 2, 2), None);
        assert_eq!(Profile::Gcp.splice(&body, 2, 2), Some((&b"ab"[..], &b"ef"[..])));
        assert_eq!(Profile::Gcp.splice(&body, 2, usize::MAX), Some((&b"ab"[..], &b""[..])));
    }
}
