//! The nearest known name to a misspelt one, for error messages.

/// The name of `known` that `written` most likely meant, if one is near enough: at most a third of
/// its letters differ. Case and the separators that people mix up (`health_checks`,
/// `health-checks`, `healthChecks`) do not count.
#[must_use]
pub fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let written = folded(written);
    let length = written.chars().count();
    let distances = known.iter().map(|name| (strsim::osa_distance(&written, &folded(name)), *name));
    let (distance, name) = distances.min_by_key(|(distance, _)| *distance)?;
    let is_near = distance <= length.max(name.len()).div_ceil(3) && distance < length;
    is_near.then_some(name)
}

/// At most 64 letters, so that a long text costs no more than a name does.
fn folded(name: &str) -> String {
    let letters = name.chars().filter(|c| !matches!(c, '_' | '-' | ' ' | '.')).take(64);
    letters.map(|c| c.to_ascii_lowercase()).collect()
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
