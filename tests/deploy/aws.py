"""A local AWS for the deployment check: moto's server, with three of its gaps closed.

- It refuses a template for what cfn-lint calls a warning; CloudFormation accepts it.
- It knows of a state machine only `DefinitionString`, which CloudFormation builds from `Definition`
  and `DefinitionSubstitutions`.
  https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-stepfunctions-statemachine.html
- It wants the service role of a compute environment named; AWS falls back on its service-linked role.
  https://docs.aws.amazon.com/batch/latest/userguide/using-service-linked-roles.html
"""

import json
import sys

from moto.batch.models import ComputeEnvironment
from moto.cloudformation import models as cloudformation
from moto.server import main
from moto.stepfunctions.models import StateMachine

SERVICE_LINKED_ROLE = "arn:aws:iam::{}:role/aws-service-role/batch.amazonaws.com/AWSServiceRoleForbatch"


def errors_only(template):
    return [match for match in lint(template) if match.rule.id.startswith("E")]


def state_machine(name, resource, account_id, region_name, **options):
    properties = dict(resource["Properties"])
    definition = json.dumps(properties.pop("Definition"))
    for key, value in properties.pop("DefinitionSubstitutions", {}).items():
        definition = definition.replace("${" + key + "}", json.dumps(value)[1:-1])
    resource = {**resource, "Properties": {**properties, "DefinitionString": definition}}
    return create_state_machine(name, resource, account_id, region_name, **options)


def compute_environment(name, resource, account_id, region_name, **options):
    role = {"ServiceRole": SERVICE_LINKED_ROLE.format(account_id)}
    resource = {**resource, "Properties": role | resource["Properties"]}
    return create_compute_environment(name, resource, account_id, region_name, **options)


lint = cloudformation.validate_template_cfn_lint
cloudformation.validate_template_cfn_lint = errors_only
create_state_machine = StateMachine.create_from_cloudformation_json
StateMachine.create_from_cloudformation_json = staticmethod(state_machine)
create_compute_environment = ComputeEnvironment.create_from_cloudformation_json
ComputeEnvironment.create_from_cloudformation_json = staticmethod(compute_environment)

main(["-H", "127.0.0.1", "-p", sys.argv[1]])
