//! gRPC status codes for HTTP statuses.

/// `UNAVAILABLE`.
pub(crate) const UNAVAILABLE: u32 = 14;

/// The gRPC status for an HTTP status: gRPC's own table, as Envoy applies it.
pub(crate) fn status_of_http(status: u32) -> u32 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => UNAVAILABLE,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_statuses_have_grpc_statuses() {
        assert_eq!(
            [400, 401, 403, 404, 429, 503, 500, 200].map(status_of_http),
            [13, 16, 7, 12, 14, 14, 2, 2]
        );
    }
}
