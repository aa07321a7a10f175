"""QueryRoute, QueryAssignment, Heartbeat and NotifyClientTermination, which nameserver and broker both serve."""

import uuid

from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service

from names import group_cases, topic_cases
from table import Case, check, run
from wire import metadata, resource


def route(topic, *hosts, scheme=definition.IPv4):
    endpoints = definition.Endpoints(
        scheme=scheme, addresses=[definition.Address(host=host, port=8081) for host in hosts]
    )
    return service.QueryRouteRequest(topic=resource(topic), endpoints=endpoints if hosts else None)


def assignment(topic="normal", group="assigned"):
    return service.QueryAssignmentRequest(topic=resource(topic), group=resource(group))


def heartbeat(kind, group=None):
    return service.HeartbeatRequest(client_type=kind, group=None if group is None else resource(group))


def termination(group=None):
    return service.NotifyClientTerminationRequest(group=None if group is None else resource(group))


UNRECOGNIZED = "UNRECOGNIZED_CLIENT_TYPE"
TABLES = {
    "QueryRoute": [
        Case("no client id", "CLIENT_ID_REQUIRED", route("normal"), headers=metadata(None)),
        *topic_cases(route),
        Case("no endpoints", "OK", route("normal")),
        Case("endpoints that are somebody else's", "OK", route("normal", "192.0.2.1")),
        Case("a domain with two addresses", "OK", route("normal", "a", "b", scheme=definition.DOMAIN_NAME)),
    ],
    "QueryAssignment": [
        Case("no client id", "CLIENT_ID_REQUIRED", assignment(), headers=metadata(None)),
        *topic_cases(assignment),
        *group_cases(lambda name: assignment(group=name)),
        Case("the longest group name", "OK", assignment(group="a" * 120)),
    ],
    "Heartbeat": [
        Case("no client id", "CLIENT_ID_REQUIRED", heartbeat(definition.PRODUCER), headers=metadata(None)),
        Case("no type, without settings", UNRECOGNIZED, heartbeat(0), headers=metadata("stranger-1")),
        Case("the unknown type 42", UNRECOGNIZED, heartbeat(42, "beating"), "42"),
        Case("type LITE_PUSH_CONSUMER", "NOT_IMPLEMENTED", heartbeat(5, "beating"), "LITE_PUSH_CONSUMER"),
        Case("type LITE_SIMPLE_CONSUMER", "NOT_IMPLEMENTED", heartbeat(6, "beating"), "LITE_SIMPLE_CONSUMER"),
        *group_cases(lambda name: heartbeat(definition.PUSH_CONSUMER, name)),
        *group_cases(lambda name: heartbeat(definition.SIMPLE_CONSUMER, name)),
        Case("a consumer without a group", "ILLEGAL_CONSUMER_GROUP", heartbeat(definition.SIMPLE_CONSUMER)),
        Case("a consumer without settings", "OK", heartbeat(definition.SIMPLE_CONSUMER, "beating")),
        Case("a pull consumer", "OK", heartbeat(definition.PULL_CONSUMER, "beating")),
        Case("a pull consumer without a group", "ILLEGAL_CONSUMER_GROUP", heartbeat(definition.PULL_CONSUMER)),
        Case("a producer", "OK", heartbeat(definition.PRODUCER)),
        Case("a producer with an empty group", "OK", heartbeat(definition.PRODUCER, "")),
    ],
    "NotifyClientTermination": [
        Case("no client id", "CLIENT_ID_REQUIRED", termination("ending"), headers=metadata(None)),
        Case("a client nobody knows", "OK", termination("ending"), headers=metadata("stranger-2")),
        Case("a client nobody knows, an empty group", "OK", termination(""), headers=metadata("stranger-3")),
    ],
}


def run_clients(report, nodes):
    for where, node in nodes.items():
        for rpc, cases in TABLES.items():
            run(report, node, where, rpc, cases)
        run_route_content(report, where, node)
        run_termination(report, where, node)


def run_route_content(report, where, node):
    with report.case(f"{where} QueryRoute: the namespace comes back unchanged"):
        request = service.QueryRouteRequest(topic=resource("normal", "space"))
        answer = node.call("QueryRoute", request)
        spaces = {queue.topic.resource_namespace for queue in answer.response.message_queues}
        assert spaces == {"space"}, spaces
    with report.case(f"{where} QueryAssignment: the namespace comes back unchanged"):
        request = service.QueryAssignmentRequest(topic=resource("normal", "space"), group=resource("assigned"))
        answer = node.call("QueryAssignment", request)
        spaces = {one.message_queue.topic.resource_namespace for one in answer.response.assignments}
        assert spaces == {"space"}, spaces


def run_termination(report, where, node):
    """The group of a known consumer is checked, that of a known producer is not."""
    for kind, group, code in (
        (definition.SIMPLE_CONSUMER, "a b", "ILLEGAL_CONSUMER_GROUP"),
        (definition.SIMPLE_CONSUMER, "beating", "OK"),
        (definition.PRODUCER, "", "OK"),
        (definition.PRODUCER, "a b", "OK"),
    ):
        what = f"{definition.ClientType.Name(kind)} with the group '{group}'"
        with report.case(f"{where} NotifyClientTermination: {what} -> {code}, also the second time"):
            headers = metadata(str(uuid.uuid4()))
            known = node.call("Heartbeat", heartbeat(kind, "beating"), headers)
            check(known, "OK")
            check(node.call("NotifyClientTermination", termination(group), headers), code)
            check(node.call("NotifyClientTermination", termination(group), headers), code)
