"""Leads moto's tests to the local cloud instead of moto's own server; a plugin of pytest.

Calls of the services that the local cloud has go to it, calls of STAND_INS to moto itself, which stands in for what
those need around them, and a test that needs any other service is skipped. What each test came to is written to
MOTO_OUTCOMES: passed, refused (a call was answered with what the local cloud does not offer), different, or apart (it
asks nothing of the service, or needs what is not here).
"""

import functools
import importlib
import json
import os
import pathlib

import boto3
import botocore.client
import botocore.exceptions
import pytest
import requests
import urllib3.connectionpool

import local

SERVICE = os.environ["MOTO_SERVICE"]
REGION = os.environ["MOTO_REGION"]
OURS = {"s3", "stepfunctions", "lambda", "ecs", "batch", "events", "scheduler", "logs", "sts"}
STAND_INS = {"ec2", "iam"}
REFUSALS = ("the local cloud", "UnknownOperationException")

real_client = boto3.session.Session.client
real_call = botocore.client.BaseClient._make_api_call
real_open = urllib3.connectionpool.HTTPConnectionPool.urlopen


class Test:
    """What the running test has asked."""

    def __init__(self):
        self.touched = set()
        self.refused = []


class Run:
    """All tests of a service."""

    def __init__(self):
        self.port = local.port_to_keep()
        self.cloud = local.Local(REGION, self.port)
        self.moto = None
        self.clients = {}
        self.outcomes = {}
        self.test = Test()
        # Services that were asked since the last reset.
        self.dirty = set()

    def stand_in(self):
        """Where moto itself answers."""
        if self.moto is None:
            from moto.server import ThreadedMotoServer

            server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
            server.start()
            self.moto = "http://{}:{}".format(*server.get_host_and_port())
        return self.moto

    def touch(self, service):
        self.test.touched.add(service)
        self.dirty.add(service)

    def reset(self):
        """Gives the next test a local cloud of its own, at the same address."""
        dirty, self.dirty = self.dirty, set()
        if dirty & OURS:
            self.cloud.stop()
            self.cloud = local.Local(REGION, self.port)
        if self.moto and dirty & STAND_INS:
            requests.post(f"{self.moto}/moto-api/reset", timeout=60)


run = Run()


def is_plain(config):
    """Whether a client's configuration is none, or only what server mode adds for moto's own server."""
    given = getattr(config, "_user_provided_options", {})
    return set(given) <= {"user_agent_extra"}


@functools.wraps(real_client)
def client(self, service_name, region_name=None, endpoint_url=None, config=None, **more):
    if service_name not in OURS | STAND_INS:
        pytest.skip(f"needs {service_name}")
    if service_name in STAND_INS:
        endpoint_url = run.stand_in()
    config = None if is_plain(config) else config
    named = {"region_name": region_name, "endpoint_url": endpoint_url, "config": config} | more
    if config is not None or self is not boto3.DEFAULT_SESSION:
        return real_client(self, service_name, **named)
    # To make a client takes longer than most tests.
    key = (service_name, *sorted((name, str(value)) for name, value in named.items()))
    if key not in run.clients:
        run.clients[key] = real_client(self, service_name, **named)
    return run.clients[key]


def call(self, operation, parameters):
    service = self.meta.service_model.service_name
    run.touch(service)
    try:
        return real_call(self, operation, parameters)
    except botocore.exceptions.ClientError as error:
        if any(words in str(error) for words in REFUSALS):
            message = error.response["Error"].get("Message", "")
            run.test.refused.append(f"{service}:{operation}: {message[:120]}")
        raise


def urlopen(self, *arguments, **named):
    if f"{self.host}:{self.port}" in run.cloud.endpoint:
        run.touch(SERVICE)
    return real_open(self, *arguments, **named)


# When this is imported: moto's own conftest, which comes next, imports moto.
os.environ.update(run.cloud.environment)
os.environ.update(TEST_SERVER_MODE="true", TEST_SERVER_MODE_ENDPOINT=run.cloud.endpoint)
boto3.setup_default_session()
boto3.session.Session.client = client
botocore.client.BaseClient._make_api_call = call
urllib3.connectionpool.HTTPConnectionPool.urlopen = urlopen
models = importlib.import_module("moto.core.models")
models.ServerModeMockAWS.reset = lambda _: run.reset()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    run.test = Test()
    # What a test hangs onto a client must not meet the next one.
    if "meta.events" in pathlib.Path(item.fspath).read_text():
        run.clients.clear()
    return (yield)


def outcome(report):
    if report.skipped:
        longrepr = report.longrepr
        return "apart", longrepr[-1] if isinstance(longrepr, tuple) else getattr(report, "wasxfail", "")
    if report.passed:
        return ("passed", "") if SERVICE in run.test.touched else ("apart", "asks nothing of the service")
    if run.test.refused:
        return "refused", run.test.refused[0]
    lines = [line[1:].strip() for line in report.longreprtext.splitlines() if line.startswith("E ")]
    return "different", lines[0] if lines else ""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    report = yield
    name = report.nodeid.removeprefix("tests/").split("/", 1)[-1]
    if report.when == "call" or report.outcome != "passed":
        run.outcomes[name] = outcome(report)
    return report


def pytest_unconfigure():
    run.cloud.stop()
    pathlib.Path(os.environ["MOTO_OUTCOMES"]).write_text(json.dumps(run.outcomes))
