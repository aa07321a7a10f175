"""Names of topics and consumer groups (RocketMQ 5 API), for every call that has them."""

from table import Case

TOPICS = [  # what, name
    ("no topic", ""),
    ("a blank topic", "  "),
    ("a topic with a blank", "my topic"),
    ("a topic with a dot", "my.topic"),
    ("a topic with a line break", "topic\n"),
    ("a topic in Chinese", "主题"),
    ("a topic of 128 characters", "t" * 128),
    ("a retry topic of 256 characters", "%RETRY%" + "t" * 249),
    ("the system topic TBW102", "TBW102"),
    ("the system topic SCHEDULE_TOPIC_XXXX", "SCHEDULE_TOPIC_XXXX"),
    ("the system topic BenchmarkTest", "BenchmarkTest"),
    ("the system topic RMQ_SYS_TRANS_HALF_TOPIC", "RMQ_SYS_TRANS_HALF_TOPIC"),
    ("the system topic RMQ_SYS_TRACE_TOPIC", "RMQ_SYS_TRACE_TOPIC"),
    ("the system topic RMQ_SYS_TRANS_OP_HALF_TOPIC", "RMQ_SYS_TRANS_OP_HALF_TOPIC"),
    ("the system topic TRANS_CHECK_MAX_TIME_TOPIC", "TRANS_CHECK_MAX_TIME_TOPIC"),
    ("the system topic SELF_TEST_TOPIC", "SELF_TEST_TOPIC"),
    ("the system topic OFFSET_MOVED_EVENT", "OFFSET_MOVED_EVENT"),
    ("the system topic CHECKPOINT_TOPIC", "CHECKPOINT_TOPIC"),
    ("a topic that begins with rmq_sys_", "rmq_sys_anything"),
]

UNKNOWN_TOPICS = [
    ("an unknown topic", "unknown"),
    ("an unknown topic of 127 characters", "u" * 127),
    ("an unknown topic with every other character", "%|aZ09_-"),
    ("an unknown retry topic of 255 characters", "%RETRY%" + "t" * 248),
    ("an unknown dead-letter topic of 255 characters", "%DLQ%" + "t" * 250),
]

GROUPS = [
    ("no group", ""),
    ("a blank group", "\t"),
    ("a group with a colon", "my:group"),
    ("a group in Chinese", "组"),
    ("a group of 121 characters", "g" * 121),
    ("a group that begins with CID_RMQ_SYS_", "CID_RMQ_SYS_any"),
]


def topic_cases(request, unknown="TOPIC_NOT_FOUND"):
    """`request` makes a request for a topic; `unknown` is the code for one that does not exist."""
    bad = [Case(what, "ILLEGAL_TOPIC", request(name)) for what, name in TOPICS]
    return bad + [Case(what, unknown, request(name)) for what, name in UNKNOWN_TOPICS]


def group_cases(request):
    return [Case(what, "ILLEGAL_CONSUMER_GROUP", request(name)) for what, name in GROUPS]
