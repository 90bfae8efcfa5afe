//! Counts, times and sizes as people read them.

use std::fmt::Display;
use std::time::Duration;

/// Times from this length on are written in minutes.
const LONG: Duration = Duration::from_secs(600);

/// A number of things: `1 slave`, `2 slaves`. The plural of the noun must end in `s`.
pub fn count<N: Copy + PartialEq + From<u8> + Display>(number: N, noun: &str) -> String {
    let ending = if number == N::from(1) { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// A part of a number of things: `1 of 1 slave`, `1 of 2 slaves`.
pub fn part<N: Copy + PartialEq + From<u8> + Display>(number: N, of: N, noun: &str) -> String {
    format!("{number} of {}", count(of, noun))
}

/// A time in the unit that fits it: `84.0 µs`, `1.36 ms`, `10.002 s`, `12 min 03.4 s`.
pub fn time(time: Duration) -> String {
    if time >= LONG {
        return long(time);
    }
    let unit = Unit::of(time);
    format!("{} {}", unit.write(time), unit.name)
}

/// A time with its uncertainty, both in one unit: `84.0 ± 51.0 µs`.
pub fn time_within(figure: Duration, uncertainty: Duration) -> String {
    if figure.max(uncertainty) >= LONG {
        return format!("{} ± {}", time(figure), time(uncertainty));
    }
    let unit = Unit::of(figure.max(uncertainty));
    format!("{} ± {} {}", unit.write(figure), unit.write(uncertainty), unit.name)
}

/// A number of bytes: `512 B`, `1.5 MiB`.
#[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
pub fn bytes(bytes: u64) -> String {
    let (mut size, mut unit) = (bytes as f64, "B");
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if size < 1024.0 {
            break;
        }
        (size, unit) = (size / 1024.0, larger);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{size:.1} {unit}") }
}

struct Unit {
    name: &'static str,
    per_second: f64,
    decimals: usize,
}

impl Unit {
    fn of(time: Duration) -> Self {
        match time.as_nanos() {
            0 => Self { name: "s", per_second: 1.0, decimals: 0 },
            1..1_000 => Self { name: "ns", per_second: 1e9, decimals: 0 },
            1_000..1_000_000 => Self { name: "µs", per_second: 1e6, decimals: 1 },
            1_000_000..1_000_000_000 => Self { name: "ms", per_second: 1e3, decimals: 2 },
            _ => Self { name: "s", per_second: 1.0, decimals: 3 },
        }
    }

    fn write(&self, time: Duration) -> String {
        format!("{:.*}", self.decimals, time.as_secs_f64() * self.per_second)
    }
}

fn long(time: Duration) -> String {
    let tenths = time.saturating_add(Duration::from_millis(50)).as_millis() / 100;
    let (minutes, tenths) = (tenths / 600, tenths % 600);
    let seconds = format!("{:02}.{} s", tenths / 10, tenths % 10);
    if minutes < 60 {
        return format!("{minutes} min {seconds}");
    }
    format!("{} h {:02} min {seconds}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_singular() {
        assert_eq!([0_u32, 1, 2].map(|number| count(number, "slave")), ["0 slaves", "1 slave", "2 slaves"]);
        assert_eq!([part(0_usize, 1, "slave"), part(1_usize, 2, "slave")], ["0 of 1 slave", "1 of 2 slaves"]);
    }

    #[test]
    fn times_are_in_the_unit_that_fits() {
        for (nanos, text) in [
            (0, "0 s"),
            (999, "999 ns"),
            (84_000, "84.0 µs"),
            (1_360_000, "1.36 ms"),
            (10_002_000_000, "10.002 s"),
            (723_400_000_000, "12 min 03.4 s"),
            (7_380_000_000_000, "2 h 03 min 00.0 s"),
            (3_599_960_000_000, "1 h 00 min 00.0 s"),
        ] {
            assert_eq!(time(Duration::from_nanos(nanos)), text);
        }
        let micros = Duration::from_micros;
        assert_eq!(time_within(micros(84), micros(51)), "84.0 ± 51.0 µs");
        assert_eq!(time_within(micros(84), micros(1500)), "0.08 ± 1.50 ms");
        assert_eq!(time_within(Duration::ZERO, micros(2)), "0.0 ± 2.0 µs");
    }

    #[test]
    fn sizes_are_in_the_unit_that_fits() {
        assert_eq!([0, 1023, 1536, 3 << 20, 5 << 30].map(bytes), ["0 B", "1023 B", "1.5 KiB", "3.0 MiB", "5.0 GiB"]);
    }
}
