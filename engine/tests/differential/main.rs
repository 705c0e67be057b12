//! Our authority parser compared with two others: the crate `http`, which reads what RFC 3986
//! allows, and `url`, which reads as browsers do. Each difference in the corpus belongs to a class
//! that `docs/policy/authority.md` lists with its reason, and each class there occurs.

mod classes;
mod corpus;

use std::collections::{BTreeMap, BTreeSet};

use crate::classes::{CLASSES, Pair, Parser, Reading, ours};

const PAGE: &str = include_str!("../../../docs/policy/authority.md");

/// How many authorities are compared.
const CORPUS: usize = 100_000;

/// A row of the table: one class of disagreement with one parser.
struct Row {
    class: String,
    parser: Parser,
    example: Vec<u8>,
    ours: String,
    theirs: String,
    reason: String,
}

fn table() -> Vec<Row> {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows: Vec<Row> =
        rows.filter_map(|row| row_of(&row.split(" | ").collect::<Vec<_>>())).collect();
    assert!(!rows.is_empty(), "the page has no table of classes");
    rows
}

/// A row of the table, unless it is the head or the line below it.
fn row_of(cells: &[&str]) -> Option<Row> {
    let &[class, parser, example, ours, theirs, reason] = cells else { return None };
    let parser = Parser::ALL.into_iter().find(|known| code(parser) == Some(known.name()))?;
    let text = |cell: &str| String::from_utf8(unescaped(code(cell).unwrap_or(cell))).expect("text");
    let example =
        unescaped(code(example).unwrap_or_else(|| panic!("{class}: {example} is no code")));
    Some(Row {
        class: class.to_owned(),
        parser,
        example,
        ours: text(ours),
        theirs: text(theirs),
        reason: reason.to_owned(),
    })
}

fn code(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`')
}

/// An example as the table writes it: `\xHH` is a byte, `(l*64)` is 64 times the letter l.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let special = match letter {
            '\\' => rest
                .get(2..4)
                .and_then(|digits| Some((vec![u8::from_str_radix(digits, 16).ok()?], 4))),
            '(' => rest.split_once(')').and_then(|(inside, _)| {
                let (unit, times) = inside[1..].split_once('*')?;
                Some((unit.as_bytes().repeat(times.parse().ok()?), inside.len() + 1))
            }),
            _ => None,
        };
        let (piece, len) = special
            .unwrap_or_else(|| (rest.as_bytes()[..letter.len_utf8()].to_vec(), letter.len_utf8()));
        bytes.extend(piece);
        rest = &rest[len..];
    }
    bytes
}

fn shown(reading: &Reading) -> String {
    match reading {
        None => "refused".to_owned(),
        Some((host, None)) => host.clone(),
        Some((host, Some(port))) => format!("{host}:{port}"),
    }
}

#[test]
fn every_disagreement_with_another_parser_belongs_to_a_class() {
    let mut random = fastrand::Rng::with_seed(0x6174);
    let mut seen: BTreeMap<(&str, Parser), usize> = BTreeMap::new();
    let mut agreed = 0;
    for _ in 0..CORPUS {
        let raw = corpus::authority(&mut random);
        let ours = ours(&raw);
        for parser in Parser::ALL {
            let theirs = parser.read(&raw);
            let pair = Pair { parser, raw: &raw, ours: &ours, theirs: &theirs };
            let Some(mut classes) = pair.classes() else {
                agreed += 1;
                continue;
            };
            let class = classes.next();
            let (name, shown) = (parser.name(), raw.escape_ascii());
            let class = class.unwrap_or_else(|| {
                panic!("{shown}: we read {ours:?}, {name} reads {theirs:?}, and no class says why")
            });
            *seen.entry((class.name, parser)).or_default() += 1;
        }
    }
    assert!(
        agreed > CORPUS / 2,
        "they agree only {agreed} times: the corpus has too few valid authorities"
    );
    let known: BTreeSet<&str> = CLASSES.iter().map(|class| class.name).collect();
    assert_eq!(
        seen.keys().map(|(class, _)| *class).collect::<BTreeSet<_>>(),
        known,
        "classes that occur, and classes that are defined"
    );
    let table = table();
    let documented: BTreeSet<(&str, Parser)> =
        table.iter().map(|row| (row.class.as_str(), row.parser)).collect();
    assert_eq!(
        seen.keys().copied().collect::<BTreeSet<_>>(),
        documented,
        "classes that occur, and rows of the table"
    );
    assert_eq!(documented.len(), table.len(), "a class has two rows for one parser");
}

#[test]
fn every_example_of_the_table_is_read_as_the_table_says() {
    for Row { class, parser, example, ours: our_cell, theirs: their_cell, reason } in table() {
        let (ours, theirs) = (ours(&example), parser.read(&example));
        let name = parser.name();
        assert_eq!((shown(&ours), shown(&theirs)), (our_cell, their_cell), "{class}, {name}");
        let pair = Pair { parser, raw: &example, ours: &ours, theirs: &theirs };
        let first = pair.classes().and_then(|mut classes| classes.next()).map(|class| class.name);
        assert_eq!(first, Some(class.as_str()), "{name}: the example shows another class");
        assert!(
            ["RFC ", "WHATWG "].iter().any(|source| reason.contains(source)),
            "{class}, {name}: which rule says so?"
        );
    }
}
