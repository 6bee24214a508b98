"""Snowflake's command line, `snow`, run as a person runs it: one process for each command.

  python cli.py PORT         with the environment's `snow` beside the interpreter, and HOME an empty folder
"""

import atexit
import json
import os
import pathlib
import signal
import sys
import tempfile
import time
import traceback
from importlib.metadata import version

import cells
import snowflake.cli._app.__main__ as program
import snowflake.connector  # noqa: F401  Imported before processes split, as `program` is.
from cells import equal

PORT = int(sys.argv[1])
SERVER = cells.Server(PORT)
CONFIG = pathlib.Path.home() / "snow.toml"


class Snow:
    """One run of the command line, in a process of its own.

    The process splits from this one, which has read the program's many modules already: half of the time that `snow`
    takes is spent on that.
    """

    def __init__(self, *arguments):
        self.arguments = arguments
        self.code = None
        self._output = tempfile.TemporaryFile()
        self._pid = os.fork()
        if self._pid == 0:
            os._exit(self._become())

    def _become(self):
        for descriptor in (1, 2):
            os.dup2(self._output.fileno(), descriptor)
        os.close(0)
        os.open(os.devnull, os.O_RDONLY)
        sys.argv = ["snow", "--config-file", str(CONFIG), *self.arguments]
        code = 0
        try:
            program.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
            code = 1
        # What a program that ends does, such as logging out; leaving a split process does not.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        return code

    def interrupt(self):
        os.kill(self._pid, signal.SIGINT)

    def runs(self):
        if self.code is None and (ended := os.waitpid(self._pid, os.WNOHANG)) != (0, 0):
            self.code = os.waitstatus_to_exitcode(ended[1])
        return self.code is None

    def output(self):
        """All that it printed, when it has ended."""
        while self.runs():
            time.sleep(0.005)
        self._output.seek(0)
        return self._output.read().decode()


def snow(*arguments):
    """What the command printed; it must succeed."""
    run = Snow(*arguments)
    output = run.output()
    assert run.code == 0, f"snow {' '.join(arguments)}: {run.code}\n{output}"
    return output


def refused(*arguments):
    """What the command said; it must fail."""
    run = Snow(*arguments)
    output = run.output()
    equal(run.code, 1)
    return " ".join(output.replace("│", " ").split())


def sql(text, *more):
    """The rows of one statement, or of each of several."""
    return json.loads(snow("sql", "--format", "json_ext", "--query", text, *more))


def login():
    out = snow("connection", "test", "--format", "json")
    equal(json.loads(out)["Status"], "OK")


def types():
    """The command line reads Arrow, and writes JSON of its own."""
    (row,) = sql(
        "select 1 as i, 1.50 as n, 1.5e10::float as f, 'text ü' as s, true as b, null as z, '2024-02-29'::date as d,"
        " '12:34:56'::time as t, '2024-02-29 12:34:56'::timestamp_ntz as ts,"
        " parse_json('{\"a\": [1, null]}') as v, array_construct(1, 'x') as a"
    )
    equal(row["I"], 1)
    equal(float(row["N"]), 1.5)
    equal([row[name] for name in "FSBZ"], [1.5e10, "text ü", True, None])
    equal((row["D"], row["T"]), ("2024-02-29", "12:34:56"))
    assert row["TS"].startswith("2024-02-29"), row["TS"]
    equal((row["V"], row["A"]), ({"a": [1, None]}, [1, "x"]))


def large():
    query = "select o_orderkey as k, o_comment as c from snowflake_sample_data.tpch_sf001.orders order by 1"
    lines = snow("sql", "--format", "csv", "--query", query).splitlines()
    equal((len(lines), lines[0]), (15001, "K,C"))


def several():
    answers = sql("create database several; create table t (a int); insert into t values (1), (2); select sum(a) as s from t")
    equal(len(answers), 4)
    equal(answers[2], [{"number of rows inserted": 2}])
    equal(answers[3], [{"S": 3}])


def asynchronous():
    """`;>` leaves a statement running; `!result` and `!abort` come back to it."""
    out = snow("sql", "--format", "json", "--query", "select 41 + 1 as a;>")
    query = json.loads(out)[0]["scheduled query ID"]
    equal(json.loads(snow("sql", "--format", "json", "--query", f"!result {query}"))[0], {"A": 42})


def cancel():
    """Ctrl-C ends the command and its statement at the server."""
    run = Snow("sql", "--query", "call system$wait(1, 'hours')")
    while SERVER.statements() == 0:
        assert run.runs(), run.output()
        time.sleep(0.02)
    run.interrupt()
    output = run.output()
    assert run.code != 0, output
    while SERVER.statements() > 0:
        time.sleep(0.02)


def transaction():
    snow("sql", "--query", "create database transactional; create table t (a int)")
    here = ("--database", "transactional")
    refused("sql", *here, "--single-transaction", "--query", "insert into t values (1); select 'x'::int")
    snow("sql", *here, "--single-transaction", "--query", "insert into t values (2); insert into t values (3)")
    equal(sql("select sum(a) as n from t", *here), [{"N": 5}])


def metadata():
    snow("sql", "--query", "create database described; create table t (id int not null, name varchar(20))")
    listed = json.loads(snow("object", "list", "table", "--in", "database", "described", "--format", "json"))
    equal([row["name"] for row in listed], ["T"])
    columns = json.loads(snow("object", "describe", "table", "described.public.t", "--format", "json"))
    expected = [("ID", "NUMBER(38,0)", "N"), ("NAME", "VARCHAR(20)", "Y")]
    equal([(row["name"], row["type"], row["null?"]) for row in columns], expected)
    listed = json.loads(snow("object", "list", "warehouse", "--format", "json"))
    equal([row["name"] for row in listed], ["COMPUTE_WH"])


def everyday():
    """A script with remarks and variables, from a file."""
    script = pathlib.Path.home() / "script.sql"
    script.write_text("-- A remark.\nselect '<% name %>' as a;\nselect 2 as b;\n")
    answers = json.loads(snow("sql", "--filename", str(script), "--variable", "name=x", "--format", "json"))
    equal(answers, [[{"A": "x"}], [{"B": 2}]])


def files():
    """`snow stage` puts, lists and fetches; COPY is a statement as any other."""
    here = ("--database", "staged", "--schema", "public")
    home = pathlib.Path.home()
    for name in ("a", "b"):
        (home / f"{name}.csv").write_text(f"1,{name}\n")
    snow("sql", "--query", "create database staged; create table t (id int, name varchar)")
    snow("stage", "create", "s", *here)
    put = json.loads(snow("stage", "copy", f"{home}/*.csv", "@s/in", "--format", "json", *here))
    equal(sorted((row["target"], row["status"]) for row in put), [("a.csv", "UPLOADED"), ("b.csv", "UPLOADED")])
    listed = json.loads(snow("stage", "list-files", "@s", "--format", "json", *here))
    equal([row["name"] for row in listed], ["s/in/a.csv", "s/in/b.csv"])
    copied = sql("copy into t from @s/in", *here)
    equal(sorted(row["file"] for row in copied), ["s/in/a.csv", "s/in/b.csv"])
    equal(sql("select name from t order by 1", *here), [{"NAME": "a"}, {"NAME": "b"}])
    target = home / "fetched"
    snow("stage", "copy", "@s/in", f"{target}/", "--format", "json", *here)
    equal((target / "b.csv").read_text(), "1,b\n")
    snow("stage", "remove", "s", "in/a.csv", "--format", "json", *here)
    equal([row["name"] for row in sql("list @s", *here)], ["s/in/b.csv"])


def contexts():
    before = SERVER.contexts()
    equal(sql("select 1 as a; select 2 as b; select 3 as c"), [[{"A": 1}], [{"B": 2}], [{"C": 3}]])
    after = SERVER.contexts()
    # The first statement of a session has nothing to send.
    equal({sent: after[sent] - before[sent] for sent in ("nothing", "other")}, {"nothing": 1, "other": 0})
    assert after["current"] - before["current"] >= 2, (before, after)


def renewal():
    SERVER.expire_next_statement()
    answers = sql("select 1 as a; select 2 as b")
    equal(answers, [[{"A": 1}], [{"B": 2}]])
    equal(SERVER.expirations_and_renewals(), [1, 1])


def errors():
    text = refused("sql", "--query", "select * from no_such_database.public.t")
    assert "002003 (02000)" in text or "002003 (42S02)" in text, text
    assert "does not exist or not authorized" in text, text


def close():
    before = SERVER.sessions()
    snow("sql", "--query", "select 1")
    equal(SERVER.sessions(), before)


CONFIG.write_text(
    f"""\
default_connection_name = "witness"

[cli.logs]
save_logs = false

[connections.witness]
account = "local"
user = "tester"
password = "secret"
host = "127.0.0.1"
port = {PORT}
protocol = "http"
"""
)
os.chmod(CONFIG, 0o600)
cells.announce("snowflake-cli", version("snowflake-cli"))
cells.run(
    login=login,
    types_json=cells.absent("the command line reads Arrow only"),
    types_arrow=types,
    large_result=large,
    binds=cells.absent("variables of `snow sql` are put into its text"),
    array_binds=cells.absent("variables of `snow sql` are put into its text"),
    asynchronous=asynchronous,
    cancel=cancel,
    multi_statement=several,
    transaction=transaction,
    contexts=contexts,
    metadata=metadata,
    everyday=everyday,
    files=files,
    renewal=renewal,
    errors=errors,
    close=close,
)
