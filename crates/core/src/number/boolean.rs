//! NumPy's bool among the native data types.

use super::Rounding;
use super::native::Native;
use crate::dtype::Scalar;

/// NumPy's bool: any byte but zero is true, and what is written is 0 or 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Boolean(u8);

impl Native for Boolean {
    type Bytes = [u8; 1];
    const SCALAR: Scalar = Scalar::Bool;
    const IS_FLOAT: bool = false;
    #[inline(always)]
    fn items(bytes: &[u8]) -> &[Self::Bytes] {
        bytes.as_chunks().0
    }
    #[inline(always)]
    fn items_mut(bytes: &mut [u8]) -> &mut [Self::Bytes] {
        bytes.as_chunks_mut().0
    }
    #[inline(always)]
    fn get([item]: [u8; 1]) -> Self {
        Boolean((item != 0).into())
    }
    #[inline(always)]
    fn put(self) -> [u8; 1] {
        [self.0]
    }
    #[inline(always)]
    fn cast<T: Native>(self) -> T {
        T::from_u64(self.0.into())
    }
    #[inline(always)]
    fn from_i64(value: i64) -> Self {
        Boolean((value != 0).into())
    }
    #[inline(always)]
    fn from_u64(value: u64) -> Self {
        Boolean((value != 0).into())
    }
    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        Boolean((value != 0.0).into())
    }
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        Boolean((value != 0.0).into())
    }
    #[inline(always)]
    fn from_bits(bits: u64) -> Self {
        Boolean((bits != 0).into())
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Boolean(self.0 | other.0)
    }
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        Boolean(self.0 ^ other.0)
    }
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        Boolean(self.0 & other.0)
    }
    #[inline(always)]
    fn over(self, other: Self) -> Self {
        Boolean(self.0 & other.0)
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
