//! What a header map does, one by one and in random orders beside a plain model of it.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[test]
fn pseudo_headers_stay_first_whenever_they_are_added() {
    let mut headers = Headers::request([("a", "1"), (":path", "/"), ("b", "2")]);
    headers.replace(":path", "/new");
    headers.add(":scheme", "http");
    assert_eq!(headers.to_string(), ":path: /new\n:scheme: http\na: 1\nb: 2\n");
    headers.remove(":path");
    headers.add(":method", "GET");
    assert_eq!(headers.to_string(), ":scheme: http\n:method: GET\na: 1\nb: 2\n");
}

#[test]
fn replacing_removes_every_repeat_and_moves_to_the_end() {
    let mut headers = Headers::request([("env", "a"), ("x", "1"), ("env", "b")]);
    headers.replace("ENV", "c");
    assert_eq!(headers.to_string(), "x: 1\nenv: c\n");
}

#[test]
fn get_gives_the_first_of_repeated_values_and_joined_all_of_them() {
    let headers = Headers::request([("env", "a"), ("Env", "b")]);
    assert_eq!(headers.get("eNv"), Some(&b"a"[..]));
    assert_eq!(headers.joined(b"env").unwrap(), "a,b");
    assert_eq!(headers.joined(b"none"), None);
}

#[test]
fn two_hosts_become_one_authority_joined_with_a_comma() {
    let headers = Headers::request([(":authority", "a.example"), ("Host", "b.example")]);
    assert_eq!(headers.get("host"), Some(&b"a.example,b.example"[..]));
    assert_eq!(headers.len(), 1);
}

#[test]
fn host_is_an_ordinary_name_in_a_response() {
    let headers = Headers::response([("host", "a")]);
    assert_eq!(headers.to_string(), "host: a\n");
}

#[test]
fn the_byte_size_follows_every_change() {
    let mut headers = Headers::request([("ab", "c"), ("user-agent", "x")]);
    assert_eq!(headers.byte_size(), 14);
    headers.add("user-agent", "yy");
    assert_eq!(headers.byte_size(), 17);
    headers.replace("ab", "");
    assert_eq!(headers.byte_size(), 16);
    headers.remove("user-agent");
    assert_eq!(headers.byte_size(), 2);
    headers.clear();
    assert_eq!((headers.byte_size(), headers.len()), (0, 0));
}

#[test]
fn setting_keeps_the_place_and_removes_the_repeats() {
    let mut headers =
        Headers::request([("a", "1"), ("b", "2"), ("A", "3"), (":path", "/"), ("c", "4")]);
    headers.set("A", "new");
    headers.set(":path", "/new");
    headers.set("d", "5");
    assert_eq!(headers.to_string(), ":path: /new\na: new\nb: 2\nc: 4\nd: 5\n");
}

#[test]
fn bytes_of_any_kind_are_kept_zero_bytes_too() {
    let headers = Headers::response([(&b"a\0b"[..], &b"\0\xff\0"[..]), (b"", b""), (b"c", b"")]);
    let pairs: Vec<_> = headers.iter().collect();
    assert_eq!(pairs, [(&b"a\0b"[..], &b"\0\xff\0"[..]), (b"", b""), (b"c", b"")]);
}

#[test]
fn maps_are_equal_by_what_they_hold_and_not_by_how_it_came_there() {
    let mut headers = Headers::request([("a", "1"), ("gone", "2"), ("b", "3")]);
    headers.remove("gone");
    headers.replace("b", "4");
    assert_eq!(headers, Headers::request([("a", "1"), ("b", "4")]));
    assert_ne!(headers, Headers::request([("b", "4"), ("a", "1")]));
    assert_ne!(headers, Headers::response([("a", "1"), ("b", "4")]));
    assert_eq!(format!("{headers:?}"), r#"Request [("a", "1"), ("b", "4")]"#);
}

#[test]
fn headers_that_nobody_has_changed_are_one_piece() {
    let mut headers =
        Headers::request([(":method", "GET"), (":path", "/"), ("a", "1"), ("b", "2")]);
    assert_eq!(headers.pieces().collect::<Vec<_>>(), [b":method\0GET\0:path\0/\0a\x001\0b\x002\0"]);
    headers.replace("a", "3");
    // The old entry was removed, and the new one follows `b`.
    assert_eq!(
        headers.pieces().collect::<Vec<_>>(),
        [&b":method\0GET\0:path\0/\0"[..], b"b\x002\0a\x003\0"]
    );
}

#[test]
fn empty_headers_count_against_the_limit() {
    let mut headers = Headers::new(HeaderScope::Request);
    headers.add("", "");
    assert_eq!((headers.byte_size(), headers.charge()), (0, 32));
}

#[test]
fn writing_one_header_again_and_again_needs_no_more_memory() {
    let mut headers = Headers::request([("a", "1"), ("b", "2")]);
    for round in 0..10_000 {
        headers.replace("a", format!("{round:0100}"));
        headers.set("b", format!("{round:050}"));
        assert!(headers.list.held() <= 1024, "{}", headers.list.held());
    }
    assert_eq!(headers.to_string(), format!("b: {:050}\na: {:0100}\n", 9_999, 9_999));
}

/// The plainest map with the same rules.
#[derive(Clone)]
struct Model {
    scope: HeaderScope,
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Model {
    fn canonical(&self, name: &[u8]) -> Vec<u8> {
        let name = name.to_ascii_lowercase();
        if self.scope == HeaderScope::Request && name == b"host" {
            b":authority".to_vec()
        } else {
            name
        }
    }

    fn append(&mut self, name: Vec<u8>, value: &[u8]) {
        let pseudo = self.pairs.iter().take_while(|(name, _)| name.starts_with(b":")).count();
        let at = if name.starts_with(b":") { pseudo } else { self.pairs.len() };
        self.pairs.insert(at, (name, value.to_vec()));
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Add(name, value) => {
                let name = self.canonical(name);
                match self.pairs.iter_mut().find(|(have, _)| *have == name) {
                    Some((_, have)) if self.scope.keeps_in_one_slot(&name) => {
                        have.push(b',');
                        have.extend_from_slice(value);
                    }
                    _ => self.append(name, value),
                }
            }
            Step::Replace(name, value) => {
                let name = self.canonical(name);
                self.pairs.retain(|(have, _)| *have != name);
                self.append(name, value);
            }
            Step::Set(name, value) => {
                let name = self.canonical(name);
                let Some(first) = self.pairs.iter().position(|(have, _)| *have == name) else {
                    return self.append(name, value);
                };
                self.pairs[first].1.clone_from(value);
                let mut at = 0;
                self.pairs.retain(|(have, _)| {
                    at += 1;
                    at <= first + 1 || *have != name
                });
            }
            Step::Remove(name) => {
                let name = self.canonical(name);
                self.pairs.retain(|(have, _)| *have != name);
            }
            Step::Clear => self.pairs.clear(),
            Step::Clone => {}
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add(Vec<u8>, Vec<u8>),
    Replace(Vec<u8>, Vec<u8>),
    Set(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
    Clear,
    Clone,
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    // Few names, so that they meet: plain ones, ones with one slot, pseudo-headers, ones of the
    // same length, none at all.
    let known = [
        "env",
        "Env",
        "via",
        "User-Agent",
        "host",
        "Host",
        ":authority",
        ":path",
        ":PATH",
        "x",
        "date",
        "",
    ];
    let known = prop::sample::select(known.to_vec()).prop_map(|name| name.as_bytes().to_vec());
    prop_oneof![9 => known, 1 => vec(any::<u8>(), 0..4)]
}

fn step() -> impl Strategy<Value = Step> {
    let value = || prop_oneof![4 => vec(any::<u8>(), 0..8), 1 => vec(any::<u8>(), 0..400)];
    prop_oneof![
        6 => (name(), value()).prop_map(|(name, value)| Step::Add(name, value)),
        6 => (name(), value()).prop_map(|(name, value)| Step::Replace(name, value)),
        3 => (name(), value()).prop_map(|(name, value)| Step::Set(name, value)),
        3 => name().prop_map(Step::Remove),
        1 => Just(Step::Clear),
        2 => Just(Step::Clone),
    ]
}

fn scope() -> impl Strategy<Value = HeaderScope> {
    use HeaderScope::{Request, RequestTrailers, Response, ResponseTrailers};
    prop::sample::select(vec![Request, Response, RequestTrailers, ResponseTrailers])
}

proptest! {
    #[test]
    fn any_order_of_changes_gives_what_a_plain_list_gives(
        scope in scope(),
        steps in vec(step(), 0..80),
    ) {
        let (mut headers, mut model) = (Headers::new(scope), Model { scope, pairs: Vec::new() });
        for step in &steps {
            match step {
                Step::Add(name, value) => headers.add(name, value),
                Step::Replace(name, value) => headers.replace(name, value),
                Step::Set(name, value) => headers.set(name, value),
                Step::Remove(name) => drop(headers.remove(name)),
                Step::Clear => headers.clear(),
                Step::Clone => headers = headers.clone(),
            }
            model.apply(step);
            let pairs: Vec<_> =
                model.pairs.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            prop_assert_eq!(headers.iter().collect::<Vec<_>>(), &pairs[..]);
            let bytes: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
            prop_assert_eq!((headers.len(), headers.byte_size()), (pairs.len(), bytes));
            for (name, _) in &pairs {
                let first = pairs.iter().find(|(have, _)| have == name).map(|(_, value)| *value);
                prop_assert_eq!(headers.get(name.to_ascii_uppercase()), first);
            }
            prop_assert_eq!(&headers, &headers.clone());
            let text: Vec<u8> = pairs
                .iter()
                .flat_map(|(name, value)| [name, &b"\0"[..], value, b"\0"].concat())
                .collect();
            prop_assert_eq!(headers.pieces().collect::<Vec<_>>().concat(), text);
        }
    }

    #[test]
    fn the_memory_stays_in_proportion_to_what_the_map_holds_or_held(steps in vec(step(), 0..200)) {
        let (mut headers, mut most) = (Headers::new(HeaderScope::Request), 0);
        for step in &steps {
            match step {
                Step::Add(name, value) => headers.add(name, value),
                Step::Replace(name, value) | Step::Set(name, value) => headers.replace(name, value),
                Step::Remove(name) => drop(headers.remove(name)),
                Step::Clear | Step::Clone => {}
            }
            most = most.max(headers.charge());
            // Twice what was in use, some slack, and the header and the join that came last.
            prop_assert!(headers.list.held() <= 3 * most + 256 + 512);
        }
    }
}
