//! Rows of a Parquet file.

use columns::{Cell, File};
use input::InvalidInput;

use super::{Found, MOST_UNPACKED, Place, Table};
use crate::source::Source;

/// Takes each row of the file in `bytes`.
pub(super) fn each(
    source: &Source,
    bytes: &[u8],
    table: &mut Table<'_>,
) -> Result<(), InvalidInput> {
    let unread = |error: columns::Error| InvalidInput::new("$.source.url", error.to_string());
    let file = File::open(bytes, MOST_UNPACKED).map_err(unread)?;
    let columns = super::columns(&file.names(), source)?;
    for (index, row) in file.rows().map_err(unread)?.enumerate() {
        let row = row.map_err(unread)?;
        let found = columns
            .iter()
            .map(|&column| row.get(column).map_or(Found::Nothing, found));
        table.accept(Place::Row(index as u64 + 1), found)?;
    }
    Ok(())
}

fn found(cell: &Cell) -> Found<'_> {
    match cell {
        Cell::Nothing => Found::Nothing,
        Cell::Text(text) => Found::Text(text.into()),
        Cell::Integer(number) => Found::Text(number.to_string().into()),
        Cell::Number(number) => Found::Text(number.to_string().into()),
        Cell::Moment(text) => Found::Moment(text.into()),
        Cell::Other(what) => Found::Other(what),
    }
}
