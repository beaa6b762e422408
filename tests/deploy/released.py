"""What an update of the last release would replace or remove.

    python tests/deploy/released.py TEMPLATE            tells it
    python tests/deploy/released.py TEMPLATE --record   makes the template the last release

A named resource cannot be replaced at all, since its name is taken, and of a stateful one the contents are lost.
`released.json` holds, of the template of the last release, what CloudFormation cannot change in place: the types'
own schemas say which properties these are.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html
"""

import json
import pathlib
import sys

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER as SCHEMAS

RELEASED = pathlib.Path(__file__).with_name("released.json")
# Each change makes a new one of these, as it should; nothing is kept in them.
REVISIONS = {"AWS::ECS::TaskDefinition", "AWS::StepFunctions::StateMachineVersion"}


def at(properties, pointer):
    """The value at `/properties/A/B` of a schema; None where the template has none."""
    for key in pointer.split("/")[2:]:
        properties = properties.get(key) if isinstance(properties, dict) else None
    return properties


def fixed(template):
    """Of each resource its type, and the properties that only a replacement can change."""
    found = {}
    for name, it in sorted(template["Resources"].items()):
        if it["Type"] in REVISIONS:
            continue
        schema = SCHEMAS.get_resource_schema("us-east-1", it["Type"]).schema
        values = {pointer: at(it.get("Properties", {}), pointer) for pointer in sorted(schema.get("createOnlyProperties", []))}
        found[name] = {"Type": it["Type"]} | {key: it for key, it in values.items() if it is not None}
    return found


def changes(released, template):
    today = fixed(template)
    for name, before in released.items():
        now = today.get(name)
        if now is None:
            yield f"{name} is removed"
        elif now["Type"] != before["Type"]:
            yield f"{name} is replaced by a {now['Type']}"
        else:
            for key in sorted(before.keys() | now.keys()):
                if before.get(key) != now.get(key):
                    yield f"{name} is replaced: {key.removeprefix('/properties/')} was {before.get(key)}, is {now.get(key)}"


def main(path, *options):
    template = json.loads(pathlib.Path(path).read_text())
    if options == ("--record",):
        RELEASED.write_text(json.dumps(fixed(template), indent=1) + "\n")
        return 0
    found = list(changes(json.loads(RELEASED.read_text()), template))
    print("\n".join(found) or "nothing is replaced or removed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
