"""Does in a browser what a person does at the console, and looks at every page in light, dark and narrow."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request

from playwright.sync_api import expect, sync_playwright

hybrid, axe, shots = sys.argv[1], pathlib.Path(sys.argv[2]).read_text(), pathlib.Path(sys.argv[3])
STATES = "arn:aws:states:us-east-1:123456789012"
SECONDS = 1_000
MOCKS = "tests/python/MockConfigFile.json"
# A pipeline on a busy machine.
LONG = 180 * SECONDS
VIEWS = [("light", 1280, "light"), ("dark", 1280, "dark"), ("narrow", 400, "light")]


class Cloud:
    """A local cloud that can be started again on the same folder and port."""

    def __init__(self, folder):
        self.folder, self.port = folder, "0"

    def start(self):
        command = [hybrid, "serve", "--no-build", "--json", "--port", self.port, "--data", self.folder, "--mocks", MOCKS]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        told = json.loads(self.process.stdout.readline())
        self.console, self.endpoint = told["console"], told["endpoint"]
        self.port = self.endpoint.rsplit(":", 1)[1]

    def ask(self, action, body):
        headers = {"X-Amz-Target": f"AWSStepFunctions.{action}", "Content-Type": "application/x-amz-json-1.0"}
        request = urllib.request.Request(self.endpoint, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def look(browser, name, address):
    """No view of a page breaks a rule of accessibility, is wider than its window or has too many elements."""
    for view, width, scheme in VIEWS:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
        page = context.new_page()
        page.goto(address)
        expect(page.locator("#live[data-state=live], #live[hidden]")).to_have_count(1)
        page.screenshot(path=shots / f"{name}-{view}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} {view} is too wide"
        assert page.evaluate("document.querySelectorAll('*').length") < 3_000, f"{name} {view} is too large"
        page.evaluate(axe)
        found = page.evaluate("axe.run({rules: {'color-contrast': {enabled: true}}})")["violations"]
        told = [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found]
        assert not told, f"{name} {view}: {told}"
        context.close()


def start(page, cloud, machine, text=None):
    """Starts an execution by the form; the page is then the execution's."""
    page.goto(f"{cloud.console}machines/{STATES}:stateMachine:hybrid-pipelines-dev-{machine}")
    if text is not None:
        page.get_by_label("Input, JSON").fill(text)
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url("**/executions/**")


def training(page, cloud, browser):
    page.goto(cloud.console)
    page.locator("a[href$=\"ml-training#start\"]").click()
    page.get_by_label("maxRounds").fill("0")
    expect(page.locator("#start-problems")).to_contain_text("$.maxRounds")
    page.get_by_label("maxRounds").fill("1")
    expect(page.locator("#start-problems .problems")).to_have_count(0)
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url("**/executions/**")
    running = page.locator("#timeline .visit.running", has_text="Train one set").first
    expect(running).to_be_visible(timeout=LONG)
    look(browser, "running", page.url)
    page.reload()
    expect(page.locator("#timeline")).to_contain_text("Propose sets")
    address = page.url
    # The page stays as it is while the local cloud is away, and goes on when it is back.
    cloud.stop()
    expect(page.locator("#live")).to_have_attribute("data-state", "lost")
    cloud.start()
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    expect(page.locator("#head .badge")).to_have_text("SUCCEEDED", timeout=LONG)
    page.locator("#timeline .visit", has_text="Train one set").first.click()
    expect(page.locator("#log pre").first).to_contain_text("RequestId")
    look(browser, "execution", address)
    look(browser, "state", page.url)


def failure(page, cloud, browser):
    name = "not-there"
    text = json.dumps({"dataset": f"data/{name}.csv.gz", "targetAccuracy": 0.9, "maxRounds": 1, "setsPerRound": 1, "seed": 1,
                       "placements": ["LAMBDA"], "space": {"knn": {"k": {"min": 1, "max": 2}}}})
    start(page, cloud, "ml-training", text)
    expect(page.locator("#head .badge")).not_to_have_text("RUNNING", timeout=LONG)
    page.locator("#timeline").get_by_role("link", name="failed", exact=True).click()
    page.locator("#timeline .visit", has_text="Train one set").first.click()
    expect(page.locator("#state")).to_contain_text(name)
    expect(page.locator("#log pre").first).to_contain_text("RequestId")
    look(browser, "failure", page.url)


def approval(page, cloud, browser):
    activity = cloud.ask("CreateActivity", {"name": "approval"})["activityArn"]
    states = {"Ask": {"Type": "Task", "Resource": activity, "End": True}}
    machine = {"name": "hybrid-pipelines-dev-approve", "roleArn": "arn:aws:iam::123456789012:role/approve",
               "definition": json.dumps({"StartAt": "Ask", "States": states})}
    cloud.ask("CreateStateMachine", machine)
    start(page, cloud, "approve", "{}")
    page.locator("#waiting summary").click()
    page.get_by_role("button", name="Failure").click()
    expect(page.locator("#head .badge")).to_have_text("FAILED")
    page.get_by_role("button", name="Redrive").click()
    page.locator("#waiting summary").click()
    page.get_by_label("Output, JSON").fill('{"by": "me"}')
    look(browser, "waiting", page.url)
    page.get_by_role("button", name="Success").click()
    expect(page.locator("#head .badge")).to_have_text("SUCCEEDED")
    expect(page.locator("#output")).to_contain_text("me")


def map_run(page, cloud, browser):
    item = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "Odd", "States": {
        "Odd": {"Type": "Choice", "Choices": [{"Variable": "$", "NumericEquals": 2, "Next": "Refuse"}], "Default": "Take"},
        "Refuse": {"Type": "Fail", "Error": "Refused", "Cause": "two"}, "Take": {"Type": "Succeed"}}}
    states = {"Each": {"Type": "Map", "ToleratedFailurePercentage": 100, "ItemProcessor": item, "End": True}}
    machine = {"name": "hybrid-pipelines-dev-each", "roleArn": "arn:aws:iam::123456789012:role/each",
               "definition": json.dumps({"StartAt": "Each", "States": states})}
    cloud.ask("CreateStateMachine", machine)
    start(page, cloud, "each", "[1, 2, 3]")
    expect(page.locator("#head .badge")).to_have_text("SUCCEEDED")
    page.locator("#timeline .visit", has_text="Each").click()
    page.locator("#state a[href*=\"/map-runs/\"]").click()
    expect(page.locator("#head")).to_contain_text("SUCCEEDED")
    expect(page.locator("#executions .badge").first).to_have_text("FAILED")
    look(browser, "map-run", page.url)


def mocked(page, cloud):
    page.goto(f"{cloud.console}machines/{STATES}:stateMachine:hybrid-pipelines-dev-wrapper")
    page.get_by_label("Test case").select_option("ServiceIsBroken")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url("**/executions/**")
    expect(page.locator("#head .badge")).to_have_text("SUCCEEDED")


def earlier(page, browser, folder):
    """A run opens its page, which stays; what it left is shown again, and cannot be changed."""
    opened, tools = folder / "opened", folder / "tools"
    tools.mkdir()
    os.mkfifo(opened)
    (tools / "xdg-open").write_text('#!/bin/sh\necho "$1" >"$OPENED"\n')
    (tools / "xdg-open").chmod(0o755)
    out = ["--out", str(folder / "out")]
    mocks = ["--mocks", MOCKS, "--case", "ServiceIsBroken"]
    there = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}", "OPENED": str(opened)}
    run = subprocess.Popen([hybrid, "run", "wrapper", "--open", *mocks, *out], env=there)
    page.goto(opened.read_text().strip())
    expect(page.locator("#head .badge")).to_have_text("SUCCEEDED")
    run.send_signal(signal.SIGINT)
    assert run.wait(60) == 0
    console = subprocess.Popen([hybrid, "console", *out], stdout=subprocess.PIPE, text=True)
    page.goto(console.stdout.readline().strip())
    expect(page.locator("#head .badge")).to_have_text("SUCCEEDED")
    expect(page.locator("form")).to_have_count(0)
    look(browser, "earlier", page.url)
    console.send_signal(signal.SIGINT)
    assert console.wait(60) == 0


def main():
    shots.mkdir(parents=True, exist_ok=True)
    folder = tempfile.mkdtemp()
    cloud = Cloud(folder)
    cloud.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page()
            broken = []
            page.on("pageerror", lambda error: broken.append(str(error)))
            approval(page, cloud, browser)
            map_run(page, cloud, browser)
            mocked(page, cloud)
            earlier(page, browser, pathlib.Path(folder))
            training(page, cloud, browser)
            failure(page, cloud, browser)
            look(browser, "overview", cloud.console)
            look(browser, "machine", f"{cloud.console}machines/{STATES}:stateMachine:hybrid-pipelines-dev-ml-training")
            look(browser, "nowhere", f"{cloud.console}nowhere")
            assert not broken, broken
            browser.close()
    finally:
        cloud.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print("the console does in a browser what it should; screenshots are in", shots)


main()
