"""Writes services.jsonl.gz: how each AWS service that states may call is spoken to, from botocore's models.

    python3 -m venv venv && venv/bin/pip install botocore && venv/bin/python local/forward/data/generate.py

One line per service: its name in `aws-sdk:NAME:action` and a tab, then JSON:

    version, made  botocore's version and the day, in the first line alone
    signing, endpoint, protocol (json, rest-json, query, ec2), api (query's Version), json (1.0, 1.1),
    target (the prefix of X-Amz-Target), prefix (of error names)
    operations  action: [input, output, method, path, wrapper]
    shapes      what a number in place of a kind means

A shape is a letter (s string, i integer, f float, b boolean, B blob, t/u/r timestamp as ISO 8601, seconds or HTTP date,
j JSON as it is), `["list", item, name of an item or null where it has none]`,
`["map", value, name of an entry or null, name of a key, name of a value]`, or an object: the members as states write
them, each a kind, or `[kind, name on the wire, place]`, where a place is uri, querystring, header, headers, status or
payload. What needs no change on its way is j.
"""

import datetime
import gzip
import json
import pathlib
import re
import botocore
import botocore.session

PROTOCOLS = ["json", "rest-json", "query", "ec2"]
SCALARS = {
    "string": "s", "character": "s", "integer": "i", "long": "i", "short": "i", "byte": "i", "bigInteger": "i",
    "float": "f", "double": "f", "bigDecimal": "f", "boolean": "b", "blob": "B",
}
PLACES = {"uri": "uri", "querystring": "querystring", "header": "header", "headers": "headers", "statusCode": "status"}
TIMES = {"iso8601": "t", "unixTimestamp": "u", "rfc822": "r"}


def words(service_id):
    """The words of a service's name as the SDK for Java takes them apart, whose class names begin error names."""
    name = re.sub(r"[^A-Za-z0-9]+", " ", service_id)
    name = re.sub(r"([^a-z]{2,})v([0-9]+)", r"\1 v\2", name)
    name = re.sub(r"([^A-Z]{2,})V([0-9]+)", r"\1 V\2", name)
    name = re.sub(r"(?<=[a-z])(?=[A-Z][a-zA-Z0-9])", " ", name)
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", name)
    return re.sub(r"([0-9])([a-zA-Z])", r"\1 \2", name).split()


def capital(name):
    return name[:1].upper() + name[1:]


class Service:
    def __init__(self, model, protocol):
        self.model = model
        self.protocol = protocol
        self.numbers = {}
        self.shapes = []
        self.known = {}

    def number(self, shape):
        """Equal shapes have one number."""
        text = json.dumps(shape)
        if text not in self.numbers:
            self.numbers[text] = len(self.shapes)
            self.shapes.append(shape)
        return self.numbers[text]

    def as_it_is(self, kind):
        """Whether JSON needs no change."""
        return self.protocol in ("json", "rest-json") and kind in ("s", "i", "f", "b", "j")

    def time(self, shape, trait, place):
        form = trait.get("timestampFormat") or shape.get("timestampFormat")
        if form:
            return TIMES[form]
        if place == "header":
            return "r"
        if place in ("querystring", "uri") or self.protocol in ("query", "ec2"):
            return "t"
        return "u"

    def kind(self, trait, given, place=None):
        name = trait["shape"]
        shape = self.model["shapes"][name]
        type_ = shape["type"]
        if type_ == "timestamp":
            return self.time(shape, trait, place)
        if type_ == "structure" and (shape.get("document") or trait.get("document")):
            return "j"
        if type_ in SCALARS:
            return SCALARS[type_]
        key = (name, given, bool(trait.get("flattened")))
        if key not in self.known:
            # A shape that contains itself is first taken for one that needs no change. If it does need one, what was
            # found out with that is forgotten.
            before = dict(self.known), dict(self.numbers), len(self.shapes)
            self.known[key] = "j"
            found = self.composite(name, shape, trait, given)
            if found != "j" and self.recursive(name):
                self.known, self.numbers = before[0], before[1]
                del self.shapes[before[2]:]
                self.known[key] = found = self.number(["recursive", name, given])
                self.shapes[found] = self.composite(name, shape, trait, given, raw=True)
            self.known[key] = found
        return self.known[key]

    def recursive(self, name):
        todo, seen = [name], set()
        while todo:
            shape = self.model["shapes"][todo.pop()]
            parts = list(shape.get("members", {}).values())
            parts += [shape[part] for part in ("member", "key", "value") if part in shape]
            for part in parts:
                if part["shape"] == name:
                    return True
                if part["shape"] not in seen:
                    seen.add(part["shape"])
                    todo.append(part["shape"])
        return False

    def composite(self, name, shape, trait, given, raw=False):
        type_ = shape["type"]
        flat = shape.get("flattened") or trait.get("flattened") or (self.protocol == "ec2" and given)
        if type_ == "list":
            item = self.kind(shape["member"], given)
            if self.as_it_is(item):
                return "j"
            element = shape["member"].get("locationName", "member")
            made = ["list", item, None if flat else element]
        elif type_ == "map":
            value = self.kind(shape["value"], given)
            if self.as_it_is(value):
                return "j"
            names = [shape[part].get("locationName", part) for part in ("key", "value")]
            made = ["map", value, None if flat else "entry", *names]
        else:
            made = self.structure(shape, given)
            if made is None:
                return "j"
        return made if raw else self.number(made)

    def structure(self, shape, given):
        members, changes = {}, self.protocol in ("query", "ec2")
        for name, trait in shape["members"].items():
            place = PLACES.get(trait.get("location"))
            if self.protocol == "rest-json" and shape.get("payload") == name:
                place = "payload"
            wire = self.wire(name, trait, given)
            kind = self.kind(trait, given, place)
            state = capital(name)
            if place:
                members[state] = [kind, wire, place]
            elif wire != state:
                members[state] = [kind, wire]
            else:
                members[state] = kind
            changes = changes or members[state] != kind or not self.as_it_is(kind)
        if not changes:
            return None
        if self.protocol == "json" or self.protocol == "rest-json":
            # What is not listed goes as it is.
            members = {n: k for n, k in members.items() if isinstance(k, list) or not self.as_it_is(k)}
        return members

    def wire(self, name, trait, given):
        if self.protocol == "json":
            return name
        if self.protocol == "ec2" and given:
            return trait.get("queryName") or capital(trait.get("locationName", name))
        wire = trait.get("locationName", name)
        target = self.model["shapes"][trait["shape"]]
        if self.protocol == "query" and target["type"] == "list" and (
            target.get("flattened") or trait.get("flattened")
        ):
            return target["member"].get("locationName", wire)
        return wire

    def line(self):
        operations = {}
        for name, operation in sorted(self.model["operations"].items()):
            if operation.get("eventstream") or self.streams(operation):
                continue
            given = self.kind(operation["input"], True) if "input" in operation else "j"
            got = self.kind(operation["output"], False) if "output" in operation else "j"
            row = [given, got]
            if self.protocol == "rest-json":
                row += [operation["http"]["method"], operation["http"]["requestUri"]]
            elif self.protocol == "query":
                row += ["POST", "/", operation.get("output", {}).get("resultWrapper")]
            operations[name[:1].lower() + name[1:]] = row
        meta = self.model["metadata"]
        line = {
            "signing": meta.get("signingName", meta["endpointPrefix"]),
            "endpoint": meta["endpointPrefix"],
            "protocol": self.protocol,
            "prefix": "".join(word.capitalize() for word in words(meta["serviceId"])),
        }
        if self.protocol == "json":
            line |= {"json": meta.get("jsonVersion", "1.1"), "target": meta["targetPrefix"]}
        if self.protocol in ("query", "ec2"):
            line["api"] = meta["apiVersion"]
        return line | {"operations": operations, "shapes": self.shapes}

    def streams(self, operation):
        """Whether events go to and fro, for which a state has no use."""
        for end in ("input", "output"):
            shape = self.model["shapes"].get(operation.get(end, {}).get("shape"), {})
            for member in shape.get("members", {}).values():
                if self.model["shapes"][member["shape"]].get("eventstream"):
                    return True
        return False


def main():
    loader = botocore.session.get_session().get_component("data_loader")
    lines = {}
    newest = ""
    for service in loader.list_available_services("service-2"):
        model = loader.load_service_model(service, "service-2")
        meta = model["metadata"]
        spoken = meta.get("protocols", [meta["protocol"]])
        protocol = next((known for known in PROTOCOLS if known in spoken), None)
        if protocol is None:
            continue
        name = re.sub(r"[^a-z0-9]", "", meta["serviceId"].lower())
        lines[name] = Service(model, protocol).line()
    path = pathlib.Path(__file__).with_name("services.jsonl.gz")
    made = {"version": botocore.__version__, "made": datetime.date.today().isoformat()}
    text = [json.dumps(made)]
    text += [f"{name}\t{json.dumps(line, separators=(',', ':'))}" for name, line in sorted(lines.items())]
    with open(path, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(("\n".join(text) + "\n").encode())
    print(f"{len(lines)} services, {path.stat().st_size} bytes")


main()
