//! The nearest known name to a misspelt one, for error messages. Edit distance with transpositions,
//! ignoring case and the separators that people mix up (`health_checks`, `health-checks`,
//! `healthChecks`).

use alloc::vec::Vec;

/// The name of `known` that `written` most likely meant, if one is near enough: at most a third of
/// its letters differ.
#[must_use]
pub fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let folded = fold(written);
    let (distance, name) =
        known.iter().map(|name| (distance(&folded, &fold(name)), *name)).min_by_key(|(d, _)| *d)?;
    (distance <= folded.len().max(name.len()).div_ceil(3))
        .then_some(name)
        .filter(|_| distance < folded.len())
}

fn fold(name: &str) -> Vec<char> {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-' | ' ' | '.'))
        .take(64)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// Optimal string alignment distance, one row at a time.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    let mut last_a = None;
    for (i, ca) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(previous.len());
        row.push(i.saturating_add(1));
        let mut last_b = None;
        for (j, cb) in b.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX);
            let substitution = at(&previous, j).saturating_add(usize::from(ca != cb));
            let deletion = at(&previous, j.saturating_add(1)).saturating_add(1);
            let insertion = at(&row, j).saturating_add(1);
            let mut best = substitution.min(deletion).min(insertion);
            if last_a == Some(cb) && last_b == Some(ca) && j > 0 {
                best = best.min(at(&before, j.saturating_sub(1)).saturating_add(1));
            }
            row.push(best);
            last_b = Some(cb);
        }
        before = core::mem::replace(&mut previous, row);
        last_a = Some(ca);
    }
    previous.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    const KNOWN: &[&str] =
        &["healthChecks", "hosts", "environments", "strip", "mode", "apiVersion"];

    #[test]
    fn a_misspelt_name_finds_its_neighbour() {
        assert_eq!(nearest("healthCheck", KNOWN), Some("healthChecks"));
        assert_eq!(nearest("health_checks", KNOWN), Some("healthChecks"));
        assert_eq!(nearest("enviroments", KNOWN), Some("environments"));
        assert_eq!(nearest("hsots", KNOWN), Some("hosts"));
        assert_eq!(nearest("Mode", KNOWN), Some("mode"));
    }

    #[test]
    fn a_name_unlike_any_other_finds_none() {
        assert_eq!(nearest("retries", KNOWN), None);
        assert_eq!(nearest("x", KNOWN), None);
        assert_eq!(nearest("", KNOWN), None);
        assert_eq!(nearest("mode", &[]), None);
    }
}
