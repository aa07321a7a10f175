"""Reads the table "RPC by RPC" of docs/compatibility.md.

Its first column names calls, separated by commas; "all of `SERVICE`" and "all others of `SERVICE`" stand for those of a
service that no line names. The other columns say of one kind of node what it does with them: a text that begins with
"served" or "forwarded" promises that they work, one that begins with "not implemented" that they do not.
"""

import re

HEADING = "## RPC by RPC"
WORKS = ("served", "forwarded")
DOES_NOT = ("not implemented",)


class TableError(Exception):
    """The table cannot be understood, or does not say what it must."""


def rows_of(text):
    """The cells of each line of the table below the heading, the line of column names first."""
    _, found, section = text.partition(HEADING)
    if not found:
        raise TableError(f"there is no heading '{HEADING}'")
    lines = [line.strip() for line in re.split(r"^## ", section, flags=re.M)[0].splitlines()]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    if len(rows) < 3 or rows[0] != ["RPC", "nameserver", "broker"]:
        raise TableError(f"below '{HEADING}' there is no table with the columns RPC, nameserver, broker")
    return [rows[0], *rows[2:]]


def promise(cell, calls):
    """True when the cell says that the calls work, False when it says that they do not."""
    text = cell.lower()
    if text.startswith(WORKS):
        return True
    if text.startswith(DOES_NOT):
        return False
    raise TableError(f"{calls}: '{cell}' begins with none of {', '.join(WORKS + DOES_NOT)}")


def read_promises(text, methods):
    """{node: {method: whether it works}} of a table that names each of `methods`, {name: service}, exactly once."""
    header, *rows = rows_of(text)
    nodes = header[1:]
    promises = {node: {} for node in nodes}
    rest = []  # lines about what is left of a service
    for row in rows:
        if len(row) != len(header):
            raise TableError(f"a line has {len(row)} cells: {row}")
        whole = re.fullmatch(r"all (?:others )?of `?([\w.]+)`?", row[0])
        if whole:
            rest.append((whole.group(1), row))
            continue
        for name in (part.strip(" `") for part in row[0].split(",")):
            enter(promises, name, row, methods)
    named = set(promises[nodes[0]])
    for service, row in rest:
        left = [name for name, owner in methods.items() if owner == service and name not in named]
        if not left:
            raise TableError(f"'{row[0]}' stands for no call")
        for name in left:
            enter(promises, name, row, methods)
    missing = sorted(set(methods) - set(promises[nodes[0]]))
    if missing:
        raise TableError(f"the table says nothing about {', '.join(missing)}")
    return promises


def enter(promises, name, row, methods):
    if name not in methods:
        raise TableError(f"'{name}' is no call of the public API")
    for node, cell in zip(promises, row[1:]):
        if name in promises[node]:
            raise TableError(f"{name} stands in two lines")
        promises[node][name] = promise(cell, row[0])
