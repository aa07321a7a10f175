"""Calls every method of the public services as apis/ declares them, with message classes made from those files.

The official Python package lacks most of Admin, so its classes would not do.
"""

import pathlib
import subprocess
import tempfile

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

APIS = pathlib.Path(__file__).resolve().parents[3] / "apis"
PACKAGE = "apache.rocketmq.v2"
FILES = [f"apache/rocketmq/v2/{name}.proto" for name in ("definition", "service", "admin")]
SERVICES = ("MessagingService", "Admin")
DEADLINE = 20  # seconds of one call


def _descriptors():
    with tempfile.NamedTemporaryFile(suffix=".descriptors") as out:
        command = ["protoc", f"-I{APIS}", "--include_imports", f"--descriptor_set_out={out.name}", *FILES]
        subprocess.run(command, check=True)
        pool = descriptor_pool.DescriptorPool()  # the package has the same names in the default one
        for file in descriptor_pb2.FileDescriptorSet.FromString(out.read()).file:
            pool.Add(file)
        return pool


class PublicApi:
    """The methods of the public services and what is needed to call them."""

    def __init__(self):
        self._pool = _descriptors()
        services = [self._pool.FindServiceByName(f"{PACKAGE}.{name}") for name in SERVICES]
        self._methods = {method.name: method for service in services for method in service.methods}
        self._codes = self._pool.FindEnumTypeByName(f"{PACKAGE}.Code")

    def methods(self):
        """{name: full name of its service}."""
        return {name: method.containing_service.full_name for name, method in self._methods.items()}

    def call(self, channel, name, request_text, headers):
        """Calls a method with a request in protobuf's text format; returns [(code name, sentence)] of its answer.

        A response without a status gives ("", its first text).
        """
        method = self._methods[name]
        request = text_format.Parse(request_text, message_factory.GetMessageClass(method.input_type)())
        shape = {(False, False): "unary_unary", (False, True): "unary_stream", (True, True): "stream_stream"}[
            method.client_streaming, method.server_streaming
        ]
        call = getattr(channel, shape)(
            f"/{method.containing_service.full_name}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )
        given = iter([request]) if method.client_streaming else request
        answer = call(given, metadata=headers, timeout=DEADLINE)
        return [self._verdict(element) for element in (answer if method.server_streaming else [answer])]

    def _verdict(self, response):
        fields = response.DESCRIPTOR.fields_by_name
        if "status" not in fields:
            return "", getattr(response, response.DESCRIPTOR.fields[0].name)
        if not response.HasField("status"):
            return "", ""
        code = self._codes.values_by_number.get(response.status.code)
        return code.name if code else str(response.status.code), response.status.message


def connect(address):
    return grpc.insecure_channel(address, options=[("grpc.enable_retries", 0)])
