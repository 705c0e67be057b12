//! Spellings of a header's name that an upstream may take for one another. CGI, WSGI and PHP make
//! a variable of each header, in which every character but letters and digits becomes `_` (RFC
//! 3875 §4.1.18): there `x-secret`, `X_Secret` and `x.secret` are one.

/// A byte of a name, in the form in which spellings are compared. A pseudo-header's colon stays:
/// no upstream takes a header for one.
#[inline]
pub(super) fn letter(byte: u8) -> u8 {
    match byte {
        b':' => b':',
        byte if byte.is_ascii_punctuation() => b'-',
        byte => byte.to_ascii_lowercase(),
    }
}

/// The bytes of a name, in the form in which spellings are compared.
pub(super) fn letters(name: &[u8]) -> impl Iterator<Item = u8> {
    name.iter().copied().map(letter)
}

/// Whether both are spellings of one name.
pub(super) fn is_spelling_of(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && letters(one).eq(letters(other))
}
