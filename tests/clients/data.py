"""Readers and writers of data on S3: s3fs, pyarrow and polars. Run with the endpoint in AWS_ENDPOINT_URL."""

import os
import urllib.parse

import polars
import pyarrow
import pyarrow.fs
import pyarrow.parquet
import s3fs

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
KEYS = {"key": os.environ["AWS_ACCESS_KEY_ID"], "secret": os.environ["AWS_SECRET_ACCESS_KEY"]}
# More than one part of a multipart upload, whatever a writer takes for one.
LARGE = 12_000_000


def with_s3fs():
    files = s3fs.S3FileSystem(**KEYS, client_kwargs={"endpoint_url": ENDPOINT}, use_listings_cache=False)
    files.mkdir("data")
    with files.open("data/s3fs/ü +.txt", "wb") as out:
        out.write(b"hello")
    assert files.cat("data/s3fs/ü +.txt") == b"hello"
    with files.open("data/s3fs/large", "wb") as out:
        out.write(b"x" * LARGE)
    assert files.info("data/s3fs/large")["size"] == LARGE
    with files.open("data/s3fs/large", "rb") as read:
        read.seek(LARGE - 3)
        assert read.read() == b"xxx"
    files.copy("data/s3fs/large", "data/s3fs/copy")
    assert sorted(files.ls("data/s3fs", detail=False)) == ["data/s3fs/copy", "data/s3fs/large", "data/s3fs/ü +.txt"]
    assert files.glob("data/s3fs/l*") == ["data/s3fs/large"]
    assert files.du("data") == 2 * LARGE + 5
    files.mv("data/s3fs/copy", "data/moved")
    files.rm("data/s3fs", recursive=True)
    assert files.find("data") == ["data/moved"]
    files.rm("data/moved")


def with_pyarrow():
    address = urllib.parse.urlsplit(ENDPOINT)
    files = pyarrow.fs.S3FileSystem(
        endpoint_override=address.netloc, scheme=address.scheme, region="us-east-1",
        access_key=KEYS["key"], secret_key=KEYS["secret"],
    )
    table = pyarrow.table({"n": range(1000), "even": [n % 2 == 0 for n in range(1000)]})
    pyarrow.parquet.write_table(table, "data/t.parquet", filesystem=files)
    read = pyarrow.parquet.read_table("data/t.parquet", filesystem=files, filters=[("even", "=", True)])
    assert read.num_rows == 500
    pyarrow.parquet.write_to_dataset(table, "data/set", partition_cols=["even"], filesystem=files)
    found = files.get_file_info(pyarrow.fs.FileSelector("data/set", recursive=True))
    assert sum(info.is_file for info in found) == 2, found
    assert pyarrow.parquet.read_table("data/set", filesystem=files).num_rows == 1000
    with files.open_output_stream("data/large") as out:
        for _ in range(LARGE // 1_000_000):
            out.write(b"x" * 1_000_000)
    assert files.get_file_info("data/large").size == LARGE
    files.copy_file("data/large", "data/copy")
    files.delete_dir("data/set")
    assert files.get_file_info("data/set").type == pyarrow.fs.FileType.NotFound
    for name in ["data/large", "data/copy"]:
        files.delete_file(name)


def with_polars():
    options = {
        "aws_endpoint_url": ENDPOINT, "aws_access_key_id": KEYS["key"], "aws_secret_access_key": KEYS["secret"],
        "aws_region": "us-east-1", "aws_allow_http": "true",
    }
    frame = polars.DataFrame({"n": range(100), "kind": ["a", "b"] * 50})
    for name in ["one", "two"]:
        frame.lazy().sink_parquet(f"s3://data/polars/{name}.parquet", storage_options=options)
    found = polars.scan_parquet("s3://data/polars/*.parquet", storage_options=options)
    assert found.filter(polars.col("kind") == "a").select(polars.col("n").sum()).collect().item() == 2 * 2450
    frame.write_csv("s3://data/polars/t.csv", storage_options=options)
    assert polars.read_csv("s3://data/polars/t.csv", storage_options=options).equals(frame)


for check in (with_s3fs, with_pyarrow, with_polars):
    check()
    print(f"   {check.__name__.removeprefix('with_')} reads what it writes", flush=True)
