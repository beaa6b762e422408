#!/usr/bin/env python3
"""Writes model.txt: every operation of S3 and every member of its request, from botocore's model.

usage: python3 generate.py > model.txt   (with botocore installed)
"""

import botocore
from botocore.session import Session

model = Session().get_service_model("s3")


def elements(shape, path, seen=()):
    """Paths of the elements of a document."""
    if shape.name in seen:
        return
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            wire = member.serialization.get("name", name)
            yield from elements(member, path + [wire], seen + (shape.name,))
    elif shape.type_name == "list":
        yield from elements(shape.member, path, seen)
    else:
        yield "/".join(path)


print(f"# botocore {botocore.__version__}: operation, place, name; made by generate.py")
for name in model.operation_names:
    operation = model.operation_model(name)
    uri = operation.http["requestUri"].replace("/{Bucket}", "").replace("/{Key+}", "/KEY") or "/"
    uri = uri if uri.startswith("/") else "/" + uri
    print(name, "operation", operation.http["method"], uri)
    for member, shape in (operation.input_shape.members if operation.input_shape else {}).items():
        place, wire = shape.serialization.get("location"), shape.serialization.get("name", member)
        if place == "header":
            print(name, "header", wire.lower())
        elif place == "headers":
            print(name, "header", wire + "any")
        elif place == "querystring":
            print(name, "query", wire)
        elif place is None and shape.type_name != "blob":
            for element in elements(shape, [wire]):
                print(name, "element", element)
