"""A day with the official connector, against a server that must behave as Snowflake does.

  python journey.py PORT

Each step asserts what Snowflake documents or does; the first that fails ends the script with a traceback.
"""

import datetime
import decimal
import sys

import session
import snowflake.connector
from snowflake.connector.errors import DatabaseError, ProgrammingError


def rows(cursor, sql, *arguments):
    return cursor.execute(sql, *arguments).fetchall()


def refused(cursor, sql, number, sqlstate):
    try:
        cursor.execute(sql)
    except ProgrammingError as error:
        assert (error.errno, error.sqlstate) == (number, sqlstate), (error.errno, error.sqlstate, str(error))
        return str(error)
    raise AssertionError(f"not refused: {sql}")


def types(cursor):
    """Values arrive as the connector's Python types, and columns are described with Snowflake's."""
    sql = """
        select 1 as i, 1.50 as n, 1 / 3 as q, 'text' as s, true as b, null as z,
               '2024-02-29'::date as d, '12:34:56'::time as t,
               '2024-02-29 12:34:56.789'::timestamp_ntz as ts, 1.5::float as f
    """
    (row,) = rows(cursor, sql)
    assert row == (
        1,
        decimal.Decimal("1.50"),
        decimal.Decimal("0.333333"),
        "text",
        True,
        None,
        datetime.date(2024, 2, 29),
        datetime.time(12, 34, 56),
        datetime.datetime(2024, 2, 29, 12, 34, 56, 789000),
        1.5,
    ), row
    names = [column.name for column in cursor.description]
    assert names == ["I", "N", "Q", "S", "B", "Z", "D", "T", "TS", "F"], names
    by_name = {column.name: column for column in cursor.description}
    assert (by_name["N"].type_code, by_name["N"].precision, by_name["N"].scale) == (0, 3, 2), by_name["N"]
    assert (by_name["Q"].type_code, by_name["Q"].scale) == (0, 6), by_name["Q"]
    codes = [by_name[name].type_code for name in ("F", "S", "D", "TS", "T", "B")]
    assert codes == [1, 2, 3, 8, 12, 13], codes


def statements(cursor):
    """DDL, DML with counts, binds, a transaction over two databases, an error inside it."""
    for database in ("one", "two"):
        cursor.execute(f"create or replace database {database}")
        cursor.execute(f"create table {database}.public.t (a number(10,2), b varchar)")
    cursor.execute("use schema one.public")
    assert rows(cursor, "select current_database(), current_schema()") == [("ONE", "PUBLIC")]
    assert rows(cursor, "insert into t values (1.5, 'x'), (2.25, null)") == [(2,)]
    assert cursor.rowcount == 2, cursor.rowcount
    assert rows(cursor, "update t set b = 'y' where a = 1.5")[0][0] == 1
    assert rows(cursor, "select * from t where a > %s order by a", (1,)) == [
        (decimal.Decimal("1.50"), "y"),
        (decimal.Decimal("2.25"), None),
    ]

    cursor.execute("begin")
    cursor.execute("insert into one.public.t values (3, 'one')")
    cursor.execute("insert into two.public.t values (3, 'two')")
    refused(cursor, "insert into no_such_table values (1)", 2003, "42S02")
    cursor.execute("commit")
    assert rows(cursor, "select count(*) from one.public.t") == [(3,)]
    assert rows(cursor, "select count(*) from two.public.t") == [(1,)]

    cursor.execute("begin")
    cursor.execute("delete from t")
    assert rows(cursor, "select count(*) from t") == [(0,)]
    cursor.execute("rollback")
    assert rows(cursor, "select count(*) from t") == [(3,)]


def errors(cursor):
    """Snowflake's codes, SQLSTATEs and texts; the session works afterwards."""
    message = refused(cursor, "select * from no_such_table", 2003, "42S02")
    assert "Object 'NO_SUCH_TABLE' does not exist or not authorized" in message, message
    message = refused(cursor, "select no_such_column", 904, "42000")
    assert "invalid identifier 'NO_SUCH_COLUMN'" in message, message
    message = refused(cursor, "selec 1", 1003, "42000")
    assert "syntax error" in message, message
    assert rows(cursor, "select 1") == [(1,)]


def large(cursor):
    """A result in many chunks arrives whole and in order."""
    cursor.execute("select o_orderkey from snowflake_sample_data.tpch_sf001.orders order by 1")
    keys = [key for (key,) in cursor]
    assert len(keys) == 15000 and keys == sorted(keys) and len(set(keys)) == 15000, len(keys)


def isolation(port, cursor):
    """Two sessions do not see each other's context, temporary tables or open transaction."""
    with session.connect(port) as other:
        second = other.cursor()
        assert rows(second, "select current_database()") == [(None,)]
        cursor.execute("create temporary table mine (a int)")
        refused(second, "select * from one.public.mine", 2003, "42S02")
        cursor.execute("begin")
        cursor.execute("insert into t values (9, 'open')")
        assert rows(second, "select count(*) from one.public.t where a = 9") == [(0,)]
        cursor.execute("rollback")


def detached(port):
    """Statements that are not waited for: submitted, asked for, read by id, left behind, stopped."""
    with session.connect(port) as connection:
        cursor = connection.cursor()
        cursor.execute("create or replace table one.public.later (a int)")
        cursor.execute_async("call system$wait(1, 'hours')")
        slow = cursor.sfqid
        assert connection.is_still_running(connection.get_query_status(slow))
        cursor.execute_async("select column1 from values (1), (2) order by 1")
        fast = cursor.sfqid
        cursor.get_results_from_sfqid(fast)
        assert cursor.fetchall() == [(1,), (2,)]
        assert connection.get_query_status(fast).name == "SUCCESS"
        assert connection.is_still_running(connection.get_query_status(slow)), "nobody waited for it"
        cursor.execute_async("select * from one.public.nowhere")
        try:
            cursor.get_results_from_sfqid(cursor.sfqid)
            cursor.fetchall()
        except DatabaseError as error:
            assert "ONE.PUBLIC.NOWHERE" in str(error), str(error)
        else:
            raise AssertionError("a failure was not told")
        cursor.execute_async("insert into one.public.later select 1 from table(generator(rowcount => 1000))")
        write = cursor.sfqid
    with session.connect(port) as connection:
        cursor = connection.cursor()
        cursor.get_results_from_sfqid(write)
        assert cursor.fetchall() == [(1000,)], "the session is gone, its statement is not"
        assert rows(cursor, "select count(*) from one.public.later") == [(1000,)]
        assert connection.is_still_running(connection.get_query_status(slow))
        cursor.abort_query(slow)
        while connection.is_still_running(connection.get_query_status(slow)):
            pass


def main(port):
    with session.connect(port) as connection:
        cursor = connection.cursor()
        types(cursor)
        statements(cursor)
        errors(cursor)
        large(cursor)
        isolation(port, cursor)
    detached(port)
    print(f"connector {snowflake.connector.__version__} is content")


if __name__ == "__main__":
    main(int(sys.argv[1]))
