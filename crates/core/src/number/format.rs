//! How floats of all formats lie in their bits.

use super::{Number, Rounding, Unfit, in_units};
use crate::dtype::Scalar;

/// How a float's highest patterns are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Specials {
    /// The highest exponent is for infinities and NaNs.
    Ieee,
    /// No infinities; NaN has all bits set but the sign.
    AllOnes,
    /// No infinities; NaN is where the negative zero would be.
    NegativeZero,
    /// Finite numbers only.
    None,
    /// Powers of two without sign, zero and infinities; NaN has all bits set.
    PowersOfTwo,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    exponent_bits: u32,
    pub(super) mantissa_bits: u32,
    bias: i32,
    specials: Specials,
}

impl Format {
    /// The largest finite number's bits.
    pub(super) fn max_finite(self) -> u64 {
        let all = (1 << (self.exponent_bits + self.mantissa_bits)) - 1;
        match self.specials {
            Specials::Ieee => all - (1 << self.mantissa_bits),
            Specials::AllOnes | Specials::PowersOfTwo => all - 1,
            Specials::NegativeZero | Specials::None => all,
        }
    }

    pub(super) fn sign_bit(self) -> u64 {
        match self.specials {
            Specials::PowersOfTwo => 0,
            _ => 1 << (self.exponent_bits + self.mantissa_bits),
        }
    }

    fn nan(self) -> Option<u64> {
        let all = (1 << (self.exponent_bits + self.mantissa_bits)) - 1;
        match self.specials {
            // The quiet one without payload.
            Specials::Ieee => Some(all - ((1 << (self.mantissa_bits - 1)) - 1)),
            Specials::AllOnes | Specials::PowersOfTwo => Some(all),
            Specials::NegativeZero => Some(self.sign_bit()),
            Specials::None => None,
        }
    }

    pub(super) fn infinity(self) -> Option<u64> {
        (self.specials == Specials::Ieee).then_some(self.max_finite() + 1)
    }

    pub(super) fn read(self, bits: u64) -> Number {
        let sign = self.sign_bit();
        let negative = bits & sign != 0;
        let pattern = bits & ((1 << (self.exponent_bits + self.mantissa_bits)) - 1);
        let is_nan = match self.specials {
            Specials::NegativeZero => negative && pattern == 0,
            Specials::None => false,
            _ => pattern > self.max_finite() && Some(pattern) != self.infinity(),
        };
        if is_nan {
            return Number::Nan;
        }
        if pattern > self.max_finite() {
            return Number::Infinite { negative };
        }
        let (stored, mantissa) = (
            (pattern >> self.mantissa_bits) as i32,
            pattern & ((1 << self.mantissa_bits) - 1),
        );
        let lowest = 1 - self.bias - self.mantissa_bits as i32;
        let (magnitude, exponent) = match (self.specials, stored) {
            (Specials::PowersOfTwo, _) => (1, stored - self.bias),
            (_, 0) => (mantissa, lowest),
            _ => (mantissa | 1 << self.mantissa_bits, lowest + stored - 1),
        };
        Number::Finite {
            negative,
            magnitude,
            exponent,
        }
    }

    pub(super) fn write(self, number: Number, rounding: Rounding) -> Result<u64, Unfit> {
        let (negative, magnitude, exponent) = match number {
            Number::Nan => return self.nan().ok_or(Unfit::Nan),
            Number::Infinite { negative } => {
                let sign = if negative { self.sign_bit() } else { 0 };
                return self.infinity().map(|bits| bits | sign).ok_or(Unfit::Infinite);
            }
            Number::Finite {
                negative,
                magnitude,
                exponent,
            } => (negative, magnitude, exponent),
        };
        let unsigned = self.specials == Specials::PowersOfTwo;
        if unsigned && (negative || magnitude == 0) {
            return Err(Unfit::Below);
        }
        let bits = self.round(magnitude, exponent, negative, rounding)?;
        let has_sign = !(self.specials == Specials::NegativeZero && bits == 0);
        Ok(if negative && has_sign {
            bits | self.sign_bit()
        } else {
            bits
        })
    }

    /// The bits without the sign.
    fn round(self, magnitude: u64, exponent: i32, negative: bool, rounding: Rounding) -> Result<u64, Unfit> {
        if magnitude == 0 {
            return Ok(0);
        }
        let mantissa_bits = self.mantissa_bits as i32;
        let lowest = 1 - self.bias - mantissa_bits;
        let top = exponent + 63 - magnitude.leading_zeros() as i32;
        let unbounded = top - mantissa_bits;
        let mut unit = if self.specials == Specials::PowersOfTwo {
            unbounded
        } else {
            unbounded.max(lowest)
        };
        let mut rounded = in_units(magnitude, exponent, unit, negative, rounding);
        if rounded >> mantissa_bits > 1 {
            // Rounding carried into the next power of two.
            rounded >>= 1;
            unit += 1;
        }
        let bits = if self.specials == Specials::PowersOfTwo {
            u64::try_from(unit + self.bias).map_err(|_| Unfit::Below)?
        } else if rounded >> mantissa_bits == 0 {
            rounded as u64
        } else {
            (((unit - lowest) as u64) << mantissa_bits) + rounded as u64
        };
        match bits > self.max_finite() {
            true if negative => Err(Unfit::Below),
            true => Err(Unfit::Above),
            false => Ok(bits),
        }
    }

    /// The bits of the lowest number.
    pub(super) fn lowest(self) -> u64 {
        match self.specials {
            // The least power of two.
            Specials::PowersOfTwo => 0,
            _ => self.max_finite() | self.sign_bit(),
        }
    }
}

/// The format of a float.
pub(super) fn format(scalar: Scalar) -> Option<Format> {
    use Specials::{AllOnes, Ieee, NegativeZero, None as Finite, PowersOfTwo};
    let (exponent_bits, mantissa_bits, bias, specials) = match scalar {
        Scalar::Float4E2m1fn => (2, 1, 1, Finite),
        Scalar::Float6E2m3fn => (2, 3, 1, Finite),
        Scalar::Float6E3m2fn => (3, 2, 3, Finite),
        Scalar::Float8E3m4 => (3, 4, 3, Ieee),
        Scalar::Float8E4m3 => (4, 3, 7, Ieee),
        Scalar::Float8E4m3b11fnuz => (4, 3, 11, NegativeZero),
        Scalar::Float8E4m3fn => (4, 3, 7, AllOnes),
        Scalar::Float8E4m3fnuz => (4, 3, 8, NegativeZero),
        Scalar::Float8E5m2 => (5, 2, 15, Ieee),
        Scalar::Float8E5m2fnuz => (5, 2, 16, NegativeZero),
        Scalar::Float8E8m0fnu => (8, 0, 127, PowersOfTwo),
        Scalar::Bfloat16 => (8, 7, 127, Ieee),
        Scalar::Float16 => (5, 10, 15, Ieee),
        Scalar::Float32 => (8, 23, 127, Ieee),
        Scalar::Float64 => (11, 52, 1023, Ieee),
        _ => return None,
    };
    Some(Format {
        exponent_bits,
        mantissa_bits,
        bias,
        specials,
    })
}
