//! Three habits of the Java runtime behind Step Functions that show in results: how it prints a value into a string
//! (`{Arg1=1, Arg2=[]}`), the order in which a `HashSet` gives its elements back (`States.ArrayUnique`, and the names in messages), and
//! `java.util.Random` (seeded `States.MathRandom` and `$random`).

use std::fmt::Write as _;

use crate::value::{Value, write_number};

/// The value as `String.valueOf` prints it.
pub(crate) fn print(value: &Value) -> String {
    let mut text = String::new();
    print_into(&mut text, value);
    text
}

/// Appends the value as `String.valueOf` prints it.
pub(crate) fn print_into(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        // Writing to a String cannot fail.
        Value::Number(number) => _ = write_number(text, number),
        Value::String(value) => text.push_str(value),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                print_into(text, item);
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (index, (key, value)) in members.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                let _ = write!(text, "{key}=");
                print_into(text, value);
            }
            text.push('}');
        }
    }
}

/// The value's `hashCode`.
fn hash(value: &Value) -> i32 {
    match value {
        Value::Null => 0,
        Value::Bool(true) => 1231,
        Value::Bool(false) => 1237,
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => match i32::try_from(integer) {
                Ok(small) => small,
                Err(_) => (integer ^ ((integer as u64) >> 32) as i64) as i32,
            },
            (None, double) => {
                let bits = double.unwrap_or_default().to_bits();
                (bits ^ (bits >> 32)) as i32
            }
        },
        Value::String(text) => hash_text(text),
        Value::Array(items) => items.iter().fold(1i32, |code, item| {
            code.wrapping_mul(31).wrapping_add(hash(item))
        }),
        Value::Object(members) => members.iter().fold(0i32, |code, (key, value)| {
            code.wrapping_add(hash_text(key) ^ hash(value))
        }),
    }
}

fn hash_text(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |code, unit| {
        code.wrapping_mul(31).wrapping_add(i32::from(unit))
    })
}

/// The distinct items in the order in which `new HashSet<>(items)` gives them back.
pub(crate) fn hash_set(items: &[Value]) -> Vec<Value> {
    let capacity = ((items.len() as f32 / 0.75) as usize + 1).max(16);
    let mut buckets: Vec<Vec<&Value>> = vec![Vec::new(); capacity.next_power_of_two()];
    for item in items {
        let code = hash(item) as u32;
        let spread = (code ^ (code >> 16)) as usize;
        let last = buckets.len() - 1;
        let bucket = &mut buckets[spread & last];
        if !bucket.contains(&item) {
            bucket.push(item);
        }
    }
    buckets.into_iter().flatten().cloned().collect()
}

/// The names in the order in which a `HashSet` of them gives them back.
pub(crate) fn name_order<'n>(names: &[&'n str]) -> Vec<&'n str> {
    // The table of a set doubles when it is more than three quarters full.
    let mut buckets = 16;
    while names.len() * 4 > buckets * 3 {
        buckets *= 2;
    }
    let bucket = |name: &&str| {
        let code = hash_text(name) as u32;
        (code ^ (code >> 16)) as usize & (buckets - 1)
    };
    let mut ordered = names.to_vec();
    ordered.sort_by_key(bucket);
    ordered
}

/// `java.util.Random`.
pub(crate) struct JavaRandom(u64);

impl JavaRandom {
    const MASK: u64 = (1 << 48) - 1;

    pub(crate) fn seeded(seed: i64) -> JavaRandom {
        JavaRandom((seed as u64 ^ 0x5_DEEC_E66D) & JavaRandom::MASK)
    }

    fn next(&mut self, bits: u32) -> i32 {
        self.0 = self.0.wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB) & JavaRandom::MASK;
        (self.0 >> (48 - bits)) as i32
    }

    /// `nextDouble()`, in [0, 1).
    pub(crate) fn next_double(&mut self) -> f64 {
        let high = i64::from(self.next(26)) << 27;
        (high + i64::from(self.next(27))) as f64 / (1u64 << 53) as f64
    }

    /// `nextInt(bound)`, in [0, bound); `bound` must be positive.
    pub(crate) fn next_int(&mut self, bound: i32) -> i32 {
        if bound & bound.wrapping_neg() == bound {
            return ((i64::from(bound) * i64::from(self.next(31))) >> 31) as i32;
        }
        loop {
            let bits = self.next(31);
            let value = bits % bound;
            if bits.wrapping_sub(value).wrapping_add(bound - 1) >= 0 {
                return value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::parse;
    use super::*;

    #[test]
    fn values_print_as_java_prints_them() {
        for (json, printed) in [
            (r#"{"Arg1": 1, "Arg2": []}"#, "{Arg1=1, Arg2=[]}"),
            (r#"["a", null, 1.5, true]"#, "[a, null, 1.5, true]"),
            ("\"text\"", "text"),
        ] {
            assert_eq!(print(&parse(json)), printed);
        }
    }

    #[test]
    fn sets_come_back_in_hash_order() {
        for (items, distinct) in [
            ("[true, false, true, false]", "[false, true]"),
            ("[[1, 2], [1, 2], [2, 1]]", "[[2, 1], [1, 2]]"),
            ("[null, null, 1, null]", "[null, 1]"),
            ("[1, \"1\", 1, \"01\"]", "[1, \"1\", \"01\"]"),
            (r#"[{"a":1,"b":2},{"b":2,"a":1}]"#, r#"[{"a":1,"b":2}]"#),
            (r#"["a","b","a","c","b"]"#, r#"["a","b","c"]"#),
            ("[]", "[]"),
        ] {
            let items = parse(items);
            let Value::Array(items) = items else {
                unreachable!()
            };
            assert_eq!(Value::array(hash_set(&items)), parse(distinct), "{items:?}");
        }
    }

    #[test]
    fn names_come_in_hash_order() {
        assert_eq!(
            name_order(&["Seconds", "SecondsPath", "Timestamp", "TimestampPath"]),
            ["SecondsPath", "Seconds", "TimestampPath", "Timestamp"]
        );
        assert_eq!(name_order(&["End", "Next"]), ["Next", "End"]);
    }

    #[test]
    fn random_is_java_util_random() {
        assert_eq!(JavaRandom::seeded(42).next_double(), 0.7275636800328681);
        // new Random(42).nextInt(10) gives 0, then 3.
        let mut random = JavaRandom::seeded(42);
        assert_eq!((random.next_int(10), random.next_int(10)), (0, 3));
    }
}
