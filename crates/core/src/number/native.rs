//! The data types that a processor, or a few instructions of it, computes with: what loops over a chunk are made of.
//!
//! Conversions are those of C, as NumPy does them: integers wrap, floats round to nearest even, and a float becomes an
//! integer by truncation. What C leaves open (a float that the integer cannot hold) is what x86-64 answers: the lowest
//! integer of 32 or 64 bits, of which narrower ones take the low bits.

use half::{bf16, f16};

use super::Rounding;
use crate::dtype::Scalar;

/// A value of such a data type.
pub trait Native: Copy + PartialEq + PartialOrd + Default + Send + Sync + 'static {
    /// An item's bytes.
    type Bytes: Copy;
    const SCALAR: Scalar;
    const IS_FLOAT: bool;

    /// Items of a buffer; bytes behind the last whole one are left out.
    fn items(bytes: &[u8]) -> &[Self::Bytes];
    fn items_mut(bytes: &mut [u8]) -> &mut [Self::Bytes];
    fn get(item: Self::Bytes) -> Self;
    fn put(self) -> Self::Bytes;

    fn cast<T: Native>(self) -> T;
    fn from_i64(value: i64) -> Self;
    fn from_u64(value: u64) -> Self;
    fn from_f32(value: f32) -> Self;
    fn from_f64(value: f64) -> Self;
    /// The value with these bits.
    fn from_bits(bits: u64) -> Self;

    // Arithmetic in the data type: integers wrap, floats round.
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    /// Of integers the quotient without its fraction; zero where the other is.
    fn over(self, other: Self) -> Self;
    /// To an integer, which integers are already.
    fn rounded(self, rounding: Rounding) -> Self;
    /// Whether it is a number, and not infinite.
    fn is_finite(self) -> bool;
    /// The NaN without payload in place of any other NaN.
    fn canonical(self) -> Self;
}

macro_rules! bytes_of {
    ($type:ty) => {
        type Bytes = [u8; size_of::<$type>()];
        #[inline(always)]
        fn items(bytes: &[u8]) -> &[Self::Bytes] {
            bytes.as_chunks().0
        }
        #[inline(always)]
        fn items_mut(bytes: &mut [u8]) -> &mut [Self::Bytes] {
            bytes.as_chunks_mut().0
        }
        #[inline(always)]
        fn get(item: Self::Bytes) -> Self {
            <$type>::from_ne_bytes(item)
        }
        #[inline(always)]
        fn put(self) -> Self::Bytes {
            self.to_ne_bytes()
        }
    };
}

macro_rules! integers {
    ($($type:ident $scalar:ident $wide:ident $through:ident,)*) => { $(
        impl Native for $type {
            const SCALAR: Scalar = Scalar::$scalar;
            const IS_FLOAT: bool = false;
            bytes_of!($type);
            #[inline(always)]
            fn cast<T: Native>(self) -> T {
                T::$wide(self.into())
            }
            #[inline(always)]
            fn from_i64(value: i64) -> Self {
                value as $type
            }
            #[inline(always)]
            fn from_u64(value: u64) -> Self {
                value as $type
            }
            #[inline(always)]
            fn from_f32(value: f32) -> Self {
                Self::from_f64(value.into())
            }
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                $through(value) as $type
            }
            #[inline(always)]
            fn from_bits(bits: u64) -> Self {
                bits as $type
            }
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            #[inline(always)]
            fn over(self, other: Self) -> Self {
                if other == 0 { 0 } else { self.wrapping_div(other) }
            }
            #[inline(always)]
            fn rounded(self, _rounding: Rounding) -> Self {
                self
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                true
            }
            #[inline(always)]
            fn canonical(self) -> Self {
                self
            }
        }
    )* };
}

integers! {
    i8 Int8 from_i64 to_i32,
    i16 Int16 from_i64 to_i32,
    i32 Int32 from_i64 to_i32,
    i64 Int64 from_i64 to_i64,
    u8 Uint8 from_u64 to_i32,
    u16 Uint16 from_u64 to_i32,
    u32 Uint32 from_u64 to_i64,
    u64 Uint64 from_u64 to_u64,
}

#[inline(always)]
fn to_i32(value: f64) -> i32 {
    const LIMIT: f64 = 2_147_483_648.0;
    if value > -LIMIT - 1.0 && value < LIMIT {
        // SAFETY: truncated, the value is in range, and it is no NaN: the comparisons would be false.
        unsafe { value.to_int_unchecked() }
    } else {
        i32::MIN
    }
}

#[inline(always)]
fn to_i64(value: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&value) {
        // SAFETY: the value is in range, and no NaN.
        unsafe { value.to_int_unchecked() }
    } else {
        i64::MIN
    }
}

#[inline(always)]
fn to_u64(value: f64) -> u64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if value >= LIMIT {
        to_i64(value - LIMIT) as u64 ^ (1 << 63)
    } else {
        to_i64(value) as u64
    }
}

macro_rules! rounded {
    ($name:ident $type:ident $limit:literal) => {
        /// To an integer without a call into a library, which would keep loops from being vectorised.
        #[inline(always)]
        fn $name(value: $type, rounding: Rounding) -> $type {
            // From this power of two on every float is an integer; added below it, it pushes the fraction out.
            const LIMIT: $type = $limit;
            let size = value.abs();
            let pushed = (size + LIMIT) - LIMIT;
            let nearest = if size < LIMIT { pushed } else { size };
            let floor = nearest - if nearest > size { 1.0 } else { 0.0 };
            let ceiling = nearest + if nearest < size { 1.0 } else { 0.0 };
            let negative = value.is_sign_negative();
            let rounded = match rounding {
                Rounding::NearestEven => nearest,
                Rounding::TowardsZero => floor,
                Rounding::TowardsPositive => {
                    if negative {
                        floor
                    } else {
                        ceiling
                    }
                }
                Rounding::TowardsNegative => {
                    if negative {
                        ceiling
                    } else {
                        floor
                    }
                }
                Rounding::NearestAway => floor + if size - floor >= 0.5 { 1.0 } else { 0.0 },
            };
            rounded.copysign(value)
        }
    };
}
rounded!(round_f32 f32 8_388_608.0);
rounded!(round_f64 f64 4_503_599_627_370_496.0);

macro_rules! floats {
    ($($type:ident $scalar:ident $from_wide:ident $round:ident
        $to:expr, $from:expr, $from_f32:expr, $from_f64:expr, $from_i64:expr, $from_u64:expr;)*) => { $(
        impl Native for $type {
            const SCALAR: Scalar = Scalar::$scalar;
            const IS_FLOAT: bool = true;
            bytes_of!($type);
            #[inline(always)]
            fn cast<T: Native>(self) -> T {
                T::$from_wide($to(self))
            }
            #[inline(always)]
            fn from_i64(value: i64) -> Self {
                $from_i64(value)
            }
            #[inline(always)]
            fn from_u64(value: u64) -> Self {
                $from_u64(value)
            }
            #[inline(always)]
            fn from_f32(value: f32) -> Self {
                $from_f32(value)
            }
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                $from_f64(value)
            }
            #[inline(always)]
            fn from_bits(bits: u64) -> Self {
                $type::from_bits(bits as _)
            }
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                $from($to(self) + $to(other))
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                $from($to(self) - $to(other))
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                $from($to(self) * $to(other))
            }
            #[inline(always)]
            fn over(self, other: Self) -> Self {
                $from($to(self) / $to(other))
            }
            #[inline(always)]
            fn rounded(self, rounding: Rounding) -> Self {
                $from($round($to(self), rounding))
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                self.is_finite()
            }
            #[inline(always)]
            fn canonical(self) -> Self {
                if self.is_nan() { $type::NAN } else { self }
            }
        }
    )* };
}

floats! {
    f32 Float32 from_f32 round_f32 |x| x, |x| x, |x| x, |x| x as f32, |x| x as f32, |x| x as f32;
    f64 Float64 from_f64 round_f64 |x| x, |x| x, f64::from, |x| x, |x| x as f64, |x| x as f64;
    f16 Float16 from_f32 round_f32 f16::to_f32, f16::from_f32, f16::from_f32, |x| f16::from_f32(odd(x)),
        |x| f16::from_f32(x as f32), |x| f16::from_f32(x as f32);
    bf16 Bfloat16 from_f32 round_f32 bf16::to_f32, bf16::from_f32, bf16::from_f32, |x| bf16::from_f32(odd(x)),
        |x: i64| bf16::from_f32(odd(sticky(x < 0, x.unsigned_abs()))), |x| bf16::from_f32(odd(sticky(false, x)));
}

/// The nearer float, its last bit set where something was lost: rounded once more, that is as if rounded once.
#[inline(always)]
fn odd(value: f64) -> f32 {
    let nearest = value as f32;
    let back = f64::from(nearest);
    if back == value || value.is_nan() {
        return nearest;
    }
    let towards_zero = nearest.to_bits() - u32::from(back.abs() > value.abs());
    f32::from_bits(towards_zero | 1)
}

/// An integer as a float, the last of 53 bits set where something was lost.
#[inline(always)]
fn sticky(negative: bool, magnitude: u64) -> f64 {
    let lost = magnitude >> 53 != 0 && magnitude & 0x7ff != 0;
    let kept = if lost { magnitude & !0x7ff | 0x800 } else { magnitude };
    if negative { -(kept as f64) } else { kept as f64 }
}

/// The item of a native data type that another's item becomes by NumPy's rules.
pub fn cast_items<S: Native, D: Native>(items: &[u8], out: &mut [u8]) {
    for (out, &item) in D::items_mut(out).iter_mut().zip(S::items(items)) {
        *out = S::get(item).cast::<D>().put();
    }
}
