//! From a data type that is known when a codec is compiled to code that was generated for it.

/// Evaluates an expression with `$type` the native type of a scalar; `$other` for scalars that have none.
macro_rules! with_native {
    ($scalar:expr, $type:ident => $then:expr, _ => $other:expr) => {
        match $scalar {
            $crate::dtype::Scalar::Bool => { type $type = $crate::number::boolean::Boolean; $then }
            scalar => $crate::number::dispatch::with_number!(scalar, $type => $then, _ => $other),
        }
    };
}

/// The same without bool.
macro_rules! with_number {
    ($scalar:expr, $type:ident => $then:expr, _ => $other:expr) => {
        match $scalar {
            $crate::dtype::Scalar::Int8 => {
                type $type = i8;
                $then
            }
            $crate::dtype::Scalar::Int16 => {
                type $type = i16;
                $then
            }
            $crate::dtype::Scalar::Int32 => {
                type $type = i32;
                $then
            }
            $crate::dtype::Scalar::Int64 => {
                type $type = i64;
                $then
            }
            $crate::dtype::Scalar::Uint8 => {
                type $type = u8;
                $then
            }
            $crate::dtype::Scalar::Uint16 => {
                type $type = u16;
                $then
            }
            $crate::dtype::Scalar::Uint32 => {
                type $type = u32;
                $then
            }
            $crate::dtype::Scalar::Uint64 => {
                type $type = u64;
                $then
            }
            $crate::dtype::Scalar::Bfloat16 => {
                type $type = half::bf16;
                $then
            }
            $crate::dtype::Scalar::Float16 => {
                type $type = half::f16;
                $then
            }
            $crate::dtype::Scalar::Float32 => {
                type $type = f32;
                $then
            }
            $crate::dtype::Scalar::Float64 => {
                type $type = f64;
                $then
            }
            _ => $other,
        }
    };
}
pub(crate) use {with_native, with_number};
