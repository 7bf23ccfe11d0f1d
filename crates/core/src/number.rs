//! Real numbers exactly: between the bits of every scalar data type and sign, magnitude and exponent.
//!
//! This is the definition that conversions are held to; the loops over a chunk's items are in `native`.

pub mod cast;
pub mod native;

use crate::dtype::Scalar;

/// A number without any rounding: `magnitude * 2^exponent`, zero with its sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    Nan,
    Infinite {
        negative: bool,
    },
    Finite {
        negative: bool,
        magnitude: u64,
        exponent: i32,
    },
}

/// What is taken where a number lies between two of a data type's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    NearestEven,
    TowardsZero,
    TowardsPositive,
    TowardsNegative,
    NearestAway,
}

/// Why a data type has no value for a number, after rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    Nan,
    Infinite,
    Above,
    Below,
}

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
struct Format {
    exponent_bits: u32,
    mantissa_bits: u32,
    bias: i32,
    specials: Specials,
}

impl Format {
    /// The largest finite number's bits.
    fn max_finite(self) -> u64 {
        let all = (1 << (self.exponent_bits + self.mantissa_bits)) - 1;
        match self.specials {
            Specials::Ieee => all - (1 << self.mantissa_bits),
            Specials::AllOnes | Specials::PowersOfTwo => all - 1,
            Specials::NegativeZero | Specials::None => all,
        }
    }

    fn sign_bit(self) -> u64 {
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

    fn infinity(self) -> Option<u64> {
        (self.specials == Specials::Ieee).then_some(self.max_finite() + 1)
    }

    fn read(self, bits: u64) -> Number {
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

    fn write(self, number: Number, rounding: Rounding) -> Result<u64, Unfit> {
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
}

/// `magnitude * 2^exponent` in units of `2^unit`, rounded.
fn in_units(magnitude: u64, exponent: i32, unit: i32, negative: bool, rounding: Rounding) -> u128 {
    let magnitude = u128::from(magnitude);
    let Ok(shift) = u32::try_from(unit - exponent) else {
        return magnitude << (exponent - unit).min(64);
    };
    if shift == 0 {
        return magnitude;
    }
    // From 66 on nothing but the fact that something was there is left.
    let shift = shift.min(100);
    let (whole, rest, half) = (
        magnitude >> shift,
        magnitude & ((1 << shift) - 1),
        1_u128 << (shift - 1),
    );
    let up = match rounding {
        Rounding::NearestEven => rest > half || (rest == half && whole & 1 == 1),
        Rounding::NearestAway => rest >= half,
        Rounding::TowardsZero => false,
        Rounding::TowardsPositive => !negative && rest > 0,
        Rounding::TowardsNegative => negative && rest > 0,
    };
    whole + u128::from(up)
}

fn format(scalar: Scalar) -> Option<Format> {
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

impl Scalar {
    /// The mantissa's bits of a float.
    pub fn mantissa_bits(self) -> Option<u32> {
        format(self).map(|format| format.mantissa_bits)
    }

    /// The number that an item's bits are. Bits above those of the data type are ignored.
    pub fn read(self, bits: u64) -> Number {
        if let Some(format) = format(self) {
            return format.read(bits);
        }
        let above = 64 - self.bits();
        let (negative, magnitude) = if self.is_signed_int() {
            let value = ((bits << above) as i64) >> above;
            (value < 0, value.unsigned_abs())
        } else {
            (false, bits << above >> above)
        };
        Number::Finite {
            negative,
            magnitude,
            exponent: 0,
        }
    }

    /// The bits of the item nearest to a number, as `rounding` has it.
    pub fn write(self, number: Number, rounding: Rounding) -> Result<u64, Unfit> {
        if let Some(format) = format(self) {
            return format.write(number, rounding);
        }
        let (negative, rounded) = integral(number, rounding)?;
        let (below, above) = if self.is_signed_int() {
            (1 << (self.bits() - 1), (1 << (self.bits() - 1)) - 1)
        } else {
            (0, (1 << self.bits()) - 1)
        };
        match negative {
            true if rounded > below => Err(Unfit::Below),
            false if rounded > above => Err(Unfit::Above),
            true => Ok(self.item_bits((rounded as u64).wrapping_neg())),
            false => Ok(rounded as u64),
        }
    }

    /// The bits of the integer that is congruent modulo the number of integers of this type.
    pub fn wrap(self, number: Number, rounding: Rounding) -> Result<u64, Unfit> {
        let Number::Finite { exponent, .. } = number else {
            return self.write(number, rounding);
        };
        let (negative, rounded) = integral(number, rounding)?;
        // Beyond 2^64 `integral` says that much and no more: there all bits that count are zero.
        let low = if exponent >= 64 { 0 } else { rounded as u64 };
        let low = if negative { low.wrapping_neg() } else { low };
        Ok(self.item_bits(low))
    }

    /// The bits that stand for what is out of range: infinity where there is one, else the outermost number.
    pub fn clamp(self, unfit: Unfit) -> Option<u64> {
        let negative = match unfit {
            Unfit::Above => false,
            Unfit::Below => true,
            Unfit::Nan | Unfit::Infinite => return None,
        };
        let Some(format) = format(self) else {
            let most = u64::MAX >> (64 - self.bits());
            return Some(match (negative, self.is_signed_int()) {
                (false, true) => most >> 1,
                (true, true) => self.item_bits(!(most >> 1)),
                (false, false) => most,
                (true, false) => 0,
            });
        };
        let bits = format.infinity().unwrap_or(format.max_finite());
        Some(match negative {
            // The least power of two.
            true if format.specials == Specials::PowersOfTwo => 0,
            true => bits | format.sign_bit(),
            false => bits,
        })
    }

    /// The bits that count; those above are zero in memory.
    fn item_bits(self, bits: u64) -> u64 {
        bits & (u64::MAX >> (64 - self.bits()))
    }
}

/// Sign and magnitude of a number rounded to an integer; saturated far above 2^64.
fn integral(number: Number, rounding: Rounding) -> Result<(bool, u128), Unfit> {
    match number {
        Number::Nan => Err(Unfit::Nan),
        Number::Infinite { .. } => Err(Unfit::Infinite),
        Number::Finite {
            negative,
            magnitude,
            exponent,
        } => Ok((negative, in_units(magnitude, exponent, 0, negative, rounding))),
    }
}

impl Number {
    pub fn of(value: f64) -> Number {
        Scalar::Float64.read(value.to_bits())
    }

    /// Equality of values: zeros are equal, NaNs too.
    pub fn same(self, other: Number) -> bool {
        let zero = |number| matches!(number, Number::Finite { magnitude: 0, .. });
        self.normal() == other.normal() || (zero(self) && zero(other))
    }

    fn normal(self) -> Number {
        match self {
            Number::Finite {
                negative,
                magnitude,
                exponent,
            } if magnitude != 0 => {
                let zeros = magnitude.trailing_zeros();
                Number::Finite {
                    negative,
                    magnitude: magnitude >> zeros,
                    exponent: exponent + zeros as i32,
                }
            }
            other => other,
        }
    }

    /// The nearest float.
    pub fn to_f64(self) -> f64 {
        match Scalar::Float64.write(self, Rounding::NearestEven) {
            Ok(bits) => f64::from_bits(bits),
            Err(_) => f64::NAN,
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Number::Finite {
                negative,
                magnitude,
                exponent: 0,
            } => write!(f, "{}{magnitude}", if negative { "-" } else { "" }),
            other => write!(f, "{:?}", other.to_f64()),
        }
    }
}

/// The bits of an item of up to eight bytes, in native byte order.
pub fn item_bits(item: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let len = item.len().min(8);
    if cfg!(target_endian = "little") {
        bytes[..len].copy_from_slice(&item[..len]);
    } else {
        bytes[8 - len..].copy_from_slice(&item[..len]);
    }
    u64::from_ne_bytes(bytes)
}

/// The reverse of `item_bits`.
pub fn put_item(bits: u64, item: &mut [u8]) {
    let bytes = bits.to_ne_bytes();
    let len = item.len().min(8);
    if cfg!(target_endian = "little") {
        item[..len].copy_from_slice(&bytes[..len]);
    } else {
        item[..len].copy_from_slice(&bytes[8 - len..]);
    }
}

#[cfg(test)]
mod tests;
