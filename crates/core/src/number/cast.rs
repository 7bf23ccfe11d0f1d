//! From one data type to another by value, or an error where there is no such value: the rules of `cast_value`.
//!
//! `Cast::bits` is the definition. Items of native data types go through blocks that are converted without a branch; a
//! block that holds something out of the ordinary is then done by the definition.

use super::dispatch::with_number;
use super::native::Native;
use super::{Rounding, Unfit, item_bits, put_item};
use crate::dtype::Scalar;
use crate::error::{Error, Kind, Result};

const BLOCK: usize = 512;

/// What becomes of a number outside of the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfRange {
    Refuse,
    Clamp,
    Wrap,
}

/// An item's bits that are mapped, and those they become.
pub type Mapped = (u64, u64);

pub struct Cast {
    from: Scalar,
    to: Scalar,
    rounding: Rounding,
    out_of_range: OutOfRange,
    map: Vec<Mapped>,
    /// What each item becomes, where an item has so few bits that it pays to ask once.
    table: Vec<Result<u64, Unfit>>,
    convert: fn(&Cast, &[u8], &mut [u8]) -> Result<()>,
}

impl Cast {
    pub fn new(from: Scalar, to: Scalar, rounding: Rounding, out_of_range: OutOfRange, map: Vec<Mapped>) -> Self {
        let mut cast = Cast {
            from,
            to,
            rounding,
            out_of_range,
            map,
            table: Vec::new(),
            convert: by_definition,
        };
        if from.nbytes() == 1 {
            cast.table = (0..256).map(|bits| cast.bits(bits)).collect();
            cast.convert = by_table;
        } else if rounding == Rounding::NearestEven || to.is_int() || is_exact(from, to) {
            cast.convert = with_number!(from, S => with_number!(to, D => in_blocks::<S, D>, _ => by_definition),
                _ => by_definition);
        }
        cast
    }

    /// What an item's bits become.
    pub fn bits(&self, bits: u64) -> Result<u64, Unfit> {
        let number = self.from.read(bits);
        let mapped = self.map.iter().find(|(key, _)| self.from.read(*key).same(number));
        if let Some(&(_, value)) = mapped {
            return Ok(value);
        }
        self.to
            .write(number, self.rounding)
            .or_else(|unfit| match self.out_of_range {
                OutOfRange::Clamp => self.to.clamp(unfit).ok_or(unfit),
                OutOfRange::Wrap if self.to.is_int() => self.to.wrap(number, self.rounding),
                _ => Err(unfit),
            })
    }

    /// Converts as many items as `out` has room for.
    pub fn items(&self, items: &[u8], out: &mut [u8]) -> Result<()> {
        (self.convert)(self, items, out)
    }

    fn refused(&self, bits: u64, unfit: Unfit) -> Error {
        let (number, to) = (self.from.read(bits), self.to.name());
        let why = match unfit {
            Unfit::Nan | Unfit::Infinite => format!("{to} has none"),
            Unfit::Above | Unfit::Below => format!("it is out of range of {to}"),
        };
        Error::new(Kind::Codec, format!("{number} cannot be stored: {why}"))
    }
}

/// Whether every number of one data type is one of the other.
fn is_exact(from: Scalar, to: Scalar) -> bool {
    let precision = |scalar: Scalar| scalar.mantissa_bits().map_or(scalar.bits(), |bits| bits + 1);
    matches!(to, Scalar::Float32 | Scalar::Float64) && precision(from) <= precision(to)
}

fn by_definition(cast: &Cast, items: &[u8], out: &mut [u8]) -> Result<()> {
    let items = items.chunks_exact(cast.from.nbytes());
    for (out, item) in out.chunks_exact_mut(cast.to.nbytes()).zip(items) {
        let bits = item_bits(item);
        put_item(cast.bits(bits).map_err(|unfit| cast.refused(bits, unfit))?, out);
    }
    Ok(())
}

fn by_table(cast: &Cast, items: &[u8], out: &mut [u8]) -> Result<()> {
    match cast.to.nbytes() {
        1 => look_up::<1>(cast, items, out),
        2 => look_up::<2>(cast, items, out),
        4 => look_up::<4>(cast, items, out),
        _ => look_up::<8>(cast, items, out),
    }
}

fn look_up<const N: usize>(cast: &Cast, items: &[u8], out: &mut [u8]) -> Result<()> {
    let mut values = [[0; N]; 256];
    let mut refused = [false; 256];
    for ((value, refused), entry) in values.iter_mut().zip(&mut refused).zip(&cast.table) {
        match entry {
            Ok(bits) => put_item(*bits, value),
            Err(_) => *refused = true,
        }
    }
    let mut bad = false;
    for (out, &item) in out.as_chunks_mut::<N>().0.iter_mut().zip(items) {
        *out = values[usize::from(item)];
        bad |= refused[usize::from(item)];
    }
    let first = items.iter().find(|item| bad && refused[usize::from(**item)]);
    match first.map(|&item| (item, cast.table[usize::from(item)])) {
        Some((item, Err(unfit))) => Err(cast.refused(item.into(), unfit)),
        _ => Ok(()),
    }
}

fn in_blocks<S: Native, D: Native>(cast: &Cast, items: &[u8], out: &mut [u8]) -> Result<()> {
    let typed = |&(key, value): &Mapped| (S::from_bits(key), D::from_bits(value));
    let map: Vec<(S, D)> = cast.map.iter().map(typed).collect();
    let items = items.chunks(BLOCK * size_of::<S::Bytes>());
    let mut block = [S::default(); BLOCK];
    for (items, out) in items.zip(out.chunks_mut(BLOCK * size_of::<D::Bytes>())) {
        let block = &mut block[..S::items(items).len()];
        for (value, &item) in block.iter_mut().zip(S::items(items)) {
            *value = S::get(item);
        }
        for &(key, _) in &map {
            // Out of the way of the conversion: a zero is never refused.
            for value in &mut *block {
                *value = if same(*value, key) { S::default() } else { *value };
            }
        }
        if S::IS_FLOAT && !D::IS_FLOAT {
            round(block, cast.rounding);
        }
        let fits = match cast.out_of_range {
            OutOfRange::Clamp => convert::<S, D, true>(block, D::items_mut(out)),
            _ => convert::<S, D, false>(block, D::items_mut(out)),
        };
        if !fits {
            by_definition(cast, items, out)?;
            continue;
        }
        // The first of equal keys counts.
        for &(key, mapped) in map.iter().rev() {
            for (out, &item) in D::items_mut(out).iter_mut().zip(S::items(items)) {
                *out = if same(S::get(item), key) { mapped.put() } else { *out };
            }
        }
    }
    Ok(())
}

#[inline(always)]
#[allow(clippy::eq_op)] // only a NaN differs from itself
fn same<S: Native>(value: S, key: S) -> bool {
    value == key || (value != value && key != key)
}

/// To integers, one loop for each way.
fn round<S: Native>(block: &mut [S], rounding: Rounding) {
    macro_rules! each {
        ($($way:ident)*) => {
            match rounding {
                $(Rounding::$way => block.iter_mut().for_each(|value| *value = value.rounded(Rounding::$way)),)*
            }
        };
    }
    each!(NearestEven TowardsZero TowardsPositive TowardsNegative NearestAway);
}

/// Converts a block, and says whether all of it could be.
fn convert<S: Native, D: Native, const CLAMP: bool>(block: &[S], out: &mut [D::Bytes]) -> bool {
    let outermost = |unfit| D::from_bits(D::SCALAR.clamp(unfit).unwrap_or(0));
    let (below, above) = (outermost(Unfit::Below), outermost(Unfit::Above));
    let (low, high) = limits(D::SCALAR);
    let (low, high) = (S::from_f64(low), S::from_f64(high));
    let mut all = true;
    for (out, &value) in out.iter_mut().zip(block) {
        let mut found: D = value.cast();
        let negative = value < S::default();
        let mut fits = match (S::IS_FLOAT, D::IS_FLOAT) {
            (_, true) => found.is_finite() || !value.is_finite(),
            (true, false) => value >= low && value < high && value.is_finite(),
            (false, false) => found.cast::<S>() == value && (found < D::default()) == negative,
        };
        if CLAMP {
            // A float that is too large has become an infinity, as it should.
            if !fits && !D::IS_FLOAT {
                found = if negative { below } else { above };
            }
            fits |= value.is_finite();
        }
        all &= fits;
        *out = found.canonical().put();
    }
    all
}

/// The lowest integer of a data type, and the first above all of them.
fn limits(scalar: Scalar) -> (f64, f64) {
    let power = |bits: u32| 2_f64.powi(bits as i32);
    if scalar.is_signed_int() {
        (-power(scalar.bits() - 1), power(scalar.bits() - 1))
    } else {
        (0.0, power(scalar.bits()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Number;
    use super::*;

    const ROUNDINGS: [Rounding; 5] = [
        Rounding::NearestEven,
        Rounding::TowardsZero,
        Rounding::TowardsPositive,
        Rounding::TowardsNegative,
        Rounding::NearestAway,
    ];
    const RANGES: [OutOfRange; 3] = [OutOfRange::Refuse, OutOfRange::Clamp, OutOfRange::Wrap];

    /// Bit patterns of all sorts: small ones, the edges, and noise that reaches every exponent.
    fn patterns(scalar: Scalar) -> Vec<u64> {
        let most = u64::MAX >> (64 - scalar.bits());
        let mut bits: Vec<u64> = (0..40)
            .flat_map(|i| [i, most.wrapping_sub(i), (most >> 1).saturating_sub(i), (most >> 1) + i])
            .collect();
        for value in [
            0.5,
            1.5,
            2.5,
            -0.5,
            -1.5,
            127.5,
            128.0,
            -128.5,
            255.5,
            65504.0,
            65520.0,
            2147483647.5,
            9.3e18,
            1e30,
        ] {
            bits.extend(scalar.write(Number::of(value), Rounding::TowardsZero));
        }
        let mut state = 7_u64;
        for _ in 0..600 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            bits.push((state >> 7) & most);
        }
        bits.iter().map(|bits| bits & most).collect()
    }

    fn encode(scalar: Scalar, bits: &[u64]) -> Vec<u8> {
        let mut items = vec![0; bits.len() * scalar.nbytes()];
        for (item, &bits) in items.chunks_exact_mut(scalar.nbytes()).zip(bits) {
            put_item(bits, item);
        }
        items
    }

    /// The loops give what the definition gives, for every pair of data types, each way and each rule.
    #[test]
    fn loops_follow_the_definition() {
        let real = |scalar: &&Scalar| **scalar != Scalar::Bool;
        for &from in Scalar::ALL.iter().filter(real) {
            let all = patterns(from);
            for &to in Scalar::ALL.iter().filter(real) {
                for (rounding, range) in ROUNDINGS.iter().flat_map(|&way| RANGES.map(|range| (way, range))) {
                    let one = to.write(Number::of(1.0), Rounding::NearestEven).unwrap();
                    for map in [vec![], vec![(all[5], one), (all[5], 0)]] {
                        let cast = Cast::new(from, to, rounding, range, map);
                        let good: Vec<u64> = all.iter().copied().filter(|&bits| cast.bits(bits).is_ok()).collect();
                        let want: Vec<u64> = good.iter().map(|&bits| cast.bits(bits).unwrap()).collect();
                        let mut out = vec![0; good.len() * to.nbytes()];
                        cast.items(&encode(from, &good), &mut out).unwrap();
                        assert!(out == encode(to, &want), "{from:?} {to:?} {rounding:?} {range:?}");
                        for &bad in all.iter().filter(|&&bits| cast.bits(bits).is_err()).take(50) {
                            let mut out = vec![0; to.nbytes()];
                            let error = cast.items(&encode(from, &[bad]), &mut out).unwrap_err();
                            assert_eq!(error.kind(), Kind::Codec);
                            assert!(error.detail().contains(to.name()), "{error}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn wrapping_takes_the_low_bits() {
        let cast = Cast::new(
            Scalar::Float64,
            Scalar::Int16,
            Rounding::NearestEven,
            OutOfRange::Wrap,
            vec![],
        );
        for (value, want) in [
            (32768.0, -32768_i16),
            (32769.0, -32767),
            (-32769.0, 32767),
            (1e300, 0),
            (-65537.0, -1),
        ] {
            assert_eq!(cast.bits(f64::to_bits(value)), Ok(want as u16 as u64), "{value}");
        }
        assert_eq!(cast.bits(f64::INFINITY.to_bits()), Err(Unfit::Infinite));
        assert_eq!(cast.bits(f64::NAN.to_bits()), Err(Unfit::Nan));
    }
}
