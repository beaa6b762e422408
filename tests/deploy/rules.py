"""What this stack promises of itself and no linter knows, read from the packaged template.

    python tests/deploy/rules.py target/deploy/package/cloudformation-template-update-stack.json

Each rule is a generator of sentences, one for each place where the template breaks it.
"""

import json
import re
import sys

# Every reason for which Batch can give up on a job that waits.
# https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable_time_limit_actions.html
BLOCKED = {
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
}
# What must be gone before the network is, since it has public addresses in it.
IN_THE_NETWORK = ("AWS::Batch::ComputeEnvironment", "AWS::ECS::Cluster")
WAY_OUT = {"DefaultRoute", "InternetGatewayAttachment", "SubnetARoutes", "SubnetBRoutes"}


def of(template, kind):
    """Properties of each resource of a type, by logical id."""
    return {name: it["Properties"] for name, it in template["Resources"].items() if it["Type"] == kind}


def named(value):
    """Logical ids that a value refers to."""
    if isinstance(value, list):
        return set().union(*map(named, value))
    if not isinstance(value, dict):
        return set()
    found = set()
    for key, inner in value.items():
        if key == "Ref":
            found.add(inner)
        elif key == "Fn::GetAtt":
            found.add(inner[0])
        elif key == "Fn::Sub":
            found |= {it.split(".")[0] for it in re.findall(r"\$\{([^!}]+)\}", inner if isinstance(inner, str) else inner[0])}
        else:
            found |= named(inner)
    return found


def needed_by(template, name):
    """Everything that CloudFormation makes before a resource and removes after it."""
    seen, waiting = set(), [name]
    while waiting:
        resource = template["Resources"].get(waiting.pop())
        if resource is None:
            continue
        depends = resource.get("DependsOn", [])
        depends = {depends} if isinstance(depends, str) else set(depends)
        # A reference in the metadata is a dependency too.
        new = (depends | named(resource.get("Properties", {})) | named(resource.get("Metadata", {}))) - seen
        seen |= new
        waiting += new
    return seen


def what_is_refused_is_told(template):
    """A start that the scheduler is refused, and an event that a rule cannot deliver to a function, are kept."""
    for name, it in of(template, "AWS::Scheduler::Schedule").items():
        if "DeadLetterConfig" not in it["Target"]:
            yield f"{name}: a start that fails is lost"
    functions = of(template, "AWS::Lambda::Function")
    for name, it in of(template, "AWS::Events::Rule").items():
        for target in it["Targets"]:
            if named(target["Arn"]) & functions.keys() and "DeadLetterConfig" not in target:
                yield f"{name}: an event that is not delivered is lost"
    retained = {
        function
        for it in of(template, "AWS::Lambda::EventInvokeConfig").values()
        if "OnFailure" in it.get("DestinationConfig", {})
        for function in named(it["FunctionName"])
    }
    for name, it in of(template, "AWS::Lambda::Permission").items():
        for function in named(it["FunctionName"]) - retained:
            yield f"{function}: an event that makes it fail is lost ({name})"
    watched = {
        queue
        for it in of(template, "AWS::CloudWatch::Alarm").values()
        for queue in named(it["Dimensions"] if it["Namespace"] == "AWS/SQS" else [])
    }
    for name in of(template, "AWS::SQS::Queue").keys() - watched:
        yield f"{name}: no alarm tells of a message"


def queues_give_up_and_are_watched(template):
    """A job that cannot start is cancelled for every reason that Batch knows, and job-watcher hears of it."""
    queues = of(template, "AWS::Batch::JobQueue")
    for name, it in queues.items():
        reasons = {action["Reason"] for action in it.get("JobStateTimeLimitActions", [])}
        for reason in sorted(BLOCKED - reasons):
            yield f"{name}: waits for ever for {reason}"
    for event in ("Batch Job State Change", "Batch Job Queue Blocked"):
        heard = {
            queue
            for it in of(template, "AWS::Events::Rule").values()
            if event in it.get("EventPattern", {}).get("detail-type", [])
            for queue in named(it["EventPattern"]["detail"]["jobQueue"])
        }
        for name in sorted(queues.keys() - heard):
            yield f"{name}: nobody hears of a {event}"
    submits = named([it.get("Environment", {}) for it in of(template, "AWS::Lambda::Function").values()])
    for name in sorted(queues.keys() - submits):
        yield f"{name}: no function submits to it"


def handed_over(definition):
    """States that wait for a job which the dispatcher starts wherever it likes, directly or by way of the poller."""
    if isinstance(definition, list):
        definition = dict(enumerate(definition))
    if not isinstance(definition, dict):
        return
    for name, it in definition.items():
        resource = it.get("Resource", "") if isinstance(it, dict) else ""
        if isinstance(resource, str) and (resource.endswith(".waitForTaskToken") or resource == "${ActiveActivityArn}"):
            yield name, it
        yield from handed_over(it)


def states_outlast_the_queues(template):
    """A queue gives up first, and says why, before the state that waits takes the silence for a lost worker."""
    actions = [it.get("JobStateTimeLimitActions", []) for it in of(template, "AWS::Batch::JobQueue").values()]
    longest = max(action["MaxTimeSeconds"] for it in actions for action in it)
    for machine, it in of(template, "AWS::StepFunctions::StateMachine").items():
        for name, state in handed_over(it["Definition"]):
            if state["HeartbeatSeconds"] <= longest:
                yield f"{machine}: `{name}` waits {state['HeartbeatSeconds']} s for a heartbeat, a queue {longest} s for capacity"


def one_owner_of_a_retry(template):
    """State machines decide about a second attempt; Batch makes none by itself."""
    for name, it in of(template, "AWS::Batch::JobDefinition").items():
        if it.get("RetryStrategy", {}).get("Attempts", 1) != 1:
            yield f"{name}: Batch and the state machine both retry"


def containers_know_their_region(template):
    """https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html"""
    for name, it in of(template, "AWS::Batch::JobDefinition").items():
        if {"Name": "AWS_REGION", "Value": {"Ref": "AWS::Region"}} not in it["ContainerProperties"]["Environment"]:
            yield f"{name}: AWS_REGION is not set"


def hosts_get_new_images(template):
    """https://docs.aws.amazon.com/batch/latest/userguide/infrastructure-updates.html"""
    for name, it in of(template, "AWS::Batch::ComputeEnvironment").items():
        resources = it["ComputeResources"]
        if resources["Type"].startswith("FARGATE"):
            continue
        if resources.get("UpdateToLatestImageVersion") is not True:
            yield f"{name}: its hosts keep the machine image of the first day"
        if it.get("UpdatePolicy", {}).get("TerminateJobsOnUpdate") is not False:
            yield f"{name}: does not say what becomes of running jobs when it is updated"
        if "Tags" not in resources:
            yield f"{name}: no deployment changes it, so none refreshes its hosts"


def the_network_goes_last(template):
    for kind in IN_THE_NETWORK:
        for name in of(template, kind):
            for route in sorted(WAY_OUT - needed_by(template, name)):
                yield f"{name}: {route} may be removed before it"


def images_stay_what_they_were(template):
    for name, it in of(template, "AWS::ECR::Repository").items():
        if it.get("ImageTagMutability") != "IMMUTABLE":
            yield f"{name}: a tag may be overwritten under a running Map"


def storage_is_bounded(template):
    """What the product writes for each job and run expires, and parts of uploads that never ended go."""
    rules = of(template, "AWS::S3::Bucket")["ArtifactsBucket"]["LifecycleConfiguration"]["Rules"]
    expiring = {it.get("Prefix") for it in rules if "ExpirationInDays" in it and it["Status"] == "Enabled"}
    for prefix in sorted({"jobs/", "runs/"} - expiring):
        yield f"ArtifactsBucket: {prefix} grows for ever"
    if not any("AbortIncompleteMultipartUpload" in it and "Prefix" not in it for it in rules):
        yield "ArtifactsBucket: parts of unfinished uploads stay for ever"


def a_rollback_is_of_one_machine(template):
    """The alarm that moves an alias back hears of its own state machine only."""
    alarms = of(template, "AWS::CloudWatch::Alarm")
    for name, it in of(template, "AWS::StepFunctions::StateMachineAlias").items():
        preference = it["DeploymentPreference"]
        versions = named(preference["StateMachineVersionArn"])
        machines = set().union(*(named(template["Resources"][it]["Properties"]["StateMachineArn"]) for it in versions))
        watching = named(preference["Alarms"]) & alarms.keys()
        if not watching:
            yield f"{name}: no alarm moves it back"
        for alarm in watching:
            heard = named(alarms[alarm]["Dimensions"])
            if heard != machines:
                yield f"{name}: {alarm} hears of {sorted(heard) or 'everything'}, not of {sorted(machines)} alone"


def labels(definition):
    """Labels of the Distributed Maps of a definition."""
    if isinstance(definition, list):
        return set().union(*map(labels, definition))
    if not isinstance(definition, dict):
        return set()
    own = {definition["Label"]} if definition.get("Type") == "Map" and "Label" in definition else set()
    return own.union(*map(labels, definition.values()))


def children_count_through_their_parent(template):
    """Metrics of a Map Run have its label in the ARN of the state machine; the dashboard leaves them out."""
    machines = of(template, "AWS::StepFunctions::StateMachine").values()
    for name, it in of(template, "AWS::CloudWatch::Dashboard").items():
        for search in re.findall(r"SEARCH\('\{AWS/States[^']*'", json.dumps(it["DashboardBody"])):
            for label in sorted(labels([it["Definition"] for it in machines])):
                if f"NOT {label}" not in search:
                    yield f"{name}: counts the children labelled {label} as executions"


def no_partition_is_written_down(template):
    """Definitions name the optimized integrations, whose ARNs are of the partition `aws`; nothing else does."""
    for name, resource in template["Resources"].items():
        properties = {key: it for key, it in resource.get("Properties", {}).items() if key != "Definition"}
        if re.search(r'\barn:aws:', json.dumps(properties)):
            yield f"{name}: an ARN of the partition aws"


RULES = [
    what_is_refused_is_told,
    queues_give_up_and_are_watched,
    states_outlast_the_queues,
    one_owner_of_a_retry,
    containers_know_their_region,
    hosts_get_new_images,
    the_network_goes_last,
    images_stay_what_they_were,
    storage_is_bounded,
    a_rollback_is_of_one_machine,
    children_count_through_their_parent,
    no_partition_is_written_down,
]


def broken(template):
    return [f"{rule.__name__}: {sentence}" for rule in RULES for sentence in rule(template)]


if __name__ == "__main__":
    found = broken(json.load(open(sys.argv[1])))
    print("\n".join(found) or f"{len(RULES)} rules hold")
    sys.exit(1 if found else 0)
