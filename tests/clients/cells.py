"""What the witnesses written in Python share: how they run their cells and say what they found.

A witness prints one line of JSON for itself and one for each cell of the matrix:

  {"client": "snowflake-connector-python", "version": "5.2.0"}
  {"cell": "login", "outcome": "holds"}
  {"cell": "cancel", "outcome": "absent", "why": "the client has no such call"}
  {"cell": "close", "outcome": "differs", "why": "AssertionError: …"}
"""

import json
import os
import re
import traceback
import urllib.request

# What the client itself prints goes where complaints go.
_LINES = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


class Absent(Exception):
    """Raised by a cell to say why the client does not do this at all."""


def announce(client, version):
    print(json.dumps({"client": client, "version": version}), file=_LINES)


def run(**cells):
    """Runs every cell, also after one that differs."""
    for name, cell in cells.items():
        said = {"cell": name, "outcome": "holds"}
        try:
            cell()
        except Absent as absent:
            said.update(outcome="absent", why=str(absent))
        except BaseException:
            said.update(outcome="differs", why=traceback.format_exc())
        print(json.dumps(said), file=_LINES)


def absent(why):
    """A cell that the client does not have."""

    def cell():
        raise Absent(why)

    return cell


class Server:
    """The emulator as its host sees it: faults to make, sessions to count."""

    def __init__(self, port):
        self.port = int(port)

    def _ask(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def sessions(self):
        return self._ask("GET", "/health")["sessions"]

    def statements(self):
        """How many run now."""
        return self._ask("GET", "/health")["statements"]

    def expire_next_statement(self):
        """The next statement finds its session token expired; renewals are counted."""
        self._ask("PUT", "/faults", b"code=390112,on=query,times=1\ndelay=1ms,on=renew")

    def expirations_and_renewals(self):
        """How many statements found their token expired since then, and how many renewals were asked for."""
        return [rule["fired"] for rule in self._ask("GET", "/faults")["data"]["faults"]]


    def contexts(self):
        """How many statements came with what of query contexts: the last answer's is `current`."""
        name = "snowflake_emulator_query_contexts_total"
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
            found = dict(re.findall(rf'^{name}{{sent="(\w+)"}} (\d+)$', answer.read().decode(), re.MULTILINE))
        return {sent: int(count) for sent, count in found.items()}

    def contexts_go_back(self, statements, expected="current"):
        """Every statement that `statements` runs comes with what the answer before it told; at least two do."""
        before = self.contexts()
        statements()
        more = {sent: count - before[sent] for sent, count in self.contexts().items() if count > before[sent]}
        assert set(more) == {expected} and more[expected] >= 2, more


def equal(found, expected):
    assert found == expected, f"{found!r} instead of {expected!r}"
