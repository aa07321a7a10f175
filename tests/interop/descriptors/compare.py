"""Compares our public .proto files with the official Python package and with contract_table.txt.

Both directions: nothing that the public API has may be missing, nothing may be extra, and every
number, type, label, oneof and streaming side must be the same. One result per message, enum and
service. At the end the comparison proves that it can fail, on deliberately damaged descriptors.
"""

import copy
import os
import pathlib
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2

import facts

HERE = pathlib.Path(__file__).resolve().parent
APIS = HERE.parents[2] / "apis"
PROTOS = [f"apache/rocketmq/v2/{name}.proto" for name in ("definition", "service", "admin")]


def our_files():
    """Our descriptors, as protoc sees them, outside of any descriptor pool: the package registers
    the same names in the default one."""
    with tempfile.NamedTemporaryFile(suffix=".descriptors") as out:
        subprocess.run(["protoc", f"-I{APIS}", f"--descriptor_set_out={out.name}", *PROTOS],
                       check=True)
        return list(descriptor_pb2.FileDescriptorSet.FromString(out.read()).file)


def official_files():
    # The package opens a log file below the home directory as soon as it is imported.
    os.environ["HOME"] = str(APIS.parent / "build")
    from rocketmq.grpc_protocol import admin_pb2, definition_pb2, service_pb2
    files = []
    for module in (definition_pb2, service_pb2, admin_pb2):
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        files.append(file)
    return files


def merge(official, table):
    """The whole public API, and a sentence for everything that the table repeats."""
    expected = copy.deepcopy(official)
    repeated = []
    for item, members in table.items():
        known = expected.setdefault(item, {})
        for name, text in members.items():
            if name in known:
                repeated.append(f"{item}: {name} is in the official package ({known[name]}); "
                                "remove it from contract_table.txt")
            known[name] = text
    return expected, repeated


def differences(expected, ours):
    """{item: list of sentences}, with an empty list for an item that is the same in both."""
    result = {}
    for item in sorted(expected.keys() | ours.keys()):
        if item not in ours:
            result[item] = ["missing in our files"]
            continue
        if item not in expected:
            result[item] = ["extra: not in the public API"]
            continue
        want, have = expected[item], ours[item]
        result[item] = [
            f"{name}: ours is {have.get(name, 'missing')}, expected {want.get(name, 'nothing')}"
            for name in sorted(want.keys() | have.keys()) if want.get(name) != have.get(name)]
    return result


def _message(files, name):
    return next(m for file in files for m in file.message_type if m.name == name)


def _enum(files, name):
    return next(e for file in files for e in file.enum_type if e.name == name)


def _method(files, name):
    return next(m for file in files for service in file.service for m in service.method
                if m.name == name)


def _field(files, message, name):
    return next(f for f in _message(files, message).field if f.name == name)


def _leave_oneof(field):
    field.ClearField("oneof_index")


# What, and how to damage it. Each must be found, and in nothing but the item that is named.
DAMAGES = [
    ("message Message", "a changed number",
     lambda files: setattr(_field(files, "Message", "body"), "number", 7)),
    ("message SendResultEntry", "a changed type",
     lambda files: setattr(_field(files, "SendResultEntry", "offset"), "type",
                           descriptor_pb2.FieldDescriptorProto.TYPE_INT32)),
    ("message AckMessageRequest", "a lost repeated",
     lambda files: setattr(_field(files, "AckMessageRequest", "entries"), "label",
                           descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL)),
    ("message SystemProperties", "a lost optional",
     lambda files: setattr(_field(files, "SystemProperties", "tag"), "proto3_optional", False)),
    ("message RetryPolicy", "a field outside its oneof",
     lambda files: _leave_oneof(_field(files, "RetryPolicy", "exponential_backoff"))),
    ("message Settings", "a missing field",
     lambda files: _message(files, "Settings").field.pop()),
    ("message Broker", "an extra field",
     lambda files: _message(files, "Broker").field.add(name="rack", number=4, type=9, label=1)),
    ("enum Code", "a changed enum value",
     lambda files: setattr(_enum(files, "Code").value[1], "number", 20001)),
    ("service MessagingService", "a stream turned unary",
     lambda files: setattr(_method(files, "ReceiveMessage"), "server_streaming", False)),
    ("service Admin", "another request type",
     lambda files: setattr(_method(files, "QueryMessage"), "input_type",
                           f".{facts.PACKAGE}.VerifyMessageRequest")),
]


def undetected(item, damage, files, expected):
    """Damages a copy of our files; says what the comparison overlooked, or nothing."""
    files = copy.deepcopy(files)
    damage(files)
    kind, name = item.split()
    found = [key for key, lines in differences(expected, facts.from_files(files)).items() if lines]
    want = [f"{kind} {facts.PACKAGE}.{name}"]
    return [] if found == want else [f"found differences in {found}, expected in {want}"]


def main():
    try:
        files = our_files()
        ours = facts.from_files(files)
        expected, repeated = merge(facts.from_files(official_files()),
                                   facts.from_table(HERE / "contract_table.txt"))
    except (ValueError, subprocess.CalledProcessError) as error:
        print(f"FAILED nothing could be compared: {error}\n0 passed, 1 failed")
        return 1
    results = differences(expected, ours)
    results["contract_table.txt holds only what the package lacks"] = repeated
    if not any(results.values()):  # damages are compared with a clean state
        for item, what, damage in DAMAGES:
            results[f"{what} in {item} is noticed"] = undetected(item, damage, files, expected)

    for item, lines in results.items():
        for line in lines:
            print(f"FAILED {item}: {line}")
    failed = sum(1 for lines in results.values() if lines)
    members = sum(len(entries) for entries in ours.values())
    print(f"compared {len(ours)} messages, enums and services with {members} members")
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
