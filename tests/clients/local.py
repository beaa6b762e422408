"""A local cloud with an empty account."""

import json
import os
import pathlib
import random
import socket
import subprocess
import tempfile

# In memory where that is to be had: a start waits for the disk some fifty times.
MEMORY = pathlib.Path("/dev/shm")
HYBRID = pathlib.Path(os.environ.get("HYBRID", "target/debug/hybrid")).resolve()


def port_to_keep():
    """A free port that no connection is given by chance: it can be left and taken again."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


class Local:
    """`hybrid serve` in a folder of its own, until it is stopped."""

    def __init__(self, region, port=0):
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.log = pathlib.Path(self.folder.name) / "log"
        command = [HYBRID, "serve", "--port", str(port), "--region", region, "--json", "--data", "data"]
        with open(self.log, "w") as log:
            self.server = subprocess.Popen(
                command, cwd=self.folder.name, stdout=subprocess.PIPE, stderr=log, text=True
            )
        line = self.server.stdout.readline()
        if not line:
            raise RuntimeError(f"hybrid serve did not start:\n{self.log.read_text()}")
        self.endpoint = json.loads(line)["endpoint"]
        self.environment = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def stop(self):
        self.server.terminate()
        self.server.wait(30)
        self.server.stdout.close()
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
