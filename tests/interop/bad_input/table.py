"""A table of calls and the code that each is answered with."""

import collections

from rocketmq.grpc_protocol import definition_pb2 as definition

from wire import code_name, received

# One line of a table. `code` is the name of the public code; `says` is text that the sentence must contain.
Case = collections.namedtuple("Case", "what code request says headers timeout", defaults=("", None, None))


def check(answer, code, says=""):
    """Asserts the code, and that the sentence begins with its name and explains an error."""
    got = code_name(answer.code)
    assert got == code, f"expected {code}, got {got}: {answer.text}"
    assert answer.text.startswith(code), f"the sentence does not begin with {code}: '{answer.text}'"
    if code != "OK":
        assert len(answer.text) > len(code) + 10, f"the sentence explains nothing: '{answer.text}'"
    assert says in answer.text, f"'{says}' is not in the sentence '{answer.text}'"


def check_send(answer, code, count):
    """An answer to a send has one entry for each message that was looked at, or none when all were refused."""
    entries = answer.response.entries
    if code != "OK":
        assert not entries, f"a refused request has {len(entries)} entries"
        return
    assert len(entries) == count, f"{count} messages, {len(entries)} entries"
    for entry in entries:
        assert entry.status.code == definition.OK and entry.message_id, entry


def check_receive(answer, code):
    """A refused receive hands nothing out; the accepted ones of these tables find a message."""
    count = len(received(answer))
    assert (count > 0) == (code == "OK"), f"{count} messages came with {code}"


def run(report, node, where, rpc, cases):
    """Runs a table against one node; `where` goes into the names of the cases."""
    for case in cases:
        with report.case(f"{where} {rpc}: {case.what} -> {case.code}"):
            options = {} if case.timeout is None else {"timeout": case.timeout}
            answer = node.call(rpc, case.request, case.headers, **options)
            check(answer, case.code, case.says)
            if rpc == "SendMessage":
                check_send(answer, case.code, len(case.request.messages))
            if rpc == "ReceiveMessage":
                check_receive(answer, case.code)
