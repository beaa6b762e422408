"""State machines under test with pytest and boto3: nothing that they call is there, or is called.

Run by `HYBRID=target/debug/hybrid python -m pytest tests/python` after `cargo build`.
"""

import json
import time

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/test"

ORDERS = {
    "StartAt": "Charge",
    "States": {
        "Charge": {
            "Type": "Task",
            "Resource": "arn:aws:states:::http:invoke",
            "Parameters": {
                "Method": "POST",
                "ApiEndpoint": "https://pay.example.com/charges",
                "Authentication": {"ConnectionArn": "arn:aws:events:us-east-1:123456789012:connection/pay/1"},
            },
            "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 1}],
            "Next": "Approve",
        },
        "Approve": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {"QueueUrl": "https://sqs.example.com/approvals", "MessageBody.$": "$$.Task.Token"},
            "End": True,
        },
    },
}


@pytest.fixture(scope="session")
def machines(states):
    """The ARNs of the state machines, by name; those of serverless.yml are there from the start."""
    states.create_state_machine(name="Orders", definition=json.dumps(ORDERS), roleArn=ROLE)
    found = states.list_state_machines()["stateMachines"]
    return {machine["name"].removeprefix("hybrid-pipelines-dev-"): machine["stateMachineArn"] for machine in found}


def run(states, machine, case, value):
    """Runs a state machine as a test case to its end."""
    started = states.start_execution(stateMachineArn=f"{machine}#{case}", input=json.dumps(value))
    while True:
        execution = states.describe_execution(executionArn=started["executionArn"])
        if execution["status"] != "RUNNING":
            return execution
        time.sleep(0.02)


def entered(states, execution):
    """The states in the order in which they were entered."""
    pages = states.get_paginator("get_execution_history").paginate(executionArn=execution["executionArn"])
    events = [event for page in pages for event in page["events"]]
    return [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]


@pytest.fixture
def request_of_wrapper():
    with open("statemachines/wrapper.input.json") as sample:
        return json.load(sample)


def test_the_service_serves(states, machines, request_of_wrapper):
    execution = run(states, machines["wrapper"], "ServiceServes", request_of_wrapper)
    assert execution["status"] == "SUCCEEDED"
    assert json.loads(execution["output"])["servedBy"] == "service"
    assert entered(states, execution) == ["Is the input usable?", "Call the service"]


def test_the_alternative_serves_when_the_service_is_broken(states, machines, request_of_wrapper):
    execution = run(states, machines["wrapper"], "ServiceIsBroken", request_of_wrapper)
    assert json.loads(execution["output"])["servedBy"] == "alternative"
    assert "Call the alternative" in entered(states, execution)


@pytest.mark.parametrize(("case", "status"), [("Paid", "SUCCEEDED"), ("Refused", "FAILED")])
def test_an_order_waits_for_its_approval(states, machines, case, status):
    execution = run(states, machines["Orders"], case, {})
    assert execution["status"] == status
    assert execution.get("error") == (None if case == "Paid" else "Order.Refused")


def test_an_unknown_case_is_refused(states, machines):
    with pytest.raises(ClientError, match="there is no test case"):
        states.start_execution(stateMachineArn=machines["Orders"] + "#Piad")
