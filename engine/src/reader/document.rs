//! How readers see a document: through the traits of this file, which hide its format behind `dyn`.
//! A reader is then compiled once and not once for each format and each way of nesting, which made
//! three quarters of the filter's code.

use super::Number;

/// The format gave up: the text is none of its documents. What it has to say is kept with the
/// format.
#[derive(Debug)]
pub(crate) struct Broken;

/// What takes one value.
pub(crate) type Take<'t> = dyn FnMut(Given<'_>) -> Result<(), Broken> + 't;

/// A value of a document.
pub(crate) enum Given<'g> {
    Scalar(Scalar<'g>),
    List(&'g mut dyn Elements),
    Object(&'g mut dyn Fields),
}

/// The elements of a list.
pub(crate) trait Elements {
    /// Reads the next one; false when there is none.
    fn next(&mut self, take: &mut Take<'_>) -> Result<bool, Broken>;

    /// Passes over the next one; false when there is none.
    fn skip(&mut self) -> Result<bool, Broken>;
}

/// The fields of an object.
pub(crate) trait Fields {
    /// Gives the next field's name to `take`; false when there is none.
    fn next_key(&mut self, take: &mut dyn FnMut(&str)) -> Result<bool, Broken>;

    /// Reads the value of the field whose name was given last.
    fn value(&mut self, take: &mut Take<'_>) -> Result<(), Broken>;

    /// Passes over that value.
    fn skip_value(&mut self) -> Result<(), Broken>;

    /// Passes over all fields that are left.
    fn skip_rest(&mut self) -> Result<(), Broken> {
        while self.next_key(&mut |_| {})? {
            self.skip_value()?;
        }
        Ok(())
    }
}

/// A value that holds no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar<'a> {
    Text(&'a str),
    Number(Number),
    Flag(bool),
    Null,
}
