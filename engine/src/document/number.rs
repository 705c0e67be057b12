//! Numbers in a policy, which must be integers.

/// A number of a document. Floats without a fraction are integers, because an Istio `Struct` holds
/// doubles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    Integer(i64),
    /// A number with a fraction.
    Fraction,
    /// A number that a double or an `i64` does not hold exactly.
    Huge,
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(Self::Huge, Self::Integer)
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        // Above 2^53 a double cannot hold every integer.
        const EXACT: f64 = (1_u64 << 53) as f64;
        if !(-EXACT..=EXACT).contains(&value) {
            return Self::Huge;
        }
        if value.fract() != 0.0 {
            return Self::Fraction;
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
        Self::Integer(value as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::Number;

    #[test]
    fn a_float_is_the_integer_that_it_holds_exactly() {
        assert_eq!(Number::from(200.0), Number::Integer(200));
        assert_eq!(Number::from(-0.0), Number::Integer(0));
        assert_eq!(Number::from(200.5), Number::Fraction);
        assert_eq!(Number::from(9_007_199_254_740_992.0), Number::Integer(1 << 53));
        for huge in [9_007_199_254_740_994.0, -1e300, f64::INFINITY, f64::NAN] {
            assert_eq!(Number::from(huge), Number::Huge, "{huge}");
        }
        assert_eq!(Number::from(u64::MAX), Number::Huge);
    }
}
