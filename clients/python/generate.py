#!/usr/bin/env python3
"""Makes src/sealpost/api, the types, methods and errors of the interface, from docs/openrpc.json.

    generate.py            writes the files
    generate.py --check    compares them with what it would write; exit status 1 if one differs
"""
import json
import keyword
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1] / "docs" / "openrpc.json"
TARGET = HERE / "src" / "sealpost" / "api"
WIDTH = 100

# What these begin comes as notifications: `Client.receive` and `Client.changes` call them.
SUBSCRIPTIONS = {"subscribeReceive", "unsubscribeReceive", "subscribeChanges"}
# An empty result is None; notifications are told apart by the connection, not by a type.
NOT_TYPES = {"Empty", "Notification"}
# Base classes of errors by the exit status that the command line has for them.
BASES = {4: "RejectedError", 6: "TemporaryError"}

Schema = dict[str, Any]


class Unsupported(Exception):
    """The document has something that this script does not know how to express in Python."""


def snake(name: str) -> str:
    """A field or a method as Python writes it: `fromStart` is `from_start`, `from` is `from_`."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    return f"{name}_" if keyword.iskeyword(name) else name


def pascal(name: str) -> str:
    return name[:1].upper() + name[1:]


def words(text: str) -> str:
    return " ".join(text.split())


def wrapped(text: str, indent: int, before: str = "") -> str:
    lines = textwrap.wrap(before + words(text), WIDTH - indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(" " * indent + line for line in lines)


def docstring(text: str, indent: int) -> str:
    body = wrapped(text, indent, '"""')
    closed = f'{body}"""'
    return closed if len(closed.splitlines()[-1]) <= WIDTH else f'{body}\n{" " * indent}"""'


# Types.

def is_nullable(schema: Schema) -> bool:
    kind = schema.get("type")
    return (isinstance(kind, list) and "null" in kind) or {"type": "null"} in schema.get("anyOf", [])


def annotation(schema: Schema) -> str:
    """The type of a value, without the None of a nullable one."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return "None" if name == "Empty" else str(name)
    for combined in ("allOf", "anyOf"):
        if combined in schema:
            parts = [part for part in schema[combined] if part != {"type": "null"}]
            if len(parts) != 1:
                raise Unsupported(f"a combination of {len(parts)} schemas: {schema}")
            return annotation(parts[0])
    kind = schema.get("type")
    if isinstance(kind, list):
        [kind] = [each for each in kind if each != "null"]
    match kind:
        case "string":
            return f"Literal[{schema['const']!r}]".replace("'", '"') if "const" in schema else "str"
        case "integer":
            return "int"
        case "boolean":
            return "bool"
        case "array":
            return f"tuple[{annotation(schema['items'])}, ...]"
        case _:
            raise Unsupported(f"a type: {schema}")


def absent(schema: Schema) -> str | None:
    """What an absent field of a result is; None if the field is never absent."""
    if is_nullable(schema):
        return "None"
    if "default" in schema:
        return json.dumps(schema["default"]) if schema.get("type") != "boolean" else str(schema["default"])
    return {"string": '""', "boolean": "False", "array": "()"}.get(schema.get("type", ""))


def field(name: str, schema: Schema, is_required: bool) -> str:
    type_, default = annotation(schema), None
    if "const" in schema:
        default = json.dumps(schema["const"])
    elif not is_required:
        default = absent(schema)
        if default is None:
            raise Unsupported(f"an optional field without a default: {name}: {schema}")
    if is_nullable(schema):
        type_ += " | None"
    line = f"    {snake(name)}: {type_}" + (f" = {default}" if default else "")
    about = schema.get("description")
    return f"{line}\n{docstring(about, 4)}" if about else line


def dataclass(name: str, schema: Schema) -> str:
    required = schema.get("required", [])
    properties = schema.get("properties", {})
    fields = [field(each, properties[each], each in required) for each in sorted(properties)]
    about = docstring(schema.get("description") or f"{name}.", 4)
    return "\n".join(["@dataclass(frozen=True, slots=True, kw_only=True)", f"class {name}:", f"{about}\n", *fields])


def tag(variant: Schema) -> str | None:
    """The constant by which a variant is known, if it is an object."""
    for schema in variant.get("properties", {}).values():
        if "const" in schema:
            return str(schema["const"])
    return None


def alternatives(name: str, schema: Schema) -> str:
    """A union: its classes, then its name. What a later version adds is an `Unknown`."""
    classes, members, constants, has_tags = [], [], [], False
    for variant in schema["oneOf"]:
        constant = tag(variant)
        if variant.get("type") == "string":
            constants.append(variant["const"])
        elif constant == "unknown":
            continue
        else:
            has_tags |= constant is not None
            own = name + pascal(constant or next(iter(variant["properties"])))
            classes.append(dataclass(own, {"description": name, **variant}))
            members.append(own)
    if constants:
        members.insert(0, f"Literal[{', '.join(json.dumps(each) for each in constants)}]")
    if has_tags:
        members.append("Unknown")
    union = f"{name}: TypeAlias = {' | '.join(members)}"
    if len(union) > WIDTH:
        union = f"{name}: TypeAlias = (\n    {(chr(10) + '    | ').join(members)}\n)"
    return "\n\n\n".join([*classes, f"{union}\n{docstring(schema['description'], 0)}"])


def definition(name: str, schema: Schema) -> str:
    if "oneOf" in schema:
        return alternatives(name, schema)
    if schema["type"] == "object":
        return dataclass(name, schema)
    alias = "datetime" if schema.get("format") == "date-time" else annotation(schema)
    return f"{name}: TypeAlias = {alias}\n{docstring(schema['description'], 0)}"


def references(schema: Any) -> set[str]:
    if isinstance(schema, dict):
        own = {schema["$ref"].rpartition("/")[2]} if "$ref" in schema else set()
        return own.union(*map(references, schema.values()))
    if isinstance(schema, list):
        return set().union(*map(references, schema))
    return set()


def in_order(schemas: dict[str, Schema]) -> list[str]:
    """The names of the types, each after those that it names, since aliases need what they name."""
    done: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise Unsupported(f"types that name each other: {path}")
        if name in NOT_TYPES or name in done:
            return
        for other in sorted(references(schemas[name])):
            visit(other, (*path, name))
        done.append(name)

    for name in sorted(schemas):
        visit(name, ())
    return done


def types(document: Schema) -> str:
    schemas = document["components"]["schemas"]
    return "\n\n\n".join([
        header("Parameters, results and notifications.") + "\nfrom dataclasses import dataclass\nfrom datetime import datetime\n"
        "from typing import Literal, TypeAlias\n\nfrom ..unknown import Unknown",
        *(definition(name, schemas[name]) for name in in_order(schemas)),
    ]) + "\n"


# Methods.

def parameter(each: Schema) -> str:
    schema = each["schema"]
    if each["required"]:
        return f"{snake(each['name'])}: {annotation(schema)}"
    if "default" in schema:
        default = schema["default"]
        return f"{snake(each['name'])}: {annotation(schema)} = {default if isinstance(default, bool) else json.dumps(default)}"
    return f"{snake(each['name'])}: {annotation(schema)} | None = None"


def method(each: Schema) -> str:
    params = sorted(each["params"], key=lambda param: not param["required"])
    result = annotation(each["result"]["schema"])
    signature = ["self", "*", *map(parameter, params)] if params else ["self"]
    first = f"    def {snake(each['name'])}({', '.join(signature)}) -> {result}:"
    if len(first) > WIDTH:
        first = "\n        ".join(["    def " + snake(each["name"]) + "(", *(f"{part}," for part in signature)]) + f"\n    ) -> {result}:"
    about = [wrapped(each["summary"], 8, '"""')]
    for param in params:
        text = param["schema"].get("description", "")
        about += [""] * (len(about) == 1) + [textwrap.indent(textwrap.fill(
            f"{snake(param['name'])}: {words(text)}", WIDTH - 8, subsequent_indent="    ",
            break_long_words=False, break_on_hyphens=False), " " * 8)]
    about_text = "\n".join(about) + ('"""' if len(about) == 1 else '\n        """')
    return "\n".join([first, about_text, call(each["name"], params, result)])


def call(name: str, params: list[Schema], result: str) -> str:
    """The body of a method."""
    before = "self.call" if result == "None" else "return self.call"
    type_ = "NoneType" if result == "None" else result
    pairs = [f"{json.dumps(param['name'])}: {snake(param['name'])}" for param in params]
    line = f"        {before}({json.dumps(name)}, {{{', '.join(pairs)}}}, {type_})"
    if len(line) <= WIDTH:
        return line
    lines = "".join(f"            {pair},\n" for pair in pairs)
    return (f"        params: dict[str, object] = {{\n{lines}        }}\n"
            f"        {before}({json.dumps(name)}, params, {type_})")


def methods(document: Schema) -> str:
    wanted = [each for each in document["methods"] if each["name"] not in SUBSCRIPTIONS]
    named = sorted(set().union(*(references([each["params"], each["result"]]) for each in wanted)) - NOT_TYPES)
    imports = "from .types import (\n    " + ",\n    ".join(named) + ",\n)"
    return "\n\n\n".join([
        header("The methods of a client.") + "\nfrom abc import ABC, abstractmethod\nfrom collections.abc import Mapping\nfrom types import NoneType\nfrom typing import TypeVar\n\n"
        f"{imports}\n\nResult = TypeVar(\"Result\")\n\nAPI_VERSION = {int(document['info']['version'])}\n"
        '"""Version of the interface that these methods are of. Later ones have them, too."""',
        "class Methods(ABC):\n"
        '    """The methods, each by its name. Parameters that are None are absent."""\n\n'
        "    @abstractmethod\n"
        "    def call(self, method: str, params: Mapping[str, object], result: type[Result]) -> Result:\n"
        '        """Calls a method by its name on the wire."""\n\n' + "\n\n".join(map(method, wanted)),
    ]) + "\n"


# Errors.

def errors(document: Schema) -> str:
    kinds = sorted(document["components"]["errors"].items(), key=lambda kind: int(kind[1]["code"]))
    bases = sorted({"ApiError", *BASES.values()})
    classes = [
        f"class {name}Error({BASES.get(kind['exitStatus'], 'ApiError')}):\n"
        f"{docstring(kind['message'], 4)}\n\n    code = {kind['code']}"
        for name, kind in kinds
    ]
    table = "\n".join(f"    {name}Error.code: {name}Error," for name, _ in kinds)
    return "\n\n\n".join([
        header("The errors of the interface, each with its number.") + f"\nfrom ..errors import {', '.join(bases)}",
        *classes,
        f"ERRORS: dict[int, type[ApiError]] = {{\n{table}\n}}\n"
        '"""The errors by their numbers. A number that is not here is of a later version."""',
    ]) + "\n"


def header(about: str) -> str:
    return f'"""{about} Made from docs/openrpc.json by generate.py: do not edit."""'


def package(modules: dict[str, str]) -> str:
    """The module that has every name of the others."""
    lines, names = [], []
    for module, text in modules.items():
        own = sorted(re.findall(r"^(?:class (\w+)|([A-Z]\w+)(?:: | = ))", text, re.MULTILINE), key="".join)
        exported = ["".join(pair) for pair in own if "".join(pair) != "Result"]
        names += exported
        lines.append(f"from .{module} import (\n    " + ",\n    ".join(exported) + ",\n)")
    public = "__all__ = [\n" + "".join(f"    {json.dumps(name)},\n" for name in sorted(names)) + "]"
    return "\n".join([header("The interface of a client, as Python has it."), *lines, f"\n{public}\n"])


def files() -> dict[Path, str]:
    document = json.loads(SOURCE.read_text(encoding="utf-8"))
    modules = {"errors": errors(document), "methods": methods(document), "types": types(document)}
    texts = {"__init__": package(modules), **modules}
    return {TARGET / f"{name}.py": text for name, text in texts.items()}


def main() -> int:
    match sys.argv[1:]:
        case []:
            for path, text in files().items():
                path.write_text(text, encoding="utf-8")
            return 0
        case ["--check"]:
            stale = [path for path, text in files().items()
                     if not path.exists() or path.read_text(encoding="utf-8") != text]
            for path in stale:
                print(f"{path} is not what docs/openrpc.json says: run clients/python/generate.py", file=sys.stderr)
            return 1 if stale else 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main())
