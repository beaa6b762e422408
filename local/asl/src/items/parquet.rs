//! Parquet files: a row is an item.
//!
//! Which JSON a value becomes is not documented. Numbers, booleans, texts, lists, maps and groups become their like;
//! moments become ISO 8601 in UTC; a decimal becomes its digits as text, so that none is lost; bytes become text where
//! they are UTF-8, as writers leave texts unmarked, and Base64 elsewhere.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use time::OffsetDateTime;

use super::Fault;
use crate::timestamp::Timestamp;
use crate::value::{Map, Value};

const SECONDS_OF_DAY: i64 = 86_400;

/// Adds the rows, at most as many as make `most`.
pub(super) fn read(body: &[u8], most: usize, items: &mut Vec<Value>) -> Result<(), Fault> {
    // The reader trusts the file in places, and a broken one must not take the execution's thread along.
    let body = Bytes::copy_from_slice(body);
    catch_unwind(AssertUnwindSafe(|| rows(body, most, items)))
        .unwrap_or_else(|_| Err(Fault::Parquet("it is damaged".to_string())))
}

fn rows(body: Bytes, most: usize, items: &mut Vec<Value>) -> Result<(), Fault> {
    let fault = |error: parquet::errors::ParquetError| Fault::Parquet(error.to_string());
    let reader = SerializedFileReader::new(body).map_err(fault)?;
    for row in reader.get_row_iter(None).map_err(fault)? {
        if items.len() >= most {
            break;
        }
        items.push(group(&row.map_err(fault)?));
    }
    Ok(())
}

fn group(row: &Row) -> Value {
    let members = row.get_column_iter();
    Value::from(
        members
            .map(|(name, field)| (Arc::from(name.as_str()), value(field)))
            .collect::<Map>(),
    )
}

fn value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(value) => Value::Bool(*value),
        Field::Byte(number) => i64::from(*number).into(),
        Field::Short(number) => i64::from(*number).into(),
        Field::Int(number) => i64::from(*number).into(),
        Field::Long(number) => (*number).into(),
        Field::UByte(number) => u64::from(*number).into(),
        Field::UShort(number) => u64::from(*number).into(),
        Field::UInt(number) => u64::from(*number).into(),
        Field::ULong(number) => (*number).into(),
        Field::Float16(number) => Value::number(number.to_f64()),
        Field::Float(number) => Value::number(shortest(*number)),
        Field::Double(number) => Value::number(*number),
        Field::Decimal(_) => field.to_string().into(),
        Field::Str(text) => text.as_str().into(),
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => text.into(),
            Err(_) => STANDARD.encode(bytes.data()).into(),
        },
        Field::Date(days) => date(*days).into(),
        Field::TimeMillis(millis) => time_of_day(i64::from(*millis) * 1_000).into(),
        Field::TimeMicros(micros) => time_of_day(*micros).into(),
        Field::TimestampMillis(millis) => moment(millis.saturating_mul(1_000)).into(),
        Field::TimestampMicros(micros) => moment(*micros).into(),
        Field::Group(row) => group(row),
        Field::ListInternal(list) => Value::array(list.elements().iter().map(value).collect()),
        Field::MapInternal(map) => {
            let entries = map.entries().iter();
            Value::from(
                entries
                    .map(|(key, field)| (name(key), value(field)))
                    .collect::<Map>(),
            )
        }
    }
}

/// A key of a map as the name of a member.
fn name(key: &Field) -> Arc<str> {
    match value(key) {
        Value::String(text) => text,
        other => other.to_string().into(),
    }
}

/// The double that prints as the float does: 0.1 and not 0.10000000149011612.
fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}

fn date(days: i32) -> String {
    match OffsetDateTime::from_unix_timestamp(i64::from(days) * SECONDS_OF_DAY) {
        Ok(moment) => moment.date().to_string(),
        Err(_) => days.to_string(),
    }
}

fn time_of_day(micros: i64) -> String {
    let moment = moment(micros.rem_euclid(SECONDS_OF_DAY * 1_000_000));
    let time = moment.split_once('T').map_or("", |(_, time)| time);
    time.trim_end_matches('Z').to_string()
}

/// With microseconds where there are any, else with milliseconds.
fn moment(micros: i64) -> String {
    let text = Timestamp(micros).to_string();
    match micros.rem_euclid(1_000) {
        0 => text,
        rest => format!("{}{rest:03}Z", text.trim_end_matches('Z')),
    }
}
