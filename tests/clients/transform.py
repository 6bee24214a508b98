"""dbt with a small project: seeds, models of every kind, tests, a snapshot, documentation.

  python transform.py PORT         with HOME an empty folder
"""

import json
import os
import pathlib
import shutil
import sys
from importlib.metadata import version

import cells
import session
from cells import equal

PORT = int(sys.argv[1])
SERVER = cells.Server(PORT)
PROJECT = pathlib.Path.home() / "project"

os.environ.update(WITNESS_PORT=str(PORT), DBT_SEND_ANONYMOUS_USAGE_STATS="false", DO_NOT_TRACK="1")
from dbt.cli.main import dbtRunner  # noqa: E402  It reads the environment when it is imported.


def dbt(*arguments):
    """Runs a command; it must succeed. Gives its results by name."""
    result = dbtRunner().invoke([*arguments, "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--quiet"])
    if not result.success:
        details = [f"{node.node.name}: {node.message}" for node in getattr(result.result, "results", []) if node.message]
        raise AssertionError(f"dbt {' '.join(arguments)}: {result.exception} {details}")
    return result.result


def statuses(result):
    return {node.node.name: str(node.status) for node in result.results}


def query(sql):
    with session.connect(PORT, database="WITNESS") as connection:
        return connection.cursor().execute(sql).fetchall()


def login():
    assert dbt("debug") is True


def seed():
    equal(set(statuses(dbt("seed")).values()), {"success"})
    found = query("select count(name), sum(price), min(ordered)::varchar from marts.raw_customers, marts.raw_orders")
    equal([tuple(map(str, row)) for row in found], [("6", "41.25", "2024-02-29")])


def run():
    found = statuses(dbt("run"))
    equal(set(found), {"customers", "spenders", "orders_by_day", "recent_spending", "nations"})
    equal(set(found.values()), {"success"})
    rows = query("select customer_id, orders, spent from marts.customers order by 1")
    equal([tuple(map(float, row)) for row in rows], [(1, 2, 3.75), (2, 1, 10), (3, 0, 0)])
    equal(query("select count(*) from marts.nations"), [(25,)])
    # Again, and now the incremental model merges.
    query("insert into marts.raw_orders values (4, 2, 5, '2024-03-02')")
    dbt("run", "--select", "orders_by_day")
    rows = query("select price from marts.orders_by_day where ordered = '2024-03-02'")
    equal([float(price) for (price,) in rows], [15.0])


def check():
    found = statuses(dbt("test"))
    equal((len(found), set(found.values())), (5, {"pass"}))


def snapshot():
    dbt("snapshot")
    query("insert into marts.raw_orders values (5, 3, 7, '2024-03-03')")
    dbt("run", "--select", "customers")
    dbt("snapshot")
    rows = query("select customer_id, spent, dbt_valid_to is null from marts_snapshots.customers_over_time order by 1, 3")
    found = [(int(customer), float(spent), bool(current)) for customer, spent, current in rows]
    equal(found, [(1, 3.75, True), (2, 10.0, False), (2, 15.0, True), (3, 0.0, False), (3, 7.0, True)])


def everyday():
    """seed, run, test, snapshot: what the project is for."""
    for step in (seed, run, check, snapshot):
        step()


def metadata():
    dbt("docs", "generate")
    catalog = json.loads((PROJECT / "target/catalog.json").read_text())
    node = catalog["nodes"]["model.witness.customers"]
    columns = {name: column["type"] for name, column in node["columns"].items()}
    equal(list(columns), ["CUSTOMER_ID", "NAME", "ORDERS", "SPENT"])
    equal(node["metadata"]["type"], "BASE TABLE")
    equal(node["metadata"]["comment"], "Who bought how much")
    equal(node["columns"]["CUSTOMER_ID"]["comment"], "From the shop")
    assert "source.witness.samples.nation" in catalog["sources"], list(catalog["sources"])


def errors():
    (PROJECT / "models/broken.sql").write_text("select no_such_column from {{ ref('customers') }}")
    result = dbtRunner().invoke(
        ["run", "--select", "broken", "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--quiet"]
    )
    (PROJECT / "models/broken.sql").unlink()
    assert not result.success
    (node,) = result.result.results
    assert "000904 (42000)" in node.message and "NO_SUCH_COLUMN" in node.message, node.message


def contexts():
    before = SERVER.contexts()
    dbt("run", "--select", "spenders", "customers")
    after = SERVER.contexts()
    equal(after["other"], before["other"])
    assert after["current"] - before["current"] >= 2, (before, after)


def renewal():
    SERVER.expire_next_statement()
    dbt("run", "--select", "spenders")
    equal(SERVER.expirations_and_renewals(), [1, 1])


def close():
    equal(SERVER.sessions(), 0)


shutil.copytree(pathlib.Path(__file__).parent / "dbt", PROJECT)
with session.connect(PORT) as outside:
    outside.cursor().execute("create database witness")
cells.announce("dbt-snowflake", version("dbt-snowflake"))
THREADS = "dbt waits for every statement in a thread of its own"
cells.run(
    login=login,
    types_json=cells.absent("it reads what the connector reads, which is Arrow"),
    types_arrow=cells.absent("dbt leaves rows where they are"),
    large_result=cells.absent("dbt leaves rows where they are"),
    binds=cells.absent("only seeds bind values, which is part of its job"),
    array_binds=cells.absent("only seeds bind values, which is part of its job"),
    asynchronous=cells.absent(THREADS),
    cancel=cells.absent("dbt cancels when it is interrupted at a terminal"),
    multi_statement=cells.absent("the adapter splits texts into statements"),
    transaction=cells.absent("its transactions are part of its job"),
    everyday=everyday,
    files=cells.absent("dbt leaves files to others"),
    contexts=contexts,
    metadata=metadata,
    renewal=renewal,
    errors=errors,
    close=close,
)
