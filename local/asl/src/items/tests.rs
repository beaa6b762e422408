use std::sync::Arc;

use ::parquet::basic::Compression;
use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, FloatType, Int32Type, Int64Type};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;

use super::*;

fn items(config: &str, body: impl AsRef<[u8]>) -> Result<String, Option<String>> {
    parse(&Value::parse(config).unwrap(), body.as_ref())
        .map(|items| Value::array(items).to_string())
        .map_err(|error| error.cause)
}

#[test]
fn each_input_type_gives_its_items() {
    for (config, body, expected) in [
        (r#"{"InputType":"JSON"}"#, "[1,[2],{}]", "[1,[2],{}]"),
        (
            r#"{"InputType":"JSON","ItemsPointer":"/a/0/b"}"#,
            r#"{"a":[{"b":[7]}]}"#,
            "[7]",
        ),
        (r#"{"InputType":"JSON","MaxItems":2}"#, "[1,2,3]", "[1,2]"),
        (r#"{"InputType":"JSON"}"#, "\u{feff}[1]", "[1]"),
        (
            r#"{"InputType":"JSONL"}"#,
            "{\"a\":1}\n\n[2]\r\n",
            r#"[{"a":1},[2]]"#,
        ),
        (
            r#"{"InputType":"JSONL"}"#,
            "\u{feff}{}\n\"\u{feff}\"",
            "[{},\"\u{feff}\"]",
        ),
        (
            r#"{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}"#,
            "\u{feff}id,name\n1,\"a, \"\"b\"\"\"\n2\n3,c,d\n",
            r#"[{"id":"1","name":"a, \"b\""},{"id":"2","name":""},{"id":"3","name":"c"}]"#,
        ),
        (
            r#"{"InputType":"CSV","CSVHeaderLocation":"GIVEN","CSVHeaders":["x"],"CSVDelimiter":"TAB"}"#,
            "1\t2\n",
            r#"[{"x":"1"}]"#,
        ),
        (
            r#"{"InputType":"CSV","CSVHeaderLocation":"GIVEN","CSVHeaders":["x"],"MaxItems":1}"#,
            "1\n\"2",
            r#"[{"x":"1"}]"#,
        ),
    ] {
        assert_eq!(items(config, body).as_deref(), Ok(expected), "{config}");
    }
}

#[test]
fn what_cannot_be_read_is_named_with_its_line() {
    for (config, body, cause) in [
        (
            r#"{"InputType":"JSON"}"#,
            "{}",
            "Attempting to map over non-iterable node.",
        ),
        (
            r#"{"InputType":"JSON","ItemsPointer":"/b"}"#,
            "{}",
            "The provided ReaderConfig.ItemsPointer does not match any valid path in the JSON structure.",
        ),
        (
            r#"{"InputType":"JSON"}"#,
            "[1,\n 2,\n x]",
            "line 3, column 2: not valid JSON: expected value",
        ),
        (
            r#"{"InputType":"JSONL"}"#,
            "{}\n\n[1,]\n",
            "line 3, column 4: not valid JSON: trailing comma",
        ),
        (
            r#"{"InputType":"JSONL"}"#,
            "{}\n{\"a\":",
            "line 2, column 5: not valid JSON: EOF while parsing a value",
        ),
        (
            r#"{"InputType":"CSV"}"#,
            "a,a\n1,2\n",
            "CSV headers cannot contain duplicates.",
        ),
        (
            r#"{"InputType":"CSV"}"#,
            "a,b\n1,2\n3,\"4\n",
            "line 3: a field is opened with a quotation mark and never closed",
        ),
        (
            r#"{"InputType":"ORC"}"#,
            "",
            "InputType ORC cannot be read here; JSON, JSONL, CSV and PARQUET can, and MANIFEST where one object is read",
        ),
    ] {
        assert_eq!(
            items(config, body),
            Err(Some(cause.to_string())),
            "{config}"
        );
    }
    for body in ["", "PAR1 but not for long", "PAR1\0\0\0\0\0\0\0\0PAR1"] {
        let cause = items(r#"{"InputType":"PARQUET"}"#, body).unwrap_err();
        assert!(cause.is_some_and(|cause| cause.starts_with("The Parquet file cannot be read: ")));
    }
}

/// A Parquet file of two rows.
fn parquet(compression: Compression) -> Vec<u8> {
    let schema = parse_message_type(
        "message plants {
            required int32 id;
            optional binary name (UTF8);
            required binary raw;
            required float height;
            required double mass;
            required int32 planted (DATE);
            required int64 watered (TIMESTAMP(MICROS, true));
            required int64 price (DECIMAL(10, 2));
            required group tags (LIST) { repeated group list { required int32 element; } }
        }",
    )
    .unwrap();
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .build();
    let mut file = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut file, Arc::new(schema), Arc::new(properties)).unwrap();
    let mut rows = writer.next_row_group().unwrap();
    let mut column = 0;
    while let Some(mut values) = rows.next_column().unwrap() {
        let text = |text: &str| ByteArray::from(text);
        match column {
            0 => {
                let ids = values.typed::<Int32Type>();
                ids.write_batch(&[1, 2], None, None).unwrap();
            }
            1 => {
                let names = values.typed::<ByteArrayType>();
                names
                    .write_batch(&[text("fern")], Some(&[1, 0]), None)
                    .unwrap();
            }
            2 => {
                let raw = values.typed::<ByteArrayType>();
                raw.write_batch(&[text("leaf"), ByteArray::from(vec![255, 0])], None, None)
                    .unwrap();
            }
            3 => {
                let heights = values.typed::<FloatType>();
                heights.write_batch(&[0.1, f32::NAN], None, None).unwrap();
            }
            4 => {
                let masses = values.typed::<DoubleType>();
                masses.write_batch(&[2.5, -1.0], None, None).unwrap();
            }
            5 => {
                let days = values.typed::<Int32Type>();
                days.write_batch(&[14_304, i32::MAX], None, None).unwrap();
            }
            6 => {
                let moments = values.typed::<Int64Type>();
                moments
                    .write_batch(&[1_000, 1_234_567], None, None)
                    .unwrap();
            }
            7 => {
                let prices = values.typed::<Int64Type>();
                prices.write_batch(&[1_999, -5], None, None).unwrap();
            }
            _ => {
                let tags = values.typed::<Int32Type>();
                tags.write_batch(&[7, 8, 9], Some(&[1, 1, 1]), Some(&[0, 1, 0]))
                    .unwrap();
            }
        }
        values.close().unwrap();
        column += 1;
    }
    rows.close().unwrap();
    writer.close().unwrap();
    file
}

#[test]
fn rows_of_parquet_are_items() {
    let first = r#"{"id":1,"name":"fern","raw":"leaf","height":0.1,"mass":2.5,"planted":"2009-03-01","watered":"1970-01-01T00:00:00.001Z","price":"19.99","tags":[7,8]}"#;
    let second = r#"{"id":2,"name":null,"raw":"/wA=","height":null,"mass":-1.0,"planted":"2147483647","watered":"1970-01-01T00:00:01.234567Z","price":"-0.05","tags":[9]}"#;
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
    ] {
        assert_eq!(
            items(r#"{"InputType":"PARQUET"}"#, parquet(compression)),
            Ok(format!("[{first},{second}]"))
        );
    }
    assert_eq!(
        items(
            r#"{"InputType":"PARQUET","MaxItems":1}"#,
            parquet(Compression::SNAPPY)
        ),
        Ok(format!("[{first}]"))
    );
}

#[test]
fn objects_are_read_one_after_the_other() {
    let config = Value::parse(
        r#"{"Transformation":"LOAD_AND_FLATTEN","InputType":"CSV","CSVHeaderLocation":"FIRST_ROW","MaxItems":3}"#,
    )
    .unwrap();
    assert!(loads_objects(&config));
    let mut read = Items::of(&config).unwrap();
    assert!(read.add("a\n1\n2\n".as_bytes()).unwrap());
    assert!(!read.add("b,a\n3,4\n5,6\n".as_bytes()).unwrap());
    assert_eq!(
        Value::array(read.into_list()).to_string(),
        r#"[{"a":"1"},{"a":"2"},{"b":"3","a":"4"}]"#
    );
}

fn manifest(config: &str, body: &str) -> Result<Manifest, Option<String>> {
    let config = Value::parse(config).unwrap();
    assert!(Manifest::is_wanted(&config));
    Manifest::parse(&config, "reports", body.as_bytes()).map_err(|error| error.cause)
}

fn places(manifest: &Manifest) -> Vec<(&str, &str)> {
    let places = manifest.files.iter();
    places.map(|place| (&*place.bucket, &*place.key)).collect()
}

#[test]
fn an_inventory_names_its_files() {
    let mut inventory = manifest(
        r#"{"InputType":"MANIFEST"}"#,
        r#"{"destinationBucket":"arn:aws:s3:::inventories","fileFormat":"CSV","fileSchema":"Bucket, Key, Size","files":[{"key":"a.csv.gz"}]}"#,
    )
    .unwrap();
    assert_eq!(places(&inventory), [("inventories", "a.csv.gz")]);
    let row = b"\"data\",\"k\",\"3\"\n";
    assert!(inventory.items.add(row).unwrap());
    assert_eq!(
        Value::array(inventory.items.into_list()).to_string(),
        r#"[{"Bucket":"data","Key":"k","Size":"3"}]"#
    );
    let beside = manifest(
        r#"{"ManifestType":"S3_INVENTORY"}"#,
        r#"{"files":[{"key":"b"}]}"#,
    );
    assert_eq!(places(&beside.unwrap()), [("reports", "b")]);
    for format in ["ORC", "Parquet"] {
        let body = format!(r#"{{"fileFormat":"{format}","files":[]}}"#);
        let refused = manifest(r#"{"InputType":"MANIFEST"}"#, &body)
            .err()
            .flatten();
        assert!(refused.is_some_and(|cause| cause.starts_with(&format!(
            "The S3 inventory is in {format}, which cannot be read here"
        ))));
    }
}

#[test]
fn an_unloaded_query_names_its_files() {
    const LINES: &str = "s3://lake/unloaded/0001\n\ns3://other/0002.gz\r\n";
    for kind in ["JSONL", "PARQUET", "CSV"] {
        let config = format!(r#"{{"ManifestType":"ATHENA_DATA","InputType":"{kind}"}}"#);
        let found = manifest(&config, LINES).unwrap();
        assert_eq!(
            places(&found),
            [("lake", "unloaded/0001"), ("other", "0002.gz")]
        );
    }
    let config = r#"{"ManifestType":"ATHENA_DATA","InputType":"JSONL"}"#;
    let mut found = manifest(config, LINES).unwrap();
    found.items.add("{\"a\":1}\n".as_bytes()).unwrap();
    found.items.add("{\"a\":2}\n".as_bytes()).unwrap();
    assert_eq!(
        Value::array(found.items.into_list()).to_string(),
        r#"[{"a":1},{"a":2}]"#
    );
    for (config, body, cause) in [
        (
            config,
            "s3://lake/a\nlake/b\n",
            "line 2 of the Athena manifest is no s3://BUCKET/KEY: lake/b",
        ),
        (
            r#"{"ManifestType":"ATHENA_DATA"}"#,
            LINES,
            "InputType MANIFEST cannot be read by an Athena manifest; CSV, JSONL and PARQUET can: set InputType to the \
             format that the query was unloaded in",
        ),
        (
            r#"{"ManifestType":"ATHENA_DATA","InputType":"CSV","Transformation":"LOAD_AND_FLATTEN"}"#,
            LINES,
            "Transformation LOAD_AND_FLATTEN cannot be applied to a manifest, whose files are read anyway",
        ),
    ] {
        assert_eq!(
            manifest(config, body).err().flatten().as_deref(),
            Some(cause)
        );
    }
}
