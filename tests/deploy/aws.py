"""A local AWS for the deployment check: moto's server, with its gaps closed where the stack needs it.

- It refuses a template for any word of cfn-lint, warnings too; the check runs cfn-lint itself.
- It knows of a state machine only `DefinitionString`, which CloudFormation builds from `Definition`
  and `DefinitionSubstitutions`.
  https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-stepfunctions-statemachine.html
- It wants the service role of a compute environment named; AWS falls back on its service-linked role.
  https://docs.aws.amazon.com/batch/latest/userguide/using-service-linked-roles.html
- It has activities and schedules, but does not make them from a template.
- It does not read the outputs of a stack that a change set made, as the framework's are.
"""

import json
import sys

from moto.batch.models import ComputeEnvironment
from moto.cloudformation import models as cloudformation
from moto.core.common_models import CloudFormationModel
from moto.scheduler.models import scheduler_backends as schedulers
from moto.server import main
from moto.stepfunctions.models import StateMachine, stepfunctions_backends

# moto's spelling of AWSServiceRoleForBatch.
SERVICE_LINKED_ROLE = "arn:aws:iam::{}:role/aws-service-role/batch.amazonaws.com/AWSServiceRoleForbatch"


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


def execute_change_set(backend, change_set_name, stack_name=None):
    execute(backend, change_set_name, stack_name)
    for stack in backend.stacks.values():
        stack._parse_template()
        stack.output_map = stack._create_output_map()


cloudformation.validate_template_cfn_lint = lambda template: []
execute = cloudformation.CloudFormationBackend.execute_change_set
cloudformation.CloudFormationBackend.execute_change_set = execute_change_set
create_state_machine = StateMachine.create_from_cloudformation_json
StateMachine.create_from_cloudformation_json = staticmethod(state_machine)
create_compute_environment = ComputeEnvironment.create_from_cloudformation_json
ComputeEnvironment.create_from_cloudformation_json = staticmethod(compute_environment)


class FromTemplate(CloudFormationModel):
    """A resource that a service of moto holds and a template names by one attribute."""

    # moto files its models under the second part of their module's name.
    __module__ = "moto.deploy"

    def __init__(self, identifier, attributes):
        self.physical_resource_id = identifier
        self.attributes = attributes

    @staticmethod
    def cloudformation_name_type():
        return "Name"

    @classmethod
    def has_cfn_attr(cls, attr):
        return attr in ("Arn", "Name")

    def get_cfn_attribute(self, attribute_name):
        return self.attributes[attribute_name]


class Activity(FromTemplate, CloudFormationModel):
    __module__ = "moto.stepfunctions"

    @staticmethod
    def cloudformation_type():
        return "AWS::StepFunctions::Activity"

    @classmethod
    def create_from_cloudformation_json(cls, name, resource, account_id, region_name, **_):
        made = stepfunctions_backends[account_id][region_name].create_activity(name)
        return cls(made.arn, {"Arn": made.arn, "Name": name})


class Schedule(FromTemplate, CloudFormationModel):
    __module__ = "moto.scheduler"

    @staticmethod
    def cloudformation_type():
        return "AWS::Scheduler::Schedule"

    @classmethod
    def create_from_cloudformation_json(cls, name, resource, account_id, region_name, **_):
        properties = resource["Properties"]
        made = schedulers[account_id][region_name].create_schedule(
            description=properties.get("Description", ""),
            end_date=properties.get("EndDate"),
            flexible_time_window=properties["FlexibleTimeWindow"],
            group_name=properties.get("GroupName"),
            kms_key_arn=properties.get("KmsKeyArn"),
            name=name,
            schedule_expression=properties["ScheduleExpression"],
            schedule_expression_timezone=properties.get("ScheduleExpressionTimezone"),
            start_date=properties.get("StartDate"),
            state=properties.get("State", "ENABLED"),
            target=properties["Target"],
            action_after_completion=properties.get("ActionAfterCompletion"),
        )
        return cls(name, {"Arn": made.arn})


if __name__ == "__main__":
    main(["-H", "127.0.0.1", "-p", sys.argv[1]])
