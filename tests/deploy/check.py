"""Packages, checks and deploys the demo stack into a local AWS; run by `run` beside this file."""

import ast
import base64
import contextlib
import hashlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

import boto3

import linters
import released
import rules

WORK = pathlib.Path("target/deploy")
PACKAGE = WORK / "package"
TEMPLATE = PACKAGE / "cloudformation-template-update-stack.json"
STACK = "hybrid-pipelines-dev"
DEFINITIONS = sorted(pathlib.Path("statemachines").glob("*.asl.json"))
# Keys of the bucket that a sample input names because they are not there: the candidate that canary rolls back.
ABSENT = {"data/airports-next.csv"}
OFFLINE = {"SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off", "NODE_NO_WARNINGS": "1"}

failures = []


def step(title):
    print(f"\n== {title}", flush=True)


def call(*command, limit=1800, **environment):
    """Runs a tool; its failure ends the check, since nothing after it would mean anything."""
    started = time.monotonic()
    finished = subprocess.run(command, env=os.environ | environment, timeout=limit, check=False)
    if finished.returncode:
        sys.exit(f"failed: {' '.join(command)}")
    print(f"   {' '.join(command[:3])}: {time.monotonic() - started:.1f} s", flush=True)


def compare(what, expected, found):
    """Both map names to what matters of each thing; they must be equal."""
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            failures.append(f"{what} {name}: declared {expected.get(name)}, found {found.get(name)}")
    print(f"   {len(found):3} {what}: {', '.join(sorted(found))}")


@contextlib.contextmanager
def local_aws():
    """moto's server on a free port; stopped by its process when the check ends, however it ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
    script = pathlib.Path("tests/deploy/aws.py").resolve()
    with open(WORK / "aws.log", "w") as log:
        server = subprocess.Popen(
            [sys.executable, str(script), str(port)], cwd=WORK, env=environment, stdout=log, stderr=log
        )
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            if server.poll() is not None:
                sys.exit(f"the local AWS did not start; see {WORK}/aws.log")
            time.sleep(0.1)
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        server.terminate()
        server.wait(10)


class Packaged:
    """What `osls package` made of serverless.yml."""

    def __init__(self):
        state = json.loads((PACKAGE / "serverless-state.json").read_text())
        self.functions = state["service"]["functions"]
        self.provider = state["service"]["provider"]
        template = json.loads(TEMPLATE.read_text())
        conditions = template.get("Conditions", {})
        self.resources = {
            name: resource
            for name, resource in template["Resources"].items()
            if holds(conditions.get(resource.get("Condition")))
        }

    def of(self, kind):
        """Properties of each resource of a type, by logical id."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.resources.items()
            if resource["Type"] == kind
        }


def holds(condition):
    """Conditions of this stack compare constants."""
    match condition:
        case None:
            return True
        case {"Fn::Not": [inner]}:
            return not holds(inner)
        case {"Fn::And": all_of}:
            return all(holds(inner) for inner in all_of)
        case {"Fn::Equals": [left, right]}:
            return left == right
    raise ValueError(f"a condition of another form: {condition}")


def statements(policy):
    """A policy document as (action, number of resources); moto answers in Python's spelling."""
    policy = ast.literal_eval(policy) if isinstance(policy, str) else policy
    many = lambda value: value if isinstance(value, list) else [value]
    return sorted(
        (action, len(many(statement["Resource"])))
        for statement in policy["Statement"]
        for action in many(statement["Action"])
    )


def sha256(path):
    return base64.b64encode(hashlib.sha256(pathlib.Path(path).read_bytes()).digest()).decode()


def deploy_settings():
    """`[package.metadata.lambda.deploy]` of each package that has it."""
    metadata = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1"],
        capture_output=True, text=True, timeout=120, check=True,
    )
    for package in json.loads(metadata.stdout)["packages"]:
        settings = ((package["metadata"] or {}).get("lambda") or {}).get("deploy")
        if settings:
            yield {"name": package["name"], **settings}


def refuse(words, *parameters):
    """Packaging with these parameters must end before anything is built, and say why."""
    flags = [flag for it in parameters for flag in ("--param", it)]
    command = ["osls", "package", "--package", str(WORK / "refused"), *flags]
    found = subprocess.run(command, env=os.environ | OFFLINE, capture_output=True, text=True, timeout=120, check=False)
    if found.returncode == 0 or words not in found.stdout + found.stderr:
        failures.append(f"{' '.join(parameters)}: not refused by words about {words}")
    print(f"   refused: {' '.join(parameters)}")


def texts(value):
    """Every string in a JSON value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return [value] if isinstance(value, str) else []


def new_project(folder):
    """What `hybrid new` makes, with a worker, is packaged as it is, and the linter finds no error in the template."""
    project = pathlib.Path(folder) / "first"
    call("cargo", "run", "--quiet", "--package", "hybrid", "--", "new", "project", str(project), "--path", ".")
    # One folder of builds for both, so that no library is built twice.
    (project / "target").symlink_to(pathlib.Path("target").resolve())
    hybrid = pathlib.Path("target/debug/hybrid").resolve()
    for command in (
        (hybrid, "new", "pipeline", "lift", "--worker", "lifter", "--json"),
        (hybrid, "validate"),
        ("osls", "package", "--package", "package"),
    ):
        started = time.monotonic()
        subprocess.run(command, cwd=project, env=os.environ | OFFLINE, timeout=1800, check=True)
        print(f"   {' '.join(map(str, command[:3]))}: {time.monotonic() - started:.1f} s", flush=True)
    template = project / "package" / TEMPLATE.name
    # Warnings are those of the demo stack, for which `accepted.json` has the reasons.
    findings = [it for it in linters.cfn_lint(str(template)) if it[0].startswith("E")]
    failures.extend(f"new project: {' '.join(it)}" for it in findings)
    declared = json.loads(template.read_text())["Resources"]
    functions = [it["Properties"]["FunctionName"] for it in declared.values() if it["Type"] == "AWS::Lambda::Function"]
    names = ("counter", "dispatcher", "job-watcher", "lifter")
    compare("functions of a new project", {f"first-dev-{it}": True for it in names}, {it: True for it in functions})


def after_the_deployment(client):
    """`deploy/data` and `deploy/next` do what the README says, with this stack's names."""
    call("deploy/data", limit=120)
    bucket = client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]["Outputs"]
    bucket = {it["OutputKey"]: it["OutputValue"] for it in bucket}["ArtifactsBucket"]
    there = {it["Key"] for it in client("s3").list_objects_v2(Bucket=bucket)["Contents"]}
    inputs = [json.loads(path.read_text()) for path in pathlib.Path("statemachines").glob("*.input.json")]
    wanted = {text for text in texts(inputs) if text.startswith("data/")}
    compare("keys that no sample input finds", {key: True for key in ABSENT}, {key: True for key in wanted - there})

    told = subprocess.run(["deploy/next"], capture_output=True, text=True, timeout=120, check=True).stdout
    commands = [line for line in told.splitlines() if line and not line.startswith("#")]
    compare(
        "commands of deploy/next",
        {name: True for name in ("deploy/images", "deploy/data", "aws")},
        {command.split()[0]: "None" not in command for command in commands},
    )
    machine = f"arn:aws:states:us-east-1:123456789012:stateMachine:{STACK}-ml-training:live"
    for word in (machine, f"s3://{bucket}/", "--arch x86_64"):
        if word not in told:
            failures.append(f"deploy/next does not name {word}")


def compare_all(packaged, client):
    resources = [
        resource
        for page in client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=STACK)
        for resource in page["StackResourceSummaries"]
    ]
    physical = {it["LogicalResourceId"]: it["PhysicalResourceId"] for it in resources}
    print(f"   {len(physical)} of {len(packaged.resources)} resources. Linted only, for the local AWS does not make them:")
    absent = {name: it["Type"] for name, it in packaged.resources.items() if name not in physical}
    for kind in sorted(set(absent.values())):
        print(f"       {kind}: {', '.join(sorted(name for name in absent if absent[name] == kind))}")

    compare(
        "functions",
        {
            it["name"]: (
                it.get("memorySize", packaged.provider["memorySize"]),
                it.get("timeout", packaged.provider["timeout"]),
                packaged.provider["runtime"],
                [packaged.provider["architecture"]],
                sorted(packaged.provider["environment"] | it.get("environment", {})),
                physical[it["role"]],
                sha256(it["package"]["artifact"]),
            )
            for it in packaged.functions.values()
        },
        {
            it["FunctionName"]: (
                it["MemorySize"],
                it["Timeout"],
                it["Runtime"],
                it["Architectures"],
                sorted(it["Environment"]["Variables"]),
                it["Role"].rsplit("/")[-1],
                it["CodeSha256"],
            )
            for page in client("lambda").get_paginator("list_functions").paginate()
            for it in page["Functions"]
        },
    )

    # What `cargo lambda deploy` sets must be what the stack sets.
    compare(
        "deploy settings",
        {it["name"]: (it["memory"], it["timeout"]) for it in deploy_settings()},
        {
            it["handler"]: (
                it.get("memorySize", packaged.provider["memorySize"]),
                it.get("timeout", packaged.provider["timeout"]),
            )
            for it in packaged.functions.values()
        },
    )

    sfn = client("stepfunctions")
    machines = [sfn.describe_state_machine(stateMachineArn=it["stateMachineArn"]) for it in sfn.list_state_machines()["stateMachines"]]
    prefix = packaged.of("AWS::ECS::Cluster")["Cluster"]["ClusterName"]
    compare(
        "state machines",
        {f"{prefix}-{path.name.removesuffix('.asl.json')}": list(json.loads(path.read_text())["States"]) for path in DEFINITIONS},
        {it["name"]: list(json.loads(it["definition"])["States"]) for it in machines},
    )
    for it in machines:
        if "${" in it["definition"]:
            failures.append(f"state machine {it['name']}: a placeholder without a substitution")
    compare(
        "activities",
        {it["Name"]: True for it in packaged.of("AWS::StepFunctions::Activity").values()},
        {it["name"]: True for it in sfn.list_activities()["activities"]},
    )

    iam = client("iam")
    compare(
        "roles",
        {
            name: {it["PolicyName"]: statements(it["PolicyDocument"]) for it in role.get("Policies", [])}
            for name, role in packaged.of("AWS::IAM::Role").items()
        },
        {
            name: {
                policy: statements(iam.get_role_policy(RoleName=physical[name], PolicyName=policy)["PolicyDocument"])
                for policy in iam.list_role_policies(RoleName=physical[name])["PolicyNames"]
            }
            for name in packaged.of("AWS::IAM::Role")
        },
    )

    batch = client("batch")
    environments = {physical[name]: name for name in packaged.of("AWS::Batch::ComputeEnvironment")}
    compare(
        "compute environments",
        {name: it["ComputeResources"]["Type"] for name, it in packaged.of("AWS::Batch::ComputeEnvironment").items()},
        {
            environments[it["computeEnvironmentArn"]]: it["computeResources"]["type"]
            for it in batch.describe_compute_environments()["computeEnvironments"]
        },
    )
    compare(
        "job queues",
        {
            it["JobQueueName"]: [order["ComputeEnvironment"]["Ref"] for order in it["ComputeEnvironmentOrder"]]
            for it in packaged.of("AWS::Batch::JobQueue").values()
        },
        {
            it["jobQueueName"]: [environments[order["computeEnvironment"]] for order in it["computeEnvironmentOrder"]]
            for it in batch.describe_job_queues()["jobQueues"]
        },
    )
    compare(
        "job definitions",
        {it["JobDefinitionName"]: it["RetryStrategy"]["Attempts"] for it in packaged.of("AWS::Batch::JobDefinition").values()},
        {it["jobDefinitionName"]: it["retryStrategy"]["attempts"] for it in batch.describe_job_definitions()["jobDefinitions"]},
    )

    ecs = client("ecs")
    definitions = [ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"] for arn in ecs.list_task_definitions()["taskDefinitionArns"]]
    compare(
        "task definitions",
        {it["Family"]: [container["Name"] for container in it["ContainerDefinitions"]] for it in packaged.of("AWS::ECS::TaskDefinition").values()},
        {it["family"]: [container["name"] for container in it["containerDefinitions"]] for it in definitions},
    )
    compare(
        "clusters",
        {it["ClusterName"]: True for it in packaged.of("AWS::ECS::Cluster").values()},
        # Batch makes clusters of its own beside it.
        {arn.rsplit("/")[-1]: True for arn in ecs.list_clusters()["clusterArns"] if "_Batch_" not in arn},
    )

    events = client("events")
    compare(
        "event rules",
        {name: [it["Id"] for it in rule["Targets"]] for name, rule in packaged.of("AWS::Events::Rule").items()},
        {
            name: [it["Id"] for it in events.list_targets_by_rule(Rule=physical[name].rsplit("/")[-1])["Targets"]]
            for name in packaged.of("AWS::Events::Rule")
            if name in physical
        },
    )
    scheduler = client("scheduler")
    compare(
        "schedules",
        {it["Name"]: it["ScheduleExpression"] for it in packaged.of("AWS::Scheduler::Schedule").values()},
        {
            it["Name"]: scheduler.get_schedule(Name=it["Name"])["ScheduleExpression"]
            for it in scheduler.list_schedules()["Schedules"]
        },
    )
    compare(
        "log groups",
        {it["LogGroupName"]: it["RetentionInDays"] for it in packaged.of("AWS::Logs::LogGroup").values()},
        {it["logGroupName"]: it.get("retentionInDays") for it in client("logs").describe_log_groups()["logGroups"]},
    )

    bucket = physical["ArtifactsBucket"]
    rules = client("s3").get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    compare("buckets", {bucket: "AES256"}, {bucket: rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]})


def main():
    step("refuse: parameters that would fail deep in the deployment")
    refuse("go together", "subnets=subnet-1")
    refuse("go together", "securityGroups=sg-1")
    refuse("rollout", "rollout=SLOWLY")

    step("package: every function built by cargo-lambda, the template written by osls")
    call("osls", "package", "--package", str(PACKAGE), **OFFLINE)

    step("lint: the template by five linters, the definitions by asl-validator and by hybrid")
    failures.extend(linters.lint(str(TEMPLATE), ["deploy/github-role.yml"], "deploy/github-workflow.yml"))
    call("asl-validator", *(flag for path in DEFINITIONS for flag in ("--json-path", str(path))))
    call("cargo", "run", "--quiet", "--package", "hybrid", "--", "validate", *map(str, DEFINITIONS))

    step("rules: what this stack promises of itself, and what an update of the last release would replace")
    template = json.loads(TEMPLATE.read_text())
    failures.extend(rules.broken(template))
    failures.extend(released.changes(json.loads(released.RELEASED.read_text()), template))
    print(f"   {len(rules.RULES)} rules; {len(template['Resources'])} resources")

    step("new: a project that hybrid makes is packaged")
    with tempfile.TemporaryDirectory() as folder:
        new_project(folder)

    with local_aws() as aws:
        os.environ |= aws
        client = boto3.client
        client("iam").create_service_linked_role(AWSServiceName="batch.amazonaws.com")

        step("deploy: osls deploy into the local AWS")
        call("osls", "deploy", "--package", str(PACKAGE), **OFFLINE)

        step("compare: what the services list with what serverless.yml declares")
        packaged = Packaged()
        compare_all(packaged, client)

        step("data and next: the scripts of deploy/ against the local AWS")
        after_the_deployment(client)

        step("cargo lambda deploy: a function of its own, then new code for a function of the stack")
        call("cargo", "lambda", "deploy", "tuner", limit=120)
        call("cargo", "lambda", "deploy", "--binary-name", "tuner", f"{STACK}-tuner", limit=120)

        step("start: one execution by the AWS CLI")
        machine = f"arn:aws:states:us-east-1:123456789012:stateMachine:{STACK}-hybrid-hello"
        call(
            "aws", "stepfunctions", "start-execution", "--state-machine-arn", machine, "--name", "first",
            "--input", "file://statemachines/hybrid-hello.input.json", limit=60,
        )
        found = client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
        compare("executions", {"first": True}, {it["name"]: True for it in found})

    for failure in failures:
        print(f"DIFFERENT {failure}")
    sys.exit(1 if failures else print("\nall as declared"))


if __name__ == "__main__":
    main()
