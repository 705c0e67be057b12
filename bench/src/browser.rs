//! The request of a browser, which every benchmark sends.

/// What a browser sends beside `Host`, and the `via` that a load balancer adds.
pub const BROWSER: [(&str, &str); 12] = [
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/137.0.0.0 Safari/537.36",
    ),
    (
        "accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,\
         image/avif,image/webp,image/apng,*/*;q=0.8",
    ),
    ("accept-language", "en-GB,en;q=0.9,de;q=0.8"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("cookie", "session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; consent=yes"),
    ("referer", "https://www.example.com/articles"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "same-origin"),
    ("upgrade-insecure-requests", "1"),
    ("cache-control", "max-age=0"),
    ("via", "1.1 google"),
];

/// A browser's request with these pseudo-headers.
#[must_use]
pub const fn browser(
    [method, path, scheme, authority]: [(&'static str, &'static str); 4],
) -> [(&'static str, &'static str); 16] {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = BROWSER;
    [method, path, scheme, authority, a, b, c, d, e, f, g, h, i, j, k, l]
}
