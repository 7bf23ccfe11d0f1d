//! Real numbers exactly: between the bits of every scalar data type and sign, magnitude and exponent.
//!
//! This is the definition that conversions are held to; the loops over a chunk's items are in `native`.

pub mod boolean;
pub mod cast;
pub mod dispatch;
mod format;
pub mod native;

use self::format::format;
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
        Some(match (negative, format.infinity()) {
            (false, infinity) => infinity.unwrap_or(format.max_finite()),
            (true, Some(infinity)) => infinity | format.sign_bit(),
            (true, None) => format.lowest(),
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
