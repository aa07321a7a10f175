"""Turns protobuf descriptors, and the contract table, into plain facts that can be compared.

Facts are a dictionary: "message M", "enum E" or "service S" -> {member name: text}. The text holds
everything that matters on the wire and in the API, written as in the contract table:
"2 optional string", "4 repeated apache.rocketmq.v2.MessageQueue", "2 map<string, string>",
"6 string in search_key", "20000" or "stream A -> stream B".
"""

import re

from google.protobuf import descriptor_pb2

PACKAGE = "apache.rocketmq.v2"

_FIELD = descriptor_pb2.FieldDescriptorProto
# 1 -> "double", 2 -> "float" ... from the names TYPE_DOUBLE, TYPE_FLOAT ...
_TYPE_NAMES = {number: name[len("TYPE_"):].lower() for name, number in _FIELD.Type.items()}
_SCALARS = set(_TYPE_NAMES.values()) - {"message", "enum", "group"}


def from_files(files):
    """Facts of some FileDescriptorProto. Fails on a file of another package or syntax."""
    facts = {}
    for file in files:
        if file.package != PACKAGE or file.syntax != "proto3":
            raise ValueError(f"{file.name}: package {file.package}, syntax {file.syntax}; "
                             f"expected {PACKAGE}, proto3")
        for message in file.message_type:
            _add_message(facts, PACKAGE, message)
        for enum in file.enum_type:
            _add_enum(facts, PACKAGE, enum)
        for service in file.service:
            facts[f"service {PACKAGE}.{service.name}"] = {
                method.name: _method(method) for method in service.method}
    return facts


def _add_message(facts, scope, message):
    name = f"{scope}.{message.name}"
    facts[f"message {name}"] = {field.name: _field(message, name, field) for field in message.field}
    for nested in message.nested_type:
        if not nested.options.map_entry:
            _add_message(facts, name, nested)
    for enum in message.enum_type:
        _add_enum(facts, name, enum)


def _add_enum(facts, scope, enum):
    facts[f"enum {scope}.{enum.name}"] = {value.name: str(value.number) for value in enum.value}


def _type(field):
    return field.type_name.lstrip(".") or _TYPE_NAMES[field.type]


def _field(message, message_name, field):
    words = [str(field.number)]
    entry = _map_entry(message, message_name, field)
    if entry is not None:
        words.append(f"map<{_type(entry.field[0])}, {_type(entry.field[1])}>")
        return " ".join(words)
    if field.label == _FIELD.LABEL_REPEATED:
        words.append("repeated")
    if field.proto3_optional:
        words.append("optional")
    words.append(_type(field))
    # An optional field sits alone in a oneof that protoc made up; that one is not a fact.
    if field.HasField("oneof_index") and not field.proto3_optional:
        words += ["in", message.oneof_decl[field.oneof_index].name]
    return " ".join(words)


def _map_entry(message, message_name, field):
    for nested in message.nested_type:
        if nested.options.map_entry and field.type_name == f".{message_name}.{nested.name}":
            return nested
    return None


def _method(method):
    request = "stream " * method.client_streaming + method.input_type.lstrip(".")
    response = "stream " * method.server_streaming + method.output_type.lstrip(".")
    return f"{request} -> {response}"


def from_table(path):
    """Facts of the contract table; its head explains the format. Fails naming the line."""
    facts = {}
    entries = None
    with open(path, encoding="utf-8") as lines:
        for number, raw in enumerate(lines, 1):
            line = raw.split("#")[0].rstrip()
            if not line:
                continue
            heading = re.fullmatch(r"(message|enum|service) ([\w.]+)", line)
            member = re.fullmatch(r"  (\w+) = (.+)", line)
            if heading:
                entries = facts.setdefault(f"{heading[1]} {PACKAGE}.{heading[2]}", {})
            elif member and entries is not None and member[1] not in entries:
                entries[member[1]] = _qualified(member[2])
            else:
                raise ValueError(f"{path}:{number}: not a heading and not a new member: {line!r}")
    return facts


def _qualified(text):
    """Writes out the full names of types: the table leaves the package away."""
    text, separator, oneof = text.partition(" in ")

    def full(match):
        word = match[0]
        if word in _SCALARS or word in ("optional", "repeated", "map", "stream"):
            return word
        if word in ("Timestamp", "Duration"):
            return f"google.protobuf.{word}"
        return f"{PACKAGE}.{word}"

    return re.sub(r"[A-Za-z_][\w.]*", full, text) + separator + oneof
