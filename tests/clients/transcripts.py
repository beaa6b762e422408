"""The AWS CLI and boto3 against a local cloud: what a person types, pages, waiters and presigned addresses.

Run with the endpoint in AWS_ENDPOINT_URL.
"""

import os
import pathlib
import subprocess
import tempfile
import urllib.error
import urllib.request

import boto3
import botocore.config

# Above the 8 MB from which the CLI copies in parts.
LARGE = 20 * 1024 * 1024 + 7


def cli():
    """`aws s3` as a person uses it: every line must succeed and say what is expected."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "tree/below").mkdir(parents=True)
        (folder / "tree/a.txt").write_text("a")
        (folder / "tree/below/ü +.txt").write_text("b")
        (folder / "large").write_bytes(os.urandom(LARGE))

        def aws(command, expected=""):
            finished = subprocess.run(["aws", *command.split("|")], cwd=folder, capture_output=True, text=True)
            said = finished.stdout + finished.stderr
            assert finished.returncode == 0 and expected in said, f"aws {command}: {said}"
            return finished.stdout

        aws("s3|mb|s3://first", "make_bucket: first")
        aws("s3|mb|s3://second")
        aws("s3|cp|large|s3://first/large", "upload: ./large to s3://first/large")
        aws("s3|cp|s3://first/large|s3://second/copy", "copy: s3://first/large to s3://second/copy")
        aws("s3|mv|s3://second/copy|s3://first/moved", "move: s3://second/copy to s3://first/moved")
        aws("s3|cp|s3://first/moved|back", "download: s3://first/moved to ./back")
        assert (folder / "back").read_bytes() == (folder / "large").read_bytes()
        aws("s3|sync|tree|s3://second/tree", "upload: tree/below/ü +.txt")
        assert aws("s3|sync|tree|s3://second/tree") == "", "a second sync has nothing to do"
        listing = aws("s3|ls|s3://second|--recursive|--summarize", "Total Objects: 2")
        assert "tree/below/ü +.txt" in listing, listing
        aws("s3|ls|s3://second/tree/", "PRE below/")
        address = aws("s3|presign|s3://second/tree/a.txt|--expires-in|60").strip()
        assert urllib.request.urlopen(address).read() == b"a"
        aws("s3|sync|s3://second/tree|down|--delete", "download: s3://second/tree/a.txt")
        assert (folder / "down/below/ü +.txt").read_text() == "b"
        aws("s3|rm|s3://second|--recursive", "delete: s3://second/tree/a.txt")
        aws("s3|rb|s3://second", "remove_bucket: second")
        aws("s3|rb|s3://first|--force", "remove_bucket: first")
        aws("stepfunctions|list-state-machines", '"stateMachines": []')
        aws("events|list-event-buses", '"default"')


def pages():
    """Paginators go through every page, and end."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="pages")
    for n in range(7):
        s3.put_object(Bucket="pages", Key=f"k{n}/{n}", Body=b"x")
    for operation, field in [("list_objects", "Contents"), ("list_objects_v2", "Contents"), ("list_object_versions", "Versions")]:
        paginator = s3.get_paginator(operation).paginate(Bucket="pages", PaginationConfig={"PageSize": 3})
        found = [one["Key"] for page in paginator for one in page.get(field, [])]
        assert found == [f"k{n}/{n}" for n in range(7)], (operation, found)
    paginator = s3.get_paginator("list_objects_v2").paginate(
        Bucket="pages", Delimiter="/", PaginationConfig={"PageSize": 2}
    )
    assert [one["Prefix"] for page in paginator for one in page["CommonPrefixes"]] == [f"k{n}/" for n in range(7)]
    events = boto3.client("events")
    for n in range(5):
        events.put_rule(Name=f"r{n}", EventPattern='{"source":["s"]}')
    found = events.get_paginator("list_rules").paginate(PaginationConfig={"PageSize": 2})
    assert [rule["Name"] for page in found for rule in page["Rules"]] == [f"r{n}" for n in range(5)]


def waiters():
    """Waiters see what they wait for."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="waiters")
    s3.get_waiter("bucket_exists").wait(Bucket="waiters")
    s3.put_object(Bucket="waiters", Key="k", Body=b"")
    s3.get_waiter("object_exists").wait(Bucket="waiters", Key="k")
    s3.delete_object(Bucket="waiters", Key="k")
    s3.get_waiter("object_not_exists").wait(Bucket="waiters", Key="k")
    s3.delete_bucket(Bucket="waiters")
    s3.get_waiter("bucket_not_exists").wait(Bucket="waiters")


def presigned():
    """Both versions of signatures, with the headers that were signed; an address that is over is refused."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="presigned")
    for version in ["s3", "s3v4"]:
        signer = boto3.client("s3", config=botocore.config.Config(signature_version=version))
        what = {"Bucket": "presigned", "Key": version, "ContentType": "text/x", "Metadata": {"m": "1"}}
        address = signer.generate_presigned_url("put_object", Params=what, ExpiresIn=60)
        headers = {"Content-Type": "text/x"} | ({"x-amz-meta-m": "1"} if version == "s3v4" else {})
        urllib.request.urlopen(urllib.request.Request(address, data=b"body", method="PUT", headers=headers))
        head = s3.head_object(Bucket="presigned", Key=version)
        assert (head["Metadata"], head["ContentType"]) == ({"m": "1"}, "text/x"), head
        what = {"Bucket": "presigned", "Key": version, "ResponseContentType": "a/b"}
        with urllib.request.urlopen(signer.generate_presigned_url("get_object", Params=what)) as answer:
            assert (answer.read(), answer.headers["content-type"]) == (b"body", "a/b")
        over = signer.generate_presigned_url("get_object", Params=what, ExpiresIn=-1)
        try:
            urllib.request.urlopen(over)
            raise AssertionError(f"{version}: an address that is over was taken")
        except urllib.error.HTTPError as error:
            # Version 4 says that the time may not be negative, version 2 that it is over.
            assert error.code in (400, 403), error


for check in (cli, pages, waiters, presigned):
    check()
    print(f"   {check.__name__}: {check.__doc__}", flush=True)
