"""Writes members.txt: every member of every request, as AWS's own service models have them.

    pip install botocore && python3 generate.py > members.txt

One line is one action and the leaves of its request. Lists do not show in a path, `*` is any key of a map; a member of
a REST request that travels in the query or a header has its name there behind `@`. Of actions with very long requests
only those stand here that the local cloud serves, and of a member with a hundred leaves only its name.
"""

import datetime
import pathlib
import re

import botocore
import botocore.session

# The prefix that actions.rs gives the service, and botocore's name of its model.
SERVICES = {
    "states": "stepfunctions",
    "lambda": "lambda",
    "ecs": "ecs",
    "batch": "batch",
    "events": "events",
    "scheduler": "scheduler",
    "logs": "logs",
    "sts": "sts",
}
LONG = 2500
WIDE = 100
SERVED = set(re.findall(r"\w+", (pathlib.Path(__file__).parents[2] / "src/action.rs").read_text()))


def leaves(shape, above=()):
    """The paths below a shape; a shape within itself is a leaf."""
    if shape.type_name == "list":
        return leaves(shape.member, above)
    if shape.type_name == "map":
        return ["*." + path for path in leaves(shape.value, above) if path] or [""]
    if shape.type_name != "structure" or not shape.members or shape.name in above:
        return [""]
    above = (*above, shape.name)
    return [
        name + ("." + path if path else "")
        for name, member in shape.members.items()
        for path in leaves(member, above)
    ]


def line(prefix, action, shape):
    members = shape.members if shape else {}
    paths = []
    for name, member in members.items():
        place = member.serialization
        if place.get("location") in ("querystring", "header"):
            paths.append(f"{name}@{place['name']}")
            continue
        below = leaves(member)
        paths += [name + ("." + path if path else "") for path in (below if len(below) < WIDE else [""])]
    return " ".join([f"{prefix}:{action}", *paths])


print(f"# botocore {botocore.__version__}, read on {datetime.date.today()} by generate.py")
for prefix, name in SERVICES.items():
    model = botocore.session.get_session().get_service_model(name)
    for action in sorted(model.operation_names):
        text = line(prefix, action, model.operation_model(action).input_shape)
        if len(text) < LONG or action in SERVED:
            print(text)
