//! "`private` takes host patterns, addresses and CIDR blocks. The client's host is compared in
//! normal form; an address in every form in which another program may read it."

use crate::vocabulary::{error, errors, get, policy};

fn private(list: &str) -> gatepost_engine::Policy {
    policy(&format!(r#"{{ "hosts": {{ "private": {list} }} }}"#))
}

/// Spellings of 127.0.0.1 that some program reads as that address.
const LOOPBACK: [&str; 22] = [
    "127.0.0.1",
    "127.0.0.1.:80",
    "127.1",
    "127.1.:80",
    "127.0.1",
    "2130706433",
    "0177.0.0.1",
    "0177.1",
    "0127.0.0.1",
    "127.0.0.01",
    "000000000177.0.0.01",
    "0X7F.1",
    "0x7f000001",
    "127.0.0.0x1",
    "[::ffff:127.0.0.1]",
    "[::FFFF:7F00:1]:443",
    "[0:0:0:0:0:ffff:7f00:0001]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[64:FF9B::7f00:1]",
    "[0064:ff9b:0:0:0:0:127.0.0.1]:80",
];

#[test]
fn a_private_address_is_refused_in_every_way_to_write_it() {
    for list in [
        r#"["127.0.0.1"]"#,
        r#"["127.0.0.0/8"]"#,
        r#"["0.0.0.0/0"]"#,
        r#"["[::ffff:127.0.0.1]"]"#,
        r#"["::ffff:127.0.0.1"]"#,
        r#"["64:ff9b::7f00:1"]"#,
        r#"["::ffff:7f00:0/104"]"#,
        r#"["::127.0.0.0/120"]"#,
        r#"["::/0"]"#,
        r#"["*.svc", "10.0.0.0/8", "fc00::/7", "127.0.0.1"]"#,
    ] {
        let policy = private(list);
        for host in LOOPBACK {
            get(host)
                .decided_by(&policy)
                .replies(404, "gatepost.host.private")
                .counts(&["gatepost.host.private"]);
        }
    }
}

#[test]
fn other_addresses_and_names_pass() {
    let policy = private(r#"["127.0.0.1", "10.0.0.0/8", "fc00::/7", "[::1]"]"#);
    for host in [
        "127.0.0.2",
        "127.2",
        "127.1.test",
        "a.127.1",
        "1.127.0.0.1",
        "127.0x",
        "4294967296",
        "127.256.1",
        "11.0.0.1",
        "[::ffff:11.0.0.1]",
        "[2001:db8::7f00:1]",
        "[::2:7f00:1]",
        "0.0.0.1",
        "[fe80::1]",
        "10.example",
    ] {
        assert!(get(host).decided_by(&policy).upstream().is_some(), "{host}");
    }
}

#[test]
fn a_block_refuses_its_addresses_and_no_others() {
    let policy = private(r#"["10.0.0.0/8", "fc00::/7", "192.168.7.0/24", "2001:db8::/127"]"#);
    for host in
        ["10.255.0.1", "10.1", "[fd00::1]", "[fc00::]:80", "192.168.7.9", "[2001:db8::1]", "012.1"]
    {
        get(host).decided_by(&policy).replies(404, "gatepost.host.private");
    }
    for host in ["9.255.255.255", "192.168.8.0", "[fe00::1]", "[2001:db8::2]"] {
        get(host).decided_by(&policy).is_unchanged();
    }
}

#[test]
fn the_ipv6_loopback_address_is_no_ipv4_address() {
    let policy = private(r#"["::1"]"#);
    for host in ["[::1]", "[::1]:8080", "[0:0:0:0:0:0:0:1]", "[::0.0.0.1]"] {
        get(host).decided_by(&policy).replies(404, "gatepost.host.private");
    }
    get("0.0.0.1").decided_by(&policy).is_unchanged();
    get("[::]").decided_by(&policy).is_unchanged();
}

#[test]
fn an_address_without_its_brackets_is_no_authority() {
    let policy = private(r#"["[::1]", "*.internal.example.com"]"#);
    for host in ["::1", "::1:8080", "x~.internal.example.com", "fc00::1", "[::1", "::1]"] {
        get(host).decided_by(&policy).replies(400, "gatepost.host.invalid");
    }
}

#[test]
fn the_text_that_goes_upstream_keeps_its_form() {
    let policy = private(r#"["127.0.0.1"]"#);
    get("[::ffff:10.0.0.1]:80").decided_by(&policy).forwards_authority("[::ffff:10.0.0.1]:80");
    get("012.0.0.1").decided_by(&policy).forwards_authority("012.0.0.1");
}

#[test]
fn a_host_that_a_subdomain_source_shortens_to_a_private_address_is_refused() {
    let policy = policy(
        r#"{
          "environments": { "sources": [{ "subdomain": "*.{env}.0.1" }] },
          "hosts": { "private": ["127.0.0.0/8"] }
        }"#,
    );
    get("127.x.0.1").decided_by(&policy).replies(404, "gatepost.host.private");
    get("127.0.x.0.1").decided_by(&policy).replies(404, "gatepost.host.private");
}

#[test]
fn an_address_given_twice_is_a_duplicate_in_whatever_form() {
    for (list, known) in [
        (r#"["127.0.0.1", "[::ffff:127.0.0.1]"]"#, "127.0.0.1"),
        (r#"["::1", "[0::1]"]"#, "[::1]"),
        (r#"["10.0.0.0/8", "::ffff:10.1.2.3/104"]"#, "10.0.0.0/8"),
        (r#"["fc00::/7", "fd00::/7"]"#, "fc00::/7"),
    ] {
        assert_eq!(
            error(&format!(r#"{{ "hosts": {{ "private": {list} }} }}"#)),
            format!("hosts.private[1]: `{known}` is already given at hosts.private[0]")
        );
    }
}

#[test]
fn a_number_that_is_read_in_two_ways_is_no_private_host() {
    assert_eq!(
        errors(r#"{ "hosts": { "private": ["127.1", "0x7f000001", "010.0.0.1"] } }"#),
        [
            "hosts.private[0]: some programs read `127.1` as the address 127.0.0.1, and others as \
             a name; write the address: 127.0.0.1",
            "hosts.private[1]: some programs read `0x7f000001` as the address 127.0.0.1, and \
             others as a name; write the address: 127.0.0.1",
            "hosts.private[2]: some programs read `010.0.0.1` as the address 8.0.0.1, and others \
             as a name; write the address: 8.0.0.1",
        ]
    );
}

#[test]
fn what_is_no_block_is_an_error() {
    for text in ["10.0.0.0/33", "10/8", "fc00::/129", "[fc00::]/7", "a.example/8", "10.0.0.0/-1"] {
        assert_eq!(
            error(&format!(r#"{{ "hosts": {{ "private": ["{text}"] }} }}"#)),
            format!(
                "hosts.private[0]: `{text}` is no CIDR block, such as 35.191.0.0/16 or \
                 2600:2d00:1:1::/64"
            )
        );
    }
}

#[test]
fn a_policy_has_at_most_1024_private_blocks() {
    let blocks = |count: usize| {
        let blocks: Vec<String> =
            (0..count).map(|n| format!(r#""10.{}.{}.0/24""#, n / 256, n % 256)).collect();
        format!(r#"{{ "hosts": {{ "private": [{}] }} }}"#, blocks.join(","))
    };
    get("10.3.255.1").decided_by(&policy(&blocks(1024))).replies(404, "gatepost.host.private");
    assert_eq!(error(&blocks(1025)), "hosts.private[1024]: more than 1024 private CIDR blocks");
}
