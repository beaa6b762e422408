//! Figures as people read them: at most three significant digits, thousands separated, a unit that fits.

/// What the numbers of a metric count; its name tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unit {
    /// Nothing that is known.
    Plain,
    /// Microseconds in one of it.
    Time(f64),
    /// Bytes.
    Bytes,
    /// A part of one, told in percent.
    Share,
}

/// The unit that a metric's name ends with or begins with, and the name in words without it: `trainSeconds` is a
/// "train time".
pub fn read(metric: &str) -> (Unit, String) {
    const TIMES: [(&str, f64); 4] = [
        ("Seconds", 1e6),
        ("Millis", 1e3),
        ("Ms", 1e3),
        ("Micros", 1.0),
    ];
    for (name, micros) in TIMES {
        if let Some(stem) = metric.strip_suffix(name).filter(|stem| !stem.is_empty()) {
            let name = words(stem);
            return match name.ends_with("latency") {
                true => (Unit::Time(micros), name),
                false => (Unit::Time(micros), format!("{name} time")),
            };
        }
        let lower = format!("{}Per", name.to_lowercase());
        if let Some(of) = metric.strip_prefix(&lower) {
            return (Unit::Time(micros), format!("time per{}", words(of)));
        }
    }
    match metric.strip_suffix("Bytes") {
        Some(stem) if !stem.is_empty() => (Unit::Bytes, format!("{} size", words(stem))),
        _ if metric.ends_with("Rate") => (Unit::Share, words(metric)),
        _ if metric == "bytes" => (Unit::Bytes, "size".to_owned()),
        _ => (Unit::Plain, words(metric)),
    }
}

/// `macroF1` as `macro f1`.
pub fn words(name: &str) -> String {
    let spaced = |c: char| match c.is_uppercase() {
        true => format!(" {}", c.to_lowercase()),
        false => c.to_string(),
    };
    name.chars().map(spaced).collect()
}

/// The value of a metric with its unit.
pub fn show(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Plain => number(value),
        Unit::Time(micros) => duration(value * micros),
        Unit::Bytes => bytes(value),
        Unit::Share => format!("{} %", number(100.0 * value)),
    }
}

/// A number: whole ones in full, others with three significant digits.
pub fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return thousands(value);
    }
    if value.abs() >= 1_000.0 {
        return thousands(value.round());
    }
    let text = significant(value);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Microseconds in the unit that keeps them short.
pub fn duration(micros: f64) -> String {
    let micros = micros.max(0.0);
    // What would be rounded to a thousand of a unit is one of the next.
    match micros {
        _ if micros == 0.0 => "0 s".to_owned(),
        _ if micros < 999.5 => format!("{} µs", number(micros)),
        _ if micros < 999.5e3 => format!("{} ms", number(micros / 1e3)),
        _ if micros < 59.95e6 => format!("{} s", number(micros / 1e6)),
        _ => {
            let seconds = (micros / 1e6).round() as u64;
            match seconds {
                0..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
                _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
            }
        }
    }
}

/// USD, down to millionths.
pub fn usd(value: f64) -> String {
    match value {
        _ if value == 0.0 => "$0".to_owned(),
        _ if value < 1e-6 => "below $0.000001".to_owned(),
        _ if value < 1.0 => format!("${}", significant(value)),
        _ => format!("${value:.2}"),
    }
}

fn bytes(value: f64) -> String {
    match value {
        _ if value < 1e3 => format!("{value:.0} B"),
        _ if value < 999.5e3 => format!("{} kB", number(value / 1e3)),
        _ if value < 999.5e6 => format!("{} MB", number(value / 1e6)),
        _ => format!("{} GB", number(value / 1e9)),
    }
}

/// Three significant digits, without an exponent.
fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor();
    let decimals = (2.0 - magnitude).clamp(0.0, 12.0) as usize;
    format!("{value:.decimals$}")
}

fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 {
        format!("-{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.98, "0.98"),
            (1.0, "1"),
            (0.123_456, "0.123"),
            (12_345.6, "12,346"),
            (1_234_567.0, "1,234,567"),
            (-1_000.0, "-1,000"),
            (0.0, "0"),
            (99.96, "100"),
            (0.000_012_34, "0.0000123"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn units_fit() {
        for (micros, text) in [
            (0.0, "0 s"),
            (7.0, "7 µs"),
            (1_234.0, "1.23 ms"),
            (999_600.0, "1 s"),
            (2_340_000.0, "2.34 s"),
            (61e6, "1 min 1 s"),
            (3_660e6, "1 h 1 min"),
        ] {
            assert_eq!(duration(micros), text);
        }
        assert_eq!(bytes(140_441.0), "140 kB");
        assert_eq!(show(0.985, Unit::Share), "98.5 %");
        for (value, text) in [
            (0.014_744, "$0.0147"),
            (0.000_005, "$0.00000500"),
            (12.5, "$12.50"),
            (0.0, "$0"),
        ] {
            assert_eq!(usd(value), text);
        }
    }

    #[test]
    fn metrics_tell_their_unit() {
        for (metric, unit, name) in [
            ("accuracy", Unit::Plain, "accuracy"),
            ("macroF1", Unit::Plain, "macro f1"),
            ("trainSeconds", Unit::Time(1e6), "train time"),
            ("predictMicros", Unit::Time(1.0), "predict time"),
            ("microsPerRecord", Unit::Time(1.0), "time per record"),
            ("parquetBytes", Unit::Bytes, "parquet size"),
            ("bytes", Unit::Bytes, "size"),
            ("meanLatencyMs", Unit::Time(1e3), "mean latency"),
            ("successRate", Unit::Share, "success rate"),
            ("hourlyRows", Unit::Plain, "hourly rows"),
        ] {
            assert_eq!(read(metric), (unit, name.to_owned()));
        }
    }
}
