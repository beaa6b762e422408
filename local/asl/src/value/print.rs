//! Printing values as AWS prints them.

use std::fmt::{self, Write as _};

use serde_json::Number;

use super::Value;

/// Compact JSON, with doubles as AWS prints them: `4.3`, `1.0E10`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Number(number) => write_number(f, number),
            Value::String(text) => write_string(f, text),
            Value::Array(items) => {
                f.write_char('[')?;
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        f.write_char(',')?;
                    }
                    write!(f, "{item}")?;
                }
                f.write_char(']')
            }
            Value::Object(members) => {
                f.write_char('{')?;
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        f.write_char(',')?;
                    }
                    write_string(f, key)?;
                    f.write_char(':')?;
                    write!(f, "{value}")?;
                }
                f.write_char('}')
            }
        }
    }
}

/// Prints a number as Step Functions does, which is how Java's `Double.toString` prints it: a decimal from 10^-3 up
/// to 10^7, beyond that a mantissa and an exponent, always with at least one digit after the point.
pub(crate) fn write_number(f: &mut impl fmt::Write, number: &Number) -> fmt::Result {
    let Some(double) = number.as_f64().filter(|_| number.is_f64()) else {
        return write!(f, "{number}");
    };
    let magnitude = double.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return write!(f, "{double:?}");
    }
    let text = format!("{double:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if mantissa.contains('.') => write!(f, "{mantissa}E{exponent}"),
        Some((mantissa, exponent)) => write!(f, "{mantissa}.0E{exponent}"),
        None => f.write_str(&text),
    }
}

/// Prints a string with JSON's quotes and escapes.
fn write_string(f: &mut impl fmt::Write, text: &str) -> fmt::Result {
    f.write_char('"')?;
    let mut plain = 0;
    for (index, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..=0x1f => "",
            _ => continue,
        };
        f.write_str(&text[plain..index])?;
        plain = index + 1;
        if escape.is_empty() {
            write!(f, "\\u{byte:04X}")?;
        } else {
            f.write_str(escape)?;
        }
    }
    f.write_str(&text[plain..])?;
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_java_prints_them() {
        for (text, printed) in [
            ("4.3", "4.3"),
            ("3", "3"),
            ("3.0", "3.0"),
            ("1e10", "1.0E10"),
            ("12345678.5", "1.23456785E7"),
            ("0.0001", "1.0E-4"),
            ("-0.001", "-0.001"),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            assert_eq!(Value::parse(text).unwrap().to_string(), printed, "{text}");
        }
    }

    #[test]
    fn text_survives_the_round_trip() {
        let text = "{\"z\":[1,2.5,null,true],\"a\":{\"quote\":\"\\\"\\\\\\n\\u0001é\"},\"\":{}}";
        assert_eq!(Value::parse(text).unwrap().to_string(), text);
    }
}
