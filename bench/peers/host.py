"""What the comparisons of servers share: servers that run, wrk as the client of all, and what they take."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
HYBRID = TARGET / "release" / "hybrid"
PROJECT = "service: bench\nprovider:\n  name: aws\n  runtime: provided.al2023\n"

DONE = """
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


def install_wrk():
    if not shutil.which("wrk"):
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "wrk"], check=True)


def install_python(folder, *packages):
    """Packages of PyPI in an environment of their own; its folder of programs."""
    if not (folder / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *packages], check=True)
        (folder / "installed").touch()
    return folder / "bin"


def build_hybrid():
    subprocess.run(["cargo", "build", "--release", "--quiet", "-p", "hybrid"], check=True, cwd=ROOT)


def tell_load():
    """The load of the machine belongs to every figure."""
    print(f"load of the machine before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} processors\n", flush=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A server that runs; `{port}` in its command stands for its port."""

    def __init__(self, name, command, folder, cwd=None, env=None):
        self.name, self.port = name, free_port()
        command = [str(part).format(port=self.port) for part in command]
        with open(folder / f"{name}.log", "w") as log:
            self.process = subprocess.Popen(command, cwd=cwd or folder, stdout=log, stderr=log, env={**os.environ, **(env or {})})
        self.wait()

    def wait(self):
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.05)
        sys.exit(f"{self.name} does not answer at port {self.port}")

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def memory_mib(self):
        """Resident memory of the server and all that it started."""
        return resident_mib(self.process.pid)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def hybrid(folder):
    """`hybrid serve` in an empty project."""
    project = folder / "project"
    project.mkdir()
    (project / "serverless.yml").write_text(PROJECT)
    command = [HYBRID, "serve", "--no-build", "--port", "{port}", "--data", folder / "data"]
    return Server("hybrid", command, folder, cwd=project)


def resident_mib(pid):
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        children = [c for t in Path(f"/proc/{pid}/task").iterdir() for c in (t / "children").read_text().split()]
    except FileNotFoundError:
        return 0.0
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return (int(found[1]) / 1024 if found else 0.0) + sum(resident_mib(child) for child in children)


def start_wrk(url, connections, seconds, script, **env):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", script, url]
    env = {**os.environ, **{key: str(value) for key, value in env.items()}}
    return subprocess.Popen([str(part) for part in command], env=env, stdout=subprocess.PIPE, text=True)


def result_of(wrk):
    """Requests a second, failures, and the 50th and 99th percentile of the latency in ms."""
    found = re.search(r"RESULT (.*)", wrk.communicate()[0])
    if not found:
        sys.exit(f"wrk ended with {wrk.returncode}")
    requests, micros, errors, p50, p99 = map(int, found[1].split())
    return requests / micros * 1e6, errors, p50 / 1e3, p99 / 1e3
