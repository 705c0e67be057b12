//! Spellings of a header's name that an upstream may take for one another. CGI, WSGI and PHP make
//! a variable of each header, in which every character but letters and digits becomes `_` (RFC
//! 3875 §4.1.18): there `x-secret`, `X_Secret` and `x.secret` are one.

/// For each byte of a name the form in which spellings are compared.
#[expect(clippy::indexing_slicing, reason = "the compiler evaluates it")]
pub(super) const LETTERS: [u8; 256] = {
    let mut letters = [0; 256];
    let mut byte = 0_u8;
    loop {
        letters[byte as usize] = match byte {
            // No upstream takes a header for a pseudo-header.
            b':' => b':',
            byte if byte.is_ascii_punctuation() => b'-',
            byte => byte.to_ascii_lowercase(),
        };
        match byte.checked_add(1) {
            Some(next) => byte = next,
            None => break letters,
        }
    }
};

/// The bytes of a name, in the form in which spellings are compared.
pub(super) fn letters(name: &[u8]) -> impl Iterator<Item = u8> {
    name.iter().filter_map(|byte| LETTERS.get(usize::from(*byte)).copied())
}

/// The form in which spellings of a name are compared.
pub(crate) fn canonical(name: &str) -> String {
    letters(name.as_bytes()).map(char::from).collect()
}

/// Whether both are spellings of one name.
pub(super) fn is_spelling_of(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && letters(one).eq(letters(other))
}
