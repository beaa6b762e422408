//! The two tables that are made: months by city, and hours that all cities share.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow_arith::numeric::{mul, sub};
use arrow_arith::temporal::{DatePart, date_part};
use arrow_array::builder::{
    Date32Builder, Float64Builder, Int64Builder, StringBuilder, TimestampMillisecondBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int32Type, IntervalYearMonthType};
use arrow_array::{
    Array, ArrayRef, Float64Array, Int32Array, RecordBatch, Scalar, TimestampSecondArray,
};
use arrow_schema::ArrowError;
use serde::{Deserialize, Serialize};

use crate::columns::Columns;

/// The hourly temperatures of one city, °C, with what is known of the place; saved in checkpoints.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Series {
    /// The city.
    pub city: String,
    /// IATA code, latitude and longitude of its airport.
    pub place: (String, f64, f64),
    /// When.
    #[serde(with = "seconds")]
    pub times: TimestampSecondArray,
    /// °C.
    #[serde(with = "bits")]
    pub temperatures: Float64Array,
    /// Share of days with precipitation, by calendar month (1 to 12).
    pub wet: BTreeMap<i32, f64>,
    /// Rows that it was read from.
    pub rows: usize,
}

/// Times as numbers.
mod seconds {
    use arrow_array::TimestampSecondArray;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(
        times: &TimestampSecondArray,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(times)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<TimestampSecondArray, D::Error> {
        Vec::<Option<i64>>::deserialize(from).map(TimestampSecondArray::from)
    }
}

/// Numbers by their bits: JSON has neither NaN nor infinity.
mod bits {
    use arrow_array::Float64Array;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(numbers: &Float64Array, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(numbers.iter().map(|number| number.map(f64::to_bits)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Float64Array, D::Error> {
        let bits = Vec::<Option<u64>>::deserialize(from)?.into_iter();
        Ok(bits.map(|bits| bits.map(f64::from_bits)).collect())
    }
}

/// °C from °F.
///
/// # Errors
/// What the library says against it.
pub fn celsius(fahrenheit: &Float64Array) -> Result<Float64Array, ArrowError> {
    let scalar = |value| Scalar::new(Float64Array::from(vec![value]));
    let scaled = mul(&sub(fahrenheit, &scalar(32.0))?, &scalar(5.0 / 9.0))?;
    Ok(scaled.as_primitive::<Float64Type>().clone())
}

/// Place of the airport `iata`, from columns iata, latitude, longitude.
pub fn place(airports: &Columns, iata: &str) -> Option<(String, f64, f64)> {
    let row = airports
        .texts(0)
        .iter()
        .position(|code| code == Some(iata))?;
    Some((
        iata.to_owned(),
        airports.numbers(1).value(row),
        airports.numbers(2).value(row),
    ))
}

/// Share of days with precipitation by calendar month, from columns time, precipitation.
///
/// # Errors
/// What the library says against it.
pub fn wet_days(weather: &Columns) -> Result<BTreeMap<i32, f64>, ArrowError> {
    let months = part(weather.times(0), DatePart::Month)?;
    let mut days: BTreeMap<i32, (u32, u32)> = BTreeMap::new();
    for (month, rain) in months.iter().zip(weather.numbers(1)) {
        if let (Some(month), Some(rain)) = (month, rain) {
            let (wet, all) = days.entry(month).or_default();
            *wet += u32::from(rain > 0.0);
            *all += 1;
        }
    }
    Ok(days
        .into_iter()
        .map(|(month, (wet, all))| (month, f64::from(wet) / f64::from(all)))
        .collect())
}

fn part(times: &TimestampSecondArray, part: DatePart) -> Result<Int32Array, ArrowError> {
    Ok(date_part(times, part)?.as_primitive::<Int32Type>().clone())
}

#[derive(Default)]
struct Month {
    hours: i64,
    sum: f64,
    min: Option<f64>,
    max: Option<f64>,
}

impl Month {
    fn add(&mut self, value: f64) {
        self.hours += 1;
        self.sum += value;
        self.min = Some(self.min.map_or(value, |min| min.min(value)));
        self.max = Some(self.max.map_or(value, |max| max.max(value)));
    }
}

/// One row per city and month: `city, month, hours, mean_c, min_c, max_c, iata, latitude, longitude,
/// wet_day_share`, in the order of the cities and of time.
///
/// # Errors
/// What the library says against it.
pub fn monthly(all: &[Series]) -> Result<RecordBatch, ArrowError> {
    let (mut city, mut month, mut hours) = (
        StringBuilder::new(),
        Date32Builder::new(),
        Int64Builder::new(),
    );
    let mut numbers: [Float64Builder; 6] = Default::default();
    let mut iata = StringBuilder::new();
    for series in all {
        let (years, months) = (
            part(&series.times, DatePart::Year)?,
            part(&series.times, DatePart::Month)?,
        );
        let mut groups: BTreeMap<(i32, i32), Month> = BTreeMap::new();
        for ((year, month), value) in years.iter().zip(&months).zip(&series.temperatures) {
            if let (Some(year), Some(month), Some(value)) = (year, month, value) {
                groups.entry((year, month)).or_default().add(value);
            }
        }
        for ((year, number), group) in groups {
            city.append_value(&series.city);
            month.append_option(first_day(year, number));
            hours.append_value(group.hours);
            let (code, latitude, longitude) = &series.place;
            iata.append_value(code);
            let mean = group.sum / group.hours as f64;
            let wet = series.wet.get(&number).copied();
            let values = [
                Some(mean),
                group.min,
                group.max,
                Some(*latitude),
                Some(*longitude),
                wet,
            ];
            for (builder, value) in numbers.iter_mut().zip(values) {
                builder.append_option(value);
            }
        }
    }
    let [mean, min, max, latitude, longitude, wet] =
        numbers.map(|mut builder| column(builder.finish()));
    RecordBatch::try_from_iter([
        ("city", column(city.finish())),
        ("month", column(month.finish())),
        ("hours", column(hours.finish())),
        ("mean_c", mean),
        ("min_c", min),
        ("max_c", max),
        ("iata", column(iata.finish())),
        ("latitude", latitude),
        ("longitude", longitude),
        ("wet_day_share", wet),
    ])
}

fn column(array: impl Array + 'static) -> ArrayRef {
    Arc::new(array)
}

/// Days from the Unix epoch to the first of the month; none beyond the calendar of Arrow.
fn first_day(year: i32, month: i32) -> Option<i32> {
    let since_1970 = IntervalYearMonthType::make_value(year - 1_970, month - 1);
    Date32Type::add_year_months_opt(0, since_1970)
}

/// The hours that every city has, joined on the time: `time, city, temperature_c, anomaly_c`, where
/// the anomaly is the difference from the mean of all cities at that hour.
///
/// # Errors
/// What the library says against it.
pub fn hourly(all: &[Series]) -> Result<RecordBatch, ArrowError> {
    let by_time = |series: &Series| -> HashMap<i64, f64> {
        let rows = series.times.iter().zip(&series.temperatures);
        rows.filter_map(|(time, value)| Some((time?, value?)))
            .collect()
    };
    let tables: Vec<HashMap<i64, f64>> = all.iter().map(by_time).collect();
    let mut shared: Vec<i64> = tables
        .first()
        .map_or_else(Vec::new, |table| table.keys().copied().collect());
    shared.retain(|time| tables.iter().all(|table| table.contains_key(time)));
    shared.sort_unstable();
    let (mut time, mut city) = (TimestampMillisecondBuilder::new(), StringBuilder::new());
    let (mut temperature, mut anomaly) = (Float64Builder::new(), Float64Builder::new());
    for hour in shared {
        let values: Vec<f64> = tables
            .iter()
            .filter_map(|table| table.get(&hour).copied())
            .collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        for (series, value) in all.iter().zip(values) {
            // Parquet knows no seconds; a reader without Arrow's metadata would see bare integers.
            time.append_value(hour * 1_000);
            city.append_value(&series.city);
            temperature.append_value(value);
            anomaly.append_value(value - mean);
        }
    }
    RecordBatch::try_from_iter([
        ("time", column(time.finish())),
        ("city", column(city.finish())),
        ("temperature_c", column(temperature.finish())),
        ("anomaly_c", column(anomaly.finish())),
    ])
}
