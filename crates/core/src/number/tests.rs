use super::*;

const NEAREST: Rounding = Rounding::NearestEven;

/// Every pattern of the small data types becomes itself again; NaNs become the one without payload.
#[test]
fn every_pattern_returns() {
    for &scalar in Scalar::ALL.iter().filter(|scalar| scalar.bits() <= 16) {
        for bits in 0..1_u64 << scalar.bits() {
            let number = scalar.read(bits);
            let back = scalar.write(number, Rounding::TowardsZero);
            match number {
                Number::Nan => assert!(matches!(scalar.read(back.unwrap()), Number::Nan)),
                _ => assert_eq!(back, Ok(bits), "{scalar:?} {bits:#x}"),
            }
        }
    }
}

#[test]
fn doubles_and_singles_agree_with_the_processor() {
    let mut state = 99_u64;
    for i in 0..200_000_u64 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // Around the range of a single, subnormals included, and with ties.
        let exponent = 1023 - 160 + (state >> 33) % 300;
        let mantissa = if i % 3 == 0 { (state >> 30) << 28 } else { state };
        let value = f64::from_bits(exponent << 52 | mantissa & ((1 << 52) - 1) | state & (1 << 63));
        let want = value as f32;
        match Scalar::Float32.write(Number::of(value), NEAREST) {
            Ok(bits) => assert_eq!(bits, u64::from(want.to_bits()), "{value:e}"),
            Err(_) => assert!(want.is_infinite(), "{value:e}"),
        }
        assert_eq!(Scalar::Float32.read(want.to_bits().into()).to_f64(), f64::from(want));
        let back = Scalar::Float64.write(Scalar::Float64.read(value.to_bits()), NEAREST);
        assert_eq!(back, Ok(value.to_bits()));
    }
}

#[test]
fn ways_of_rounding() {
    let ways = [
        (Rounding::NearestEven, [2, 2, 4, -2, -2]),
        (Rounding::NearestAway, [2, 3, 4, -2, -3]),
        (Rounding::TowardsZero, [1, 2, 3, -1, -2]),
        (Rounding::TowardsPositive, [2, 3, 4, -1, -2]),
        (Rounding::TowardsNegative, [1, 2, 3, -2, -3]),
    ];
    for (rounding, wants) in ways {
        for (value, want) in [1.5, 2.5, 3.75, -1.5, -2.5].into_iter().zip(wants) {
            let bits = Scalar::Int8.write(Number::of(value), rounding);
            assert_eq!(bits, Ok(want as i8 as u8 as u64), "{value} {rounding:?}");
        }
    }
}

#[test]
fn known_values_of_small_floats() {
    use Scalar::*;
    let known = [
        (Float4E2m1fn, 0x7, 6.0),
        (Float6E2m3fn, 0x1f, 7.5),
        (Float6E3m2fn, 0x1f, 28.0),
        (Float8E3m4, 0x6f, 15.5),
        (Float8E4m3, 0x77, 240.0),
        (Float8E4m3b11fnuz, 0x7f, 30.0),
        (Float8E4m3fn, 0x7e, 448.0),
        (Float8E4m3fnuz, 0x7f, 240.0),
        (Float8E5m2, 0x7b, 57344.0),
        (Float8E5m2fnuz, 0x7f, 57344.0),
        (Bfloat16, 0x3f80, 1.0),
        (Float16, 0x0001, 5.960_464_477_539_063e-8),
        (Int4, 0xf, -1.0),
        (Uint4, 0xf, 15.0),
        (Int2, 0x2, -2.0),
    ];
    for (scalar, bits, value) in known {
        assert_eq!(scalar.read(bits).to_f64(), value, "{scalar:?}");
        assert_eq!(scalar.write(Number::of(value), NEAREST), Ok(bits), "{scalar:?}");
    }
    // Bits above those of the data type do not count.
    assert_eq!(Int4.read(0x7f).to_f64(), -1.0);
    assert_eq!(Float4E2m1fn.read(0xf1).to_f64(), 0.5);
}

#[test]
fn what_does_not_fit() {
    use Scalar::*;
    let write = |scalar: Scalar, value: f64| scalar.write(Number::of(value), NEAREST);
    assert_eq!(write(Float6E2m3fn, f64::NAN), Err(Unfit::Nan));
    assert_eq!(write(Float8E4m3fn, f64::INFINITY), Err(Unfit::Infinite));
    assert_eq!(write(Float8E4m3fn, 464.1), Err(Unfit::Above));
    assert_eq!(write(Float8E4m3fn, -464.1), Err(Unfit::Below));
    // Half way to the next power, and even: still the largest.
    assert_eq!(write(Float8E4m3fn, 464.0), Ok(0x7e));
    assert_eq!(write(Float16, 65519.9), Ok(0x7bff));
    assert_eq!(write(Float16, 65520.0), Err(Unfit::Above));
    for wrong in [0.0, -1.0, 1e-45] {
        assert_eq!(write(Float8E8m0fnu, wrong), Err(Unfit::Below), "{wrong}");
    }
    assert_eq!(Float8E4m3fn.clamp(Unfit::Above), Some(0x7e));
    assert_eq!(Float8E5m2.clamp(Unfit::Below), Some(0xfc));
    assert_eq!(Float8E8m0fnu.clamp(Unfit::Below), Some(0));
    assert_eq!(Int4.clamp(Unfit::Below), Some(0x8));
    assert_eq!(Uint8.clamp(Unfit::Above), Some(0xff));
    assert_eq!(Uint64.clamp(Unfit::Infinite), None);
}

#[test]
fn zeros_keep_their_sign_where_there_is_one() {
    let negative = Number::of(-0.0);
    assert_eq!(Scalar::Float16.write(negative, NEAREST), Ok(0x8000));
    assert_eq!(Scalar::Float4E2m1fn.write(negative, NEAREST), Ok(0x8));
    assert_eq!(Scalar::Float8E4m3fnuz.write(negative, NEAREST), Ok(0));
    assert_eq!(Scalar::Int8.write(negative, NEAREST), Ok(0));
}
