//! Numbers as a policy takes them. They are read from their digits: a policy means whole numbers,
//! and reading a double exactly takes ten times the code.

/// A number of a document. Integral floats are integers, because an Istio `Struct` holds doubles.
/// No other number means anything to a policy, so it is not kept: writing a float in decimal takes
/// 20 KB of code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    Integer(i64),
    /// A number with a fraction.
    Fraction,
    /// A number whose value a double does not hold exactly, or that an `i64` does not hold.
    Huge,
}

/// 2^53: beyond it a double no longer tells neighbouring integers apart.
const EXACT: u64 = 1 << 53;

#[cfg(feature = "serde")]
impl Number {
    pub fn of_float(value: f64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a power of two")]
        if value.abs() > EXACT as f64 || value.is_nan() {
            return Self::Huge;
        }
        #[expect(clippy::cast_possible_truncation, reason = "within 2^53")]
        let integer = value as i64;
        #[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "exact within 2^53")]
        if integer as f64 == value { Self::Integer(integer) } else { Self::Fraction }
    }
}

/// A decimal number while its digits come in: `mantissa` times 10 to the power of `zeros`, and the
/// point somewhere.
#[derive(Debug, Default)]
pub(super) struct Decimal {
    mantissa: u64,
    /// Zeros at the end, which the mantissa has not taken up yet.
    zeros: u32,
    /// The mantissa had no room for all digits.
    long: bool,
    /// Digits of the integer's part, without leading zeros, and how far the point is moved by
    /// fraction and exponent.
    digits: i64,
    shift: i64,
    /// Written with a fraction or an exponent, and so a double.
    pub is_float: bool,
}

impl Decimal {
    /// One more digit at the end.
    pub fn push(&mut self, digit: u8) {
        if digit == 0 {
            self.zeros = self.zeros.saturating_add(u32::from(self.mantissa != 0));
        } else {
            let power = 10_u64.checked_pow(self.zeros.saturating_add(1));
            let more =
                power.and_then(|power| self.mantissa.checked_mul(power)?.checked_add(digit.into()));
            self.long |= more.is_none();
            self.mantissa = more.unwrap_or(self.mantissa);
            self.zeros = 0;
        }
        self.digits = self.digits.saturating_add(i64::from(self.mantissa != 0));
    }

    /// Moves the point to the right by so many digits.
    pub fn shift(&mut self, by: i64) {
        self.shift = self.shift.saturating_add(by);
    }

    pub fn number(&self, negative: bool) -> Number {
        let exponent = self.shift.saturating_add(self.zeros.into());
        let power = |exponent: i64| {
            u32::try_from(exponent).ok().and_then(|exponent| 10_u64.checked_pow(exponent))
        };
        if self.mantissa == 0 {
            return Number::Integer(0);
        }
        if self.long || exponent < 0 {
            // The mantissa ends with another digit than 0, so a part of it stands behind the point;
            // or it is huge.
            let whole = power(exponent.saturating_neg())
                .and_then(|power| self.mantissa.checked_div(power))
                .unwrap_or(0);
            let huge = if self.long {
                self.digits.saturating_add(self.shift) > 15
            } else {
                whole >= EXACT
            };
            return if huge { Number::Huge } else { Number::Fraction };
        }
        let value = power(exponent).and_then(|power| self.mantissa.checked_mul(power));
        let value = value.filter(|value| !self.is_float || *value <= EXACT);
        let integer = value.and_then(|value| {
            if negative { 0_i64.checked_sub_unsigned(value) } else { value.try_into().ok() }
        });
        integer.map_or(Number::Huge, Number::Integer)
    }
}
