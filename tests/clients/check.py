"""Runs moto's tests and other clients against `hybrid serve`; run by `run` beside this file.

What moto's tests come to is held against the lists in `moto`: a line for each test that does not pass, with its reason.
A test that fails and is not listed fails the check, and so does a listed one that passes: the lists only shrink.
"""

import collections
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import time

import local

HERE = pathlib.Path(__file__).resolve().parent
WORK = pathlib.Path("target/clients").resolve()
# Service -> the region in which most of moto's tests expect it. The longest first.
SUITES = {
    "s3": "us-east-1",
    "ecs": "us-east-1",
    "events": "us-west-2",
    "lambda": "us-west-2",
    "logs": "us-east-1",
    "stepfunctions": "us-east-1",
    "batch": "eu-central-1",
    "scheduler": "eu-west-1",
}
FOLDERS = {"lambda": "awslambda"}
# Tests of CloudFormation, of moto's own code, or of more than the one account that there is here.
LEFT_OUT = ["*cloudformation*", "*/test_server.py", "*/test_models.py", "*multiple_accounts*", "*/parser/*", "*/test_logs_query/*"]
# Seconds for the tests of one service.
LIMIT = 600
UNREASONED = "WHY?"
# Begins the reason of a test that passes now and then.
CHANCE = "by chance: "


def folder(service):
    return f"test_{FOLDERS.get(service, service)}"


def unpack(folder):
    """moto's tests as they are published, save the lines that ask for what AWS refuses."""
    with tarfile.open(next(WORK.glob("moto-*.tar.gz"))) as file:
        file.extractall(folder, filter="data")
    sources = next(pathlib.Path(folder).iterdir())
    for line in (HERE / "moto" / "amended.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        name, old, new = line.split("\t")
        path = sources / "tests" / name
        text = path.read_text()
        if old not in text:
            sys.exit(f"moto/amended.txt: {name} has no {old}")
        path.write_text(text.replace(old, new))
    return sources


def outcomes(service, sources, only=()):
    """What the tests of a service came to, all or some: name -> (kind, why)."""
    found = WORK / f"{service}.json"
    found.unlink(missing_ok=True)
    environment = os.environ | {
        "MOTO_SERVICE": service,
        "MOTO_REGION": SUITES[service],
        "MOTO_OUTCOMES": str(found),
        "PYTHONPATH": str(HERE),
        "HYBRID": str(local.HYBRID),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "moto_plugin", "-p", "no:cacheprovider", "--tb=short"]
    command += [f"--ignore-glob={pattern}" for pattern in LEFT_OUT] + ["-m", "not requires_docker and not network"]
    command += [f"tests/{folder(service)}/{name}" for name in only] or [f"tests/{folder(service)}"]
    with open(WORK / f"{service}.log", "a" if only else "w") as log:
        subprocess.run(command, cwd=sources, env=environment, stdout=log, stderr=log, timeout=LIMIT)
    if not found.exists():
        sys.exit(f"moto's tests of {service} did not run; see {WORK}/{service}.log")
    return json.loads(found.read_text())


def settled(service, sources):
    """The outcomes of a service, and how long they took. What the list does not expect is asked again: some tests wait
    for a second or two, which a busy machine may not give them."""
    started = time.monotonic()
    found = outcomes(service, sources)
    doubtful = [name for name, _ in compare(service, found) if name in found]
    if doubtful:
        found |= outcomes(service, sources, doubtful)
    return found, time.monotonic() - started


def listed(service):
    """Test -> reason, as the list has them."""
    path = HERE / "moto" / f"{service}.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("\t") for line in lines if line and not line.startswith("#"))


def write(service, found):
    """Brings a list up to date."""
    reasons = listed(service)
    lines = [f"# moto's tests of {service} that do not pass, each with its reason."]
    for name, (kind, why) in sorted(found.items()):
        if kind == "refused":
            lines.append(f"{name}\trefused: {why}")
        elif kind == "different":
            reason = reasons.get(name, UNREASONED)
            reason = UNREASONED if reason.startswith("refused: ") else reason
            lines.append(f"{name}\t{reason if reason != UNREASONED else f'{UNREASONED} {why[:160]}'}")
        elif reasons.get(name, "").startswith(CHANCE):
            lines.append(f"{name}\t{reasons[name]}")
    (HERE / "moto" / f"{service}.txt").write_text("\n".join(lines) + "\n")


def compare(service, found):
    """What is wrong with the list of a service: the test, and what to say of it."""
    reasons = listed(service)
    wrong = []
    for name, (kind, why) in sorted(found.items()):
        reason = reasons.get(name)
        if kind in ("refused", "different") and reason is None:
            wrong.append((name, f"does not pass and is not listed ({kind}: {why[:300]})"))
        elif kind == "different" and reason.startswith("refused: "):
            wrong.append((name, f"was refused by name, and is answered differently now: {why[:300]}"))
        elif kind not in ("refused", "different") and reason is not None and not reason.startswith(CHANCE):
            wrong.append((name, f"is listed and {kind}: take it off the list"))
        if reason is not None and reason.startswith(UNREASONED):
            wrong.append((name, "is listed without a reason"))
    return wrong + [(name, "is listed and there is no such test") for name in sorted(reasons.keys() - found.keys())]


def count(service, found, seconds):
    kinds = collections.Counter(kind for kind, _ in found.values())
    asked = kinds["passed"] + kinds["refused"] + kinds["different"]
    share = 100 * kinds["passed"] / max(asked, 1)
    print(
        f"   {service:14} {kinds['passed']:4} passed of {asked:4} ({share:3.0f} %), {kinds['refused']:3} refused by name, "
        f"{kinds['different']:3} different; {kinds['apart']:3} ask for something else ({seconds:.0f} s)",
        flush=True,
    )


def moto(services, writes):
    print("\n== moto's tests", flush=True)
    wrong = []
    with tempfile.TemporaryDirectory(dir=WORK) as unpacked, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as lanes:
        sources = unpack(unpacked)
        for service, (found, seconds) in zip(services, lanes.map(lambda name: settled(name, sources), services)):
            count(service, found, seconds)
            if writes:
                write(service, found)
            wrong += [f"{service}: {name} {what}" for name, what in compare(service, found)]
    return wrong


def others():
    """The other clients, each with a local cloud of its own."""
    print("\n== the AWS CLI, boto3, s3fs, pyarrow and polars", flush=True)
    wrong = []
    for python, script in [(sys.executable, "transcripts.py"), (WORK / "venv/bin/python", "data.py")]:
        with local.Local("us-east-1") as cloud:
            finished = subprocess.run([python, HERE / script], env=os.environ | cloud.environment)
        if finished.returncode:
            wrong.append(f"{script} failed, see above")
    return wrong


def main(arguments):
    writes = "--write" in arguments
    services = [name for name in arguments if name != "--write"]
    unknown = [name for name in services if name not in SUITES]
    if unknown:
        sys.exit(f"moto's tests are run of {', '.join(SUITES)}, not of {unknown[0]}")
    wrong = moto(services or list(SUITES), writes)
    if not services:
        wrong += others()
    for line in wrong:
        print(line)
    sys.exit(1 if wrong else 0)


main(sys.argv[1:])
