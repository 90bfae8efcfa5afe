//! Integers as they cross the network. The crate `byteorder` reads and writes them, here and nowhere else.
//!
//! All integers are big-endian, except those of FINISHD, which protocol version 1 sends in little-endian order.

use byteorder::{BigEndian, ByteOrder, LittleEndian, ReadBytesExt};

/// An integer that takes a fixed number of bytes on the network, in big-endian order.
pub trait WireInteger: Sized {
    /// The integer's bytes.
    type Bytes: AsRef<[u8]> + for<'a> TryFrom<&'a [u8]>;

    /// The integer as it crosses the network.
    fn to_wire(self) -> Self::Bytes;

    /// The integer that crossed the network as these bytes.
    fn from_wire(bytes: Self::Bytes) -> Self;
}

macro_rules! wire_integers {
    ($($integer:ty: $read:ident, $write:ident;)*) => {$(
        impl WireInteger for $integer {
            type Bytes = [u8; size_of::<$integer>()];

            fn to_wire(self) -> Self::Bytes {
                let mut bytes = Self::Bytes::default();
                BigEndian::$write(&mut bytes, self);
                bytes
            }

            fn from_wire(bytes: Self::Bytes) -> Self {
                BigEndian::$read(&bytes)
            }
        }
    )*};
}

wire_integers! {
    u16: read_u16, write_u16;
    u32: read_u32, write_u32;
    u64: read_u64, write_u64;
    i64: read_i64, write_i64;
}

/// Splits the integer off the beginning of these bytes; none where there are too few bytes.
pub(crate) fn split_integer<T: WireInteger>(bytes: &[u8]) -> Option<(T, &[u8])> {
    let (integer, rest) = bytes.split_at_checked(size_of::<T::Bytes>())?;
    Some((T::from_wire(integer.try_into().ok()?), rest))
}

/// The bytes of these integers, one after another.
pub(crate) fn u64s_to_wire(integers: &[u64]) -> Vec<u8> {
    let mut bytes = vec![0; size_of_val(integers)];
    BigEndian::write_u64_into(integers, &mut bytes);
    bytes
}

/// The first `N` integers of these bytes. Integers for which there are too few bytes are zero.
pub(crate) fn u64s_from_wire<const N: usize>(mut bytes: &[u8]) -> [u64; N] {
    [(); N].map(|()| bytes.read_u64::<BigEndian>().unwrap_or_default())
}

/// The bytes of these integers, one after another, in little-endian order.
pub(crate) fn i64s_to_little_endian(integers: &[i64]) -> Vec<u8> {
    let mut bytes = vec![0; size_of_val(integers)];
    LittleEndian::write_i64_into(integers, &mut bytes);
    bytes
}

/// The first `N` integers of these bytes, in little-endian order. Integers for which there are too few bytes are zero.
pub(crate) fn i64s_from_little_endian<const N: usize>(mut bytes: &[u8]) -> [i64; N] {
    [(); N].map(|()| bytes.read_i64::<LittleEndian>().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        assert_eq!(0x0102_u16.to_wire(), [1, 2]);
        assert_eq!(0x0102_0304_u32.to_wire(), [1, 2, 3, 4]);
        assert_eq!(0x0102_0304_0506_0708_u64.to_wire(), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!((-2_i64).to_wire(), [255, 255, 255, 255, 255, 255, 255, 254]);
        assert_eq!(u64s_to_wire(&[1, 2]), [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(i64s_to_little_endian(&[1, -2]), [1, 0, 0, 0, 0, 0, 0, 0, 254, 255, 255, 255, 255, 255, 255, 255]);
    }

    #[test]
    fn integers_survive_the_round_trip() {
        assert_eq!(u16::from_wire(0xfedc_u16.to_wire()), 0xfedc);
        assert_eq!(u32::from_wire(0xfedc_ba98_u32.to_wire()), 0xfedc_ba98);
        assert_eq!(u64::from_wire(u64::MAX.to_wire()), u64::MAX);
        assert_eq!(i64::from_wire(i64::MIN.to_wire()), i64::MIN);
        assert_eq!(u64s_from_wire(&u64s_to_wire(&[5, u64::MAX])), [5, u64::MAX]);
        assert_eq!(i64s_from_little_endian(&i64s_to_little_endian(&[5, i64::MIN])), [5, i64::MIN]);
    }

    #[test]
    fn too_few_bytes_are_no_integer() {
        assert_eq!(split_integer::<u32>(&[0, 0, 0]), None);
        assert_eq!(split_integer::<u16>(&[0, 7, 9]), Some((7, &[9][..])));
        assert_eq!(u64s_from_wire(&[0, 0, 0, 0, 0, 0, 0, 7, 1, 1, 1]), [7, 0, 0]);
        assert_eq!(i64s_from_little_endian(&[7, 0, 0, 0, 0, 0, 0, 0, 1]), [7, 0]);
    }
}
