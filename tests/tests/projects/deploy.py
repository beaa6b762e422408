"""Makes a function and a state machine that calls it, as a set-up script does, and runs them."""

import io
import json
import sys
import time
import zipfile

import boto3

HANDLER = '''
import logging

logging.getLogger().setLevel(logging.INFO)


class NotYet(Exception):
    pass


def handler(event, context):
    logging.info("asked for %s", event["n"])
    if event["n"] < 0:
        raise NotYet(f"{event['n']} is too little")
    return {"n": event["n"] * 2, "by": context.function_name}
'''

archive = io.BytesIO()
with zipfile.ZipFile(archive, "w") as zip_file:
    zip_file.writestr("lib/double.py", HANDLER)

lambda_ = boto3.client("lambda")
function = lambda_.create_function(
    FunctionName="double",
    Runtime="python3.12",
    Role="arn:aws:iam::123456789012:role/none",
    Handler="lib/double.handler",
    Timeout=30,
    Code={"ZipFile": archive.getvalue()},
)
task = {"Type": "Task", "Resource": function["FunctionArn"], "End": True}
task["Catch"] = [{"ErrorEquals": ["NotYet"], "Next": "Late"}]
states = boto3.client("stepfunctions")
machine = states.create_state_machine(
    name="doubles",
    roleArn="arn:aws:iam::123456789012:role/none",
    definition=json.dumps({"StartAt": "Double", "States": {"Double": task, "Late": {"Type": "Succeed"}}}),
)["stateMachineArn"]
for n in [21, -1]:
    execution = states.start_execution(stateMachineArn=machine, input=json.dumps({"n": n}))["executionArn"]
    while (ended := states.describe_execution(executionArn=execution))["status"] == "RUNNING":
        time.sleep(0.05)
    print(ended["status"], ended["output"])
answer = lambda_.invoke(FunctionName="double", Payload=b'{"n": "a"}')
sys.exit(0 if answer["FunctionError"] == "Unhandled" else 1)
