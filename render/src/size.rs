//! How large an object may be on its way into a cluster. All three limits were met on a real API
//! server with etcd's defaults: 16,000 mappings (1.49 MB of JSON) are stored, 20,000 (1.86 MB) are
//! `etcdserver: request is too large`.

use crate::RenderError;

/// Without `--server-side`, `kubectl apply` keeps the object in an annotation, of which Kubernetes
/// allows 256 KiB in all.
pub(crate) const CLIENT_SIDE: usize = 262_144;

/// A request to etcd (`--max-request-bytes`). The API server itself takes twice as much.
pub(crate) const ETCD: usize = 1_572_864;

/// What the object holds in the cluster beside its own text: managed fields, and its address.
const OVERHEAD: usize = 2048;

/// Compares the size of an object, in bytes of JSON, with the limits. Gives what a person has to do
/// for it, if anything.
///
/// # Errors
/// When etcd cannot store it.
pub(crate) fn check(kind: &'static str, size: usize) -> Result<Option<String>, RenderError> {
    if size + OVERHEAD > ETCD {
        return Err(RenderError::TooLarge { kind, size, limit: ETCD });
    }
    let needs_server_side = size + OVERHEAD > CLIENT_SIDE;
    Ok(needs_server_side.then(|| {
        format!(
            "this {kind} has {size} bytes, and `kubectl apply` takes {CLIENT_SIDE}: \
             use `kubectl apply --server-side`"
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_has_its_way_out() {
        assert_eq!(check("WasmPlugin", 200_000), Ok(None));
        let note = check("WasmPlugin", 262_144).unwrap().expect("a note");
        assert!(note.ends_with("use `kubectl apply --server-side`"), "{note}");
        let error = check("WasmPlugin", 1_860_000).unwrap_err().to_string();
        assert!(error.contains("1860000 bytes") && error.contains("render envoy"), "{error}");
    }
}
