"""Findings of parliament about the roles of a template, one a line: the rule, the role, what is wrong.

    python tests/deploy/policies.py TEMPLATE

A reference is read as an ARN, or a name, of the form that its resource's type has.
"""

import json
import re
import sys

from parliament import analyze_policy_string

PSEUDO = {"AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::AccountId": "123456789012"}
ARNS = {
    "AWS::S3::Bucket": "arn:aws:s3:::name",
    "AWS::Lambda::Function": "arn:aws:lambda:us-east-1:123456789012:function:name",
    "AWS::Logs::LogGroup": "arn:aws:logs:us-east-1:123456789012:log-group:name:*",
    "AWS::SQS::Queue": "arn:aws:sqs:us-east-1:123456789012:name",
    "AWS::IAM::Role": "arn:aws:iam::123456789012:role/name",
    "AWS::Batch::JobQueue": "arn:aws:batch:us-east-1:123456789012:job-queue/name",
    "AWS::ECR::Repository": "arn:aws:ecr:us-east-1:123456789012:repository/name",
    "AWS::ECS::Cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/name",
    "AWS::StepFunctions::StateMachine": "arn:aws:states:us-east-1:123456789012:stateMachine:name",
}
# Of these a Ref is the ARN; of the others, as of a cluster, it is the name.
REF_IS_ARN = {"AWS::Batch::JobQueue", "AWS::StepFunctions::StateMachine"}


def resolve(value, kinds):
    """`value` with what it refers to written out."""
    match value:
        case {"Ref": name}:
            if name in PSEUDO:
                return PSEUDO[name]
            return ARNS[kinds[name]] if kinds[name] in REF_IS_ARN else "name"
        case {"Fn::GetAtt": [name, "Arn"]}:
            return ARNS[kinds[name]]
        case {"Fn::Sub": text}:
            return re.sub(r"\$\{([^}]+)\}", lambda it: resolve(reference(it[1]), kinds), text)
        case dict():
            return {key: resolve(inner, kinds) for key, inner in value.items()}
        case list():
            return [resolve(inner, kinds) for inner in value]
    return value


def reference(text):
    """What stands in the braces of a `Fn::Sub`."""
    return {"Fn::GetAtt": text.split(".")} if "." in text else {"Ref": text}


def main(path):
    resources = json.load(open(path))["Resources"]
    kinds = {name: it["Type"] for name, it in resources.items()}
    for name, role in resources.items():
        for policy in role["Properties"].get("Policies", []) if role["Type"] == "AWS::IAM::Role" else []:
            analysis = analyze_policy_string(json.dumps(resolve(policy["PolicyDocument"], kinds)))
            for finding in analysis.findings:
                for detail in finding.detail if isinstance(finding.detail, list) else [finding.detail]:
                    what = detail.get("action", detail) if isinstance(detail, dict) else detail
                    print("\t".join([f"{finding.issue} {what}", name, json.dumps(detail)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
