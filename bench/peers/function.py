"""Functions that answer with what they were given, and how a server gets them."""

import io
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from base64 import b64encode

import host

ECHO = host.ROOT / "bench" / "echo"
# Where `cargo lambda watch` looks for what was built too.
BUILT = host.TARGET / "bench-lambda" / "target"


def archive(name, content):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, content)
    return packed.getvalue()


PYTHON = archive("main.py", "def handler(event, context):\n    return event\n")


def build_echo():
    build = ["cargo", "build", "--release", "--quiet"]
    subprocess.run(build, check=True, cwd=ECHO, env={**os.environ, "CARGO_TARGET_DIR": str(BUILT)})
    return BUILT / "release" / "echo"


def bootstrap(program):
    """What `cargo lambda build` would put into an archive."""
    return archive("bootstrap", program.read_bytes())


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"{url}: {error.code} {error.read().decode()}")


def invocations(server, function):
    return server.url(f"/2015-03-31/functions/{function}/invocations")


def create(server, function, code, runtime="provided.al2023"):
    post(server.url("/2015-03-31/functions"), {
        "FunctionName": function, "Runtime": runtime, "Handler": "main.handler", "MemorySize": 128,
        "Role": "arn:aws:iam::123456789012:role/echo", "Code": {"ZipFile": b64encode(code).decode()},
    })
