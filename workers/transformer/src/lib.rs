//! The `transformer` worker: joins and aggregates the fetched sources in columns, Parquet out.

pub mod columns;
pub mod tables;

use std::collections::BTreeMap;

use ::columns::{Cell, File};
use arrow_schema::ArrowError;
use input::InvalidInput;
use jobs::artifacts::{ArtifactError, GetObject, PutObject, S3Uri, When};
use jobs::checkpoint::Interrupted;
use jobs::task::{JOB_CRASHED, Named};
use jobs::worker::Context;
use parquet::errors::ParquetError;
use serde::{Deserialize, Serialize};
use tracing::info;

use crate::columns::{Columns, Kind, parquet};
use tables::{Series, celsius, hourly, monthly, place, wet_days};

/// What is to be joined.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The cities, at least one.
    pub cities: Vec<City>,
    /// S3 URI of the airports: columns `iata`, `latitude`, `longitude`.
    pub airports: S3Uri,
}

/// One city.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct City {
    /// Its name.
    pub name: String,
    /// S3 URI of hourly temperatures: columns `time`, `temperature`.
    pub temperatures: S3Uri,
    /// The unit of them.
    #[serde(default)]
    pub unit: Unit,
    /// IATA code of its airport, which tells where it is.
    pub airport: String,
    /// S3 URI of days: columns `time`, `precipitation` (mm).
    #[serde(default)]
    pub weather: Option<S3Uri>,
}

/// A unit of temperature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Unit {
    /// °C.
    #[default]
    Celsius,
    /// °F.
    Fahrenheit,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// S3 URI of the Parquet table of months by city; see [`tables::monthly`].
    pub monthly: S3Uri,
    /// S3 URI of the Parquet table of hours that all cities share; see [`tables::hourly`].
    pub hourly: S3Uri,
    /// Counts, for the report.
    pub metrics: Metrics,
    /// Both files with their first rows, for the report.
    pub files: Vec<Made>,
}

/// A file and its first rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Made {
    /// Where it is.
    pub uri: S3Uri,
    /// Names of its columns.
    pub columns: Vec<String>,
    /// Its first rows.
    pub rows: Vec<Vec<String>>,
}

/// Counts of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Rows read from all sources.
    pub rows_read: usize,
    /// Rows of the monthly table.
    pub monthly_rows: usize,
    /// Rows of the hourly table.
    pub hourly_rows: usize,
    /// Bytes of both files.
    pub parquet_bytes: usize,
}

/// Why there are no tables.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A source is not what it should be.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// A source could not be read, or a table not be written.
    #[error(transparent)]
    Storage(#[from] ArtifactError),
    /// The computation failed.
    #[error("a table could not be made: {0}")]
    Arrow(#[from] ArrowError),
    /// The file could not be made.
    #[error("a Parquet file could not be made: {0}")]
    Parquet(#[from] ParquetError),
    /// The file that was made could not be read.
    #[error("a Parquet file could not be read again: {0}")]
    Again(#[from] ::columns::Error),
    /// The job was told to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Named for Error {
    fn name(&self) -> &str {
        match self {
            Error::Input(error) => error.name(),
            Error::Storage(error) => error.name(),
            Error::Arrow(_) | Error::Parquet(_) | Error::Again(_) => JOB_CRASHED,
            Error::Interrupted(interrupted) => interrupted.name(),
        }
    }
}

/// Joins the sources of `input` and stores both tables beside the job.
///
/// # Errors
/// `Input.*` when a source cannot be used, `Job.Storage` when S3 fails, and what the job was told to stop for.
pub async fn transform<S: GetObject + PutObject>(
    context: Context<'_, S>,
    input: Input,
) -> Result<Output, Error> {
    if input.cities.is_empty() {
        return Err(InvalidInput::new("$.input.cities", "expected at least one city").into());
    }
    let wanted = [
        ("iata", Kind::Text),
        ("latitude", Kind::Number),
        ("longitude", Kind::Number),
    ];
    let airports = read(context.store, &input.airports, &wanted, "$.input.airports").await?;
    let restored = context.checkpoint.restore::<Vec<Series>>().await?;
    let mut all = restored.unwrap_or_default();
    for (index, city) in input.cities.iter().enumerate().skip(all.len()) {
        let path = format!("$.input.cities[{index}]");
        all.push(series(context.store, city, &airports, &path).await?);
        context.checkpoint.offer(all.len() as u64, || &all).await?;
    }
    let rows_read = airports.rows() + all.iter().map(|series| series.rows).sum::<usize>();
    let (months, hours) = (monthly(&all)?, hourly(&all)?);
    let output = Output {
        monthly: context.uri.sibling("monthly.parquet"),
        hourly: context.uri.sibling("hourly.parquet"),
        metrics: Metrics {
            rows_read,
            monthly_rows: months.num_rows(),
            hourly_rows: hours.num_rows(),
            parquet_bytes: 0,
        },
        files: Vec::new(),
    };
    let (months, hours) = (parquet(&months)?, parquet(&hours)?);
    let parquet_bytes = months.len() + hours.len();
    let files = vec![
        preview(&output.monthly, &months)?,
        preview(&output.hourly, &hours)?,
    ];
    context
        .store
        .put(&output.monthly, months, When::Always)
        .await?;
    context
        .store
        .put(&output.hourly, hours, When::Always)
        .await?;
    info!(rows_read, parquet_bytes, "transformed");
    Ok(Output {
        metrics: Metrics {
            parquet_bytes,
            ..output.metrics
        },
        files,
        ..output
    })
}

/// The first rows of the Parquet file in `bytes`, read back as whoever gets it will.
fn preview(uri: &S3Uri, bytes: &[u8]) -> Result<Made, Error> {
    const ROWS: usize = 5;
    let file = File::open(bytes, u64::MAX)?;
    let rows = file.rows()?.take(ROWS);
    let rows = rows.map(|row| Ok(row?.into_iter().map(shown).collect()));
    Ok(Made {
        uri: uri.clone(),
        columns: file.names(),
        rows: rows.collect::<Result<_, Error>>()?,
    })
}

fn shown(cell: Cell) -> String {
    match cell {
        Cell::Nothing => "–".to_owned(),
        Cell::Text(text) | Cell::Moment(text) => text,
        Cell::Integer(number) => number.to_string(),
        Cell::Number(number) => ((number * 1e3).round() / 1e3).to_string(),
        Cell::Other(what) => what.to_owned(),
    }
}

async fn series(
    store: &impl GetObject,
    city: &City,
    airports: &Columns,
    path: &str,
) -> Result<Series, Error> {
    let place = place(airports, &city.airport).ok_or_else(|| {
        InvalidInput::new(
            format!("{path}.airport"),
            format!("no airport `{}` in the table", city.airport),
        )
    })?;
    let wanted = [("time", Kind::Time), ("temperature", Kind::Number)];
    let hours = read(
        store,
        &city.temperatures,
        &wanted,
        &format!("{path}.temperatures"),
    )
    .await?;
    let temperatures = match city.unit {
        Unit::Celsius => hours.numbers(1).clone(),
        Unit::Fahrenheit => celsius(hours.numbers(1))?,
    };
    let mut rows = hours.rows();
    let wet = match &city.weather {
        None => BTreeMap::new(),
        Some(uri) => {
            let wanted = [("time", Kind::Time), ("precipitation", Kind::Number)];
            let days = read(store, uri, &wanted, &format!("{path}.weather")).await?;
            rows += days.rows();
            wet_days(&days)?
        }
    };
    let times = hours.times(0).clone();
    Ok(Series {
        city: city.name.clone(),
        place,
        times,
        temperatures,
        wet,
        rows,
    })
}

async fn read(
    store: &impl GetObject,
    uri: &S3Uri,
    wanted: &[(&str, Kind)],
    path: &str,
) -> Result<Columns, Error> {
    let bytes = store
        .get(uri)
        .await?
        .ok_or_else(|| ArtifactError::NotFound(uri.clone()))?;
    Ok(Columns::read(&bytes, wanted, path)?)
}

#[cfg(test)]
mod tests;
