//! Lengths of time, moments and money, as people read them.

use asl::Timestamp;

/// A length of time with three significant digits.
pub fn lasted(seconds: f64) -> String {
    match seconds {
        _ if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        _ if seconds < 10.0 => format!("{seconds:.2} s"),
        _ if seconds < 100.0 => format!("{seconds:.1} s"),
        _ if seconds < 5_400.0 => format!(
            "{:.0} min {:.0} s",
            (seconds / 60.0).floor(),
            (seconds % 60.0).floor()
        ),
        _ => format!(
            "{:.0} h {:.0} min",
            (seconds / 3_600.0).floor(),
            (seconds / 60.0 % 60.0).floor()
        ),
    }
}

/// USD with three significant digits.
pub fn dollars(usd: f64) -> String {
    if usd <= 0.0 {
        return "$0".to_owned();
    }
    let decimals = (2.0 - usd.log10().floor()).clamp(2.0, 9.0) as usize;
    format!("${usd:.decimals$}")
}

/// Seconds from one moment to another.
pub fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    (to.0 - from.0).max(0) as f64 / 1e6
}

/// A moment to the second, in UTC: `2026-11-24 08:15:33`.
pub fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..19).unwrap_or(&text).replace('T', " ")
}

/// A number with its digits in groups of three.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_and_time_are_short() {
        for (usd, text) in [
            (0.014_744, "$0.0147"),
            (0.000_005, "$0.00000500"),
            (12.345, "$12.35"),
            (0.0, "$0"),
        ] {
            assert_eq!(dollars(usd), text);
        }
        for (seconds, text) in [
            (0.012, "12 ms"),
            (2.5, "2.50 s"),
            (61.0, "61.0 s"),
            (179.9, "2 min 59 s"),
            (7_260.0, "2 h 1 min"),
        ] {
            assert_eq!(lasted(seconds), text);
        }
        assert_eq!(grouped(25_000), "25,000");
        assert_eq!(grouped(1_000_000), "1,000,000");
        assert_eq!(grouped(7), "7");
        assert_eq!(moment(Timestamp(0)), "1970-01-01 00:00:00");
    }
}
