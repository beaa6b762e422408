//! Lengths of time, moments and numbers, as people read them.

use asl::Timestamp;
use gatherer::figures;

/// A length of time.
pub fn lasted(seconds: f64) -> String {
    figures::duration(seconds * 1e6)
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
    fn numbers_and_moments_are_readable() {
        assert_eq!(grouped(25_000), "25,000");
        assert_eq!(grouped(1_000_000), "1,000,000");
        assert_eq!(grouped(7), "7");
        assert_eq!(moment(Timestamp(0)), "1970-01-01 00:00:00");
    }
}
