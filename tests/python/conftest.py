"""A local cloud for the tests of a folder: `hybrid serve` with a mock file, and a boto3 client for it."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def states(tmp_path_factory):
    """The client. HYBRID names the command, where it is not on the PATH."""
    command = os.environ.get("HYBRID") or shutil.which("hybrid") or pytest.fail("hybrid is not on the PATH")
    data = tmp_path_factory.mktemp("cloud")
    server = subprocess.Popen(
        [command, "serve", "--port", "0", "--no-build", "--json", "--data", data],
        env=os.environ | {"SFN_MOCK_CONFIG": str(HERE / "MockConfigFile.json")},
        stdout=subprocess.PIPE,
        text=True,
    )
    # The one line that it prints comes when it serves.
    place = json.loads(server.stdout.readline() or pytest.fail("hybrid serve has ended"))
    yield boto3.client(
        "stepfunctions",
        endpoint_url=place["endpoint"],
        region_name=place["region"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
        # StartSyncExecution would go to `sync-127.0.0.1`, which nobody resolves.
        config=Config(inject_host_prefix=False),
    )
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=60)
