use super::*;
use parquet::basic::ZstdLevel;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

const SCHEMA: &str = "message schema {
    required double temperature;
    optional int64 at (TIMESTAMP(NANOS,false));
    optional binary city (STRING);
    optional group tags (LIST) { repeated group list { optional binary element (STRING); } }
}";

/// Two rows, the second with nothing but a temperature.
fn file(compression: Compression) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .build();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column
        .typed::<DoubleType>()
        .write_batch(&[20.5, -3.0], None, None)
        .unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let at = 1_264_978_800_000_000_000; // 2010-01-31T23:00:00
    column
        .typed::<Int64Type>()
        .write_batch(&[at], Some(&[1, 0]), None)
        .unwrap();
    column.close().unwrap();
    for levels in [([1, 0], None), ([0, 0], Some([0, 0]))] {
        let mut column = group.next_column().unwrap().unwrap();
        let values = [ByteArray::from("Seattle")];
        let values = if levels.1.is_none() { &values[..] } else { &[] };
        let repeated = levels.1.as_ref().map(|levels| &levels[..]);
        column
            .typed::<ByteArrayType>()
            .write_batch(values, Some(&levels.0), repeated)
            .unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

fn rows(bytes: &[u8]) -> Result<Vec<Vec<Cell>>, Error> {
    File::open(bytes, 1 << 20)?.rows()?.collect()
}

#[test]
fn rows_are_read_however_they_are_compressed() {
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(parquet::basic::GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
    ];
    for codec in codecs {
        let bytes = file(codec);
        assert_eq!(
            File::open(&bytes, 1 << 20).unwrap().names(),
            ["temperature", "at", "city", "tags"]
        );
        let list = Cell::Other("a list or a structure");
        let first = [
            Cell::Number(20.5),
            Cell::Moment("2010-01-31T23:00:00".to_owned()),
            Cell::Text("Seattle".to_owned()),
            list.clone(),
        ];
        let second = [Cell::Number(-3.0), Cell::Nothing, Cell::Nothing, list];
        assert_eq!(rows(&bytes).unwrap(), [first, second], "{codec}");
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let told = |bytes: &[u8]| rows(bytes).unwrap_err().to_string();
    assert!(told(b"a,b\n1,2").contains("no Parquet file"));
    assert!(told(b"PAR1").contains("cannot be read"));
    let whole = file(Compression::SNAPPY);
    assert!(told(&whole[..whole.len() - 10]).contains("cannot be read"));
    assert!(matches!(
        File::open(&whole, 10),
        Err(Error::TooLarge { most: 10 })
    ));
}

/// Damage is an error, whatever byte it hits.
#[test]
fn a_damaged_file_is_no_crash() {
    let whole = file(Compression::SNAPPY);
    for at in 4..whole.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= change;
            let _ = rows(&damaged);
        }
    }
}

#[test]
fn a_number_of_32_bits_is_what_was_written() {
    assert_eq!(shortest(0.1), 0.1);
    assert_eq!(
        moment(-1_000_000_000),
        Cell::Moment("1969-12-31T23:59:59".to_owned())
    );
}

/// Files as Arrow (and pandas with it) and Polars write them: a dictionary, nanoseconds and microseconds, Zstandard.
#[test]
fn files_of_other_writers_are_read() {
    let files: [&[u8]; 2] = [
        include_bytes!("../fixtures/arrow.parquet"),
        include_bytes!("../fixtures/polars.parquet"),
    ];
    let text = |text: &str| Cell::Text(text.to_owned());
    let moment = |text: &str| Cell::Moment(text.to_owned());
    for bytes in files {
        let expected = [
            [
                moment("2010-01-31T23:00:00"),
                Cell::Number(39.4),
                text("Seattle"),
                text("true"),
                Cell::Integer(1),
            ],
            [
                moment("2010-02-01T00:00:00"),
                Cell::Nothing,
                text("San Francisco"),
                text("false"),
                Cell::Integer(2),
            ],
            [
                Cell::Nothing,
                Cell::Number(47.5),
                Cell::Nothing,
                Cell::Nothing,
                Cell::Integer(3),
            ],
        ];
        assert_eq!(rows(bytes).unwrap(), expected);
    }
}
