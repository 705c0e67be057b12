//! The known name that a misspelt one most likely means, for the help of a diagnostic.

/// The name of `known` that `written` most likely means, if one is near enough: at most a third of
/// its letters differ. Case and the separators that people mix up (`health_checks`,
/// `health-checks`, `healthChecks`) do not count.
fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(written);
    let length = folded.chars().count();
    let (distance, name) = known
        .into_iter()
        .map(|name| (strsim::osa_distance(&folded, &fold(name)), name))
        .min_by_key(|(distance, _)| *distance)?;
    let allowed = length.max(name.chars().count()).div_ceil(3);
    (distance <= allowed && distance < length).then_some(name)
}

/// The question after the nearest name, if one is near enough.
#[must_use]
pub fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(written, known).map(|name| format!("did you mean `{name}`?"))
}

/// The question after the nearest name, or else the list of the known names. For lists that a
/// person reads at once.
#[must_use]
pub fn suggest(written: &str, known: &[&str]) -> String {
    did_you_mean(written, known.iter().copied())
        .unwrap_or_else(|| format!("known here: {}", known.join(", ")))
}

fn fold(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-' | ' ' | '.'))
        .take(64)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 6] =
        ["healthChecks", "hosts", "environments", "strip", "mode", "apiVersion"];

    #[test]
    fn a_misspelt_name_finds_its_neighbour() {
        for (written, meant) in [
            ("healthCheck", "healthChecks"),
            ("health_checks", "healthChecks"),
            ("enviroments", "environments"),
            ("hsots", "hosts"),
            ("Mode", "mode"),
        ] {
            assert_eq!(nearest(written, KNOWN), Some(meant), "{written}");
        }
    }

    #[test]
    fn a_name_unlike_any_other_finds_none() {
        for written in ["retries", "x", "", "zebra"] {
            assert_eq!(nearest(written, KNOWN), None, "{written}");
        }
        assert_eq!(nearest("mode", []), None);
    }

    #[test]
    fn a_name_unlike_any_other_gets_the_list_of_the_known_ones() {
        assert_eq!(suggest("prefx", &["exact", "prefix"]), "did you mean `prefix`?");
        assert_eq!(suggest("zzzzzz", &["exact", "prefix"]), "known here: exact, prefix");
    }
}
