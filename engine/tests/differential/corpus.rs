//! Authorities from a grammar of hosts and ports, some of them with bytes changed, inserted,
//! removed or repeated. The seed is fixed, so every run compares the same ones.

use fastrand::Rng;

const HOSTS: &[&str] = &[
    "a.test",
    "My-Service.test.com",
    "localhost",
    "a_b.test",
    "-a.test",
    "a-.test",
    "xn--bcher-kva.test",
    "xn--a.test",
    "app.default.svc.cluster.local",
    "10.0.0.1",
    "127.1",
    "0x7f.0.0.1",
    "0177.1",
    "2130706433",
    "1.2.3.256",
    "1.2.3.4.5",
    "a.1",
    "a.0x1",
    "a.08",
    "[::1]",
    "[2001:DB8::A]",
    "[2001:db8:0:0:0:0:0:a]",
    "[::ffff:127.0.0.1]",
    "[fe80::1%25eth0]",
    "[v1.a]",
    "[::1",
    "::1",
    "",
    ".",
    "b\u{fc}cher.test",
    "\u{ff41}.test",
    "a\u{3002}test",
    "%61.test",
    "a%2etest",
    "a%",
];

const PORTS: &[&str] = &[
    "",
    "",
    "",
    ":",
    ":80",
    ":443",
    ":0",
    ":0080",
    ":65535",
    ":65536",
    ":99999999999",
    ":http",
    ":-1",
    ":+80",
    ":80:80",
];

/// Texts that are put before a host, behind it, or in the middle.
const PIECES: &[&str] = &[
    ".",
    "..",
    ":",
    "@",
    "user@",
    "user:pass@",
    ",",
    ", b.test",
    " ",
    "\t",
    "\r\n",
    "\0",
    "\x7f",
    "/",
    "\\",
    "?",
    "#",
    "%",
    "[",
    "]",
    "!",
    "$",
    "&",
    "'",
    "(",
    "*",
    "+",
    ";",
    "=",
    "~",
    "<",
    "\"",
    "^",
    "`",
    "{",
    "|",
    "}",
    "_",
    "-",
    "\u{ad}",
    "\u{e9}",
];

/// One authority.
pub fn authority(random: &mut Rng) -> Vec<u8> {
    let mut text = match random.u8(0..10) {
        0 => long(random),
        1 | 2 => (0..random.usize(1..5))
            .map(|_| label(random))
            .collect::<Vec<_>>()
            .join(".")
            .into_bytes(),
        _ => one(random, HOSTS).into_bytes(),
    };
    if random.u8(0..8) == 0 {
        text.push(b'.');
    }
    if random.u8(0..12) == 0 {
        text.splice(0..0, one(random, PIECES).into_bytes());
    }
    text.extend(one(random, PORTS).bytes());
    if random.u8(0..12) == 0 {
        text.extend(one(random, PIECES).bytes());
    }
    (0..random.usize(0..6).saturating_sub(3)).for_each(|_| mutate(random, &mut text));
    text
}

fn one(random: &mut Rng, from: &[&str]) -> String {
    from[random.usize(0..from.len())].to_owned()
}

fn label(random: &mut Rng) -> String {
    const LETTERS: &[u8] = b"abcxyzABCXYZ0189-_";
    (0..random.usize(1..8)).map(|_| char::from(LETTERS[random.usize(0..LETTERS.len())])).collect()
}

/// A name whose labels and length are close to the limits.
fn long(random: &mut Rng) -> Vec<u8> {
    let labels = random.usize(1..6);
    let label = "l".repeat(random.usize(60..66));
    vec![label; labels].join(".").into_bytes()
}

fn mutate(random: &mut Rng, text: &mut Vec<u8>) {
    let at = random.usize(0..text.len() + 1);
    match random.u8(0..4) {
        0 => drop(text.splice(at..at, one(random, PIECES).into_bytes())),
        1 if at < text.len() => text[at] = random.u8(..),
        2 if at < text.len() => drop(text.remove(at)),
        _ => {
            let end = random.usize(at..text.len() + 1);
            let part = text[at..end].to_vec();
            text.splice(at..at, part);
        }
    }
}
