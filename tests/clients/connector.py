"""The official Python connector, in the generation that is installed.

  python connector.py PORT
"""

import datetime
import decimal
import json
import pathlib
import sys
import tempfile
import uuid

import cells
import pandas
import session
import snowflake.connector
import stages
from cells import equal
from snowflake.connector.errors import DatabaseError, IntegrityError, ProgrammingError

PORT = int(sys.argv[1])
SERVER = cells.Server(PORT)
GENERATION = int(snowflake.connector.__version__.split(".")[0])
UTC = datetime.timezone.utc

# Every type with the value that the connector makes of it, whichever way it travels.
TYPES = [
    ("1", 1),
    ("1.50", decimal.Decimal("1.50")),
    ("1 / 3", decimal.Decimal("0.333333")),
    ("99999999999999999999999999999999999999", 99999999999999999999999999999999999999),
    ("-12345678901234567890123.456789012345678", decimal.Decimal("-12345678901234567890123.456789012345678")),
    ("1.5e10::float", 1.5e10),
    ("123456789.12345678::decfloat", decimal.Decimal("123456789.12345678")),
    ("'-1234e4000'::decfloat", decimal.Decimal("-1234e4000")),
    ("interval '1-2' year to month", "+1-02"),
    ("'15'::interval month", "+15"),
    ("interval '12 3:4:5.678' day to second", datetime.timedelta(days=12, hours=3, minutes=4, seconds=5.678)),
    (
        "'-99999 23:59:59.999999'::interval day(5) to second",
        -datetime.timedelta(days=99999, hours=23, minutes=59, seconds=59.999999),
    ),
    ("null::interval day to second", None),
    ("to_geography('POINT(-122.35 37.55)')", {"coordinates": [-122.35, 37.55], "type": "Point"}),
    ("st_makegeompoint(0.5, 1.5)", {"coordinates": [0.5, 1.5], "type": "Point"}),
    ("null::geography", None),
    ("'text ü'", "text ü"),
    ("''", ""),
    ("true", True),
    ("false", False),
    ("null", None),
    ("null::timestamp_tz", None),
    ("'2024-02-29'::date", datetime.date(2024, 2, 29)),
    ("'0001-01-01'::date", datetime.date(1, 1, 1)),
    ("'12:34:56.789'::time", datetime.time(12, 34, 56, 789000)),
    ("'2024-02-29 12:34:56.789'::timestamp_ntz", datetime.datetime(2024, 2, 29, 12, 34, 56, 789000)),
    ("'1969-12-31 23:59:59.25'::timestamp_ntz(3)", datetime.datetime(1969, 12, 31, 23, 59, 59, 250000)),
    (
        "'2024-02-29 12:34:56.789 +02:30'::timestamp_tz",
        datetime.datetime(
            2024, 2, 29, 12, 34, 56, 789000, datetime.timezone(datetime.timedelta(hours=2, minutes=30))
        ),
    ),
    (
        "'2024-02-29 12:34:56 -0800'::timestamp_tz(0)",
        datetime.datetime(2024, 2, 29, 12, 34, 56, tzinfo=datetime.timezone(datetime.timedelta(hours=-8))),
    ),
    ("'2024-07-01 12:00:00 +0000'::timestamp_ltz", datetime.datetime(2024, 7, 1, 12, 0, 0, tzinfo=UTC)),
    ("to_binary('00FFAB', 'HEX')", b"\x00\xff\xab"),
    ("parse_json('{\"a\": [1, 2.5, null]}')", {"a": [1, 2.5, None]}),
    ("array_construct(1, 'x')", [1, "x"]),
    ("object_construct('k', true)", {"k": True}),
    ("[1, 2.5, 3]::vector(float, 3)", [1.0, 2.5, 3.0]),
    ("[1, 2]::vector(int, 2)", [1, 2]),
    ("null::vector(int, 2)", None),
]
SEMI_STRUCTURED = (dict, list)
# What a statement can read of the result of another.
READ_AGAIN = [f"{sql} as c{at}" for at, (sql, _) in enumerate(TYPES)]


def connect(**more):
    return session.connect(PORT, session_parameters={"TIMEZONE": "UTC"}, **more)


def rows(cursor, sql, *arguments, **more):
    return cursor.execute(sql, *arguments, **more).fetchall()


def refused(cursor, sql, number, sqlstate, kind=ProgrammingError):
    try:
        cursor.execute(sql)
    except kind as error:
        equal((error.errno, error.sqlstate), (number, sqlstate))
        return str(error)
    raise AssertionError(f"not refused: {sql}")


def login():
    with connect(application="witness") as connection:
        ((user, version),) = rows(connection.cursor(), "select current_user(), current_version()")
        equal(user, "TESTER")
        assert int(version.split(".")[0]) >= 9, version
        equal(connection.user, "tester")
        assert isinstance(connection.session_id, int), connection.session_id
    try:
        connect(role="nobody")
    except DatabaseError as error:
        equal(error.errno, 390189)
    else:
        raise AssertionError("logged in with a role that is not there")
    # A session that needs no login, and is there again for who shows the same.
    external = {"authenticator": "PAT_WITH_EXTERNAL_SESSION", "token": "pat", "external_session_id": str(uuid.uuid4())}
    with connect(**external) as connection:
        connection.cursor().execute("set a = 1")
        with connect(**external) as again:
            equal(rows(again.cursor(), "select $a"), [(1,)])


def contexts():
    with connect() as connection:
        cursor = connection.cursor()
        cursor.execute("create database remembered")

        def statements():
            cursor.execute("create table t (a int)")
            cursor.execute("insert into t values (1)")
            equal(rows(cursor, "select a from t"), [(1,)])
            # What fails tells nothing and takes nothing.
            refused(cursor, "select no_such_column", 904, "42000")
            equal(rows(cursor, "select 1"), [(1,)])

        SERVER.contexts_go_back(statements)


def typed(cursor):
    """Values arrive as the connector's Python types, and columns are described with Snowflake's."""
    (row,) = rows(cursor, "select " + ", ".join(sql for sql, _ in TYPES))
    for (sql, expected), value in zip(TYPES, row):
        if isinstance(expected, SEMI_STRUCTURED) and isinstance(value, str):
            value = json.loads(value)
        # Bytes come as bytes or as bytearray, by format.
        kind = bytearray if isinstance(value, bytearray) else type(expected)
        assert value == expected and type(value) is kind, f"{sql}: {value!r} instead of {expected!r}"
    (row,) = rows(cursor, "select " + ", ".join(READ_AGAIN))
    equal(rows(cursor, "select * from table(result_scan(last_query_id()))"), [row])
    cursor.execute("select 1.50 as n, 'x'::varchar(7) as s, to_geography('POINT(1 2)') as g")
    described = rows(cursor, "describe result last_query_id()")
    equal([row[:2] for row in described], [("N", "NUMBER(3,2)"), ("S", "VARCHAR(7)"), ("G", "GEOGRAPHY")])
    cursor.execute("alter session set geography_output_format = 'EWKT'")
    equal(rows(cursor, "select st_makepoint(0.5, 1.5)"), [("SRID=4326;POINT(0.5 1.5)",)])
    cursor.execute("alter session set geography_output_format = 'WKB'")
    (point,) = rows(cursor, "select st_makepoint(0.5, 1.5)")[0]
    equal(bytes(point).hex(), "0101000000000000000000e03f000000000000f83f")
    cursor.execute("alter session unset geography_output_format")
    (nan, infinite) = rows(cursor, "select 'NaN'::float, '-inf'::float")[0]
    assert nan != nan and infinite == float("-inf"), (nan, infinite)
    cursor.execute("select 1.50 as n, 'x'::varchar(7) as s, 1 / 3 as q, true as b, 'a'::date as d where false")
    n, s, q, b, d = cursor.description
    equal((n.name, n.type_code, n.precision, n.scale), ("N", 0, 3, 2))
    equal((s.name, s.type_code, s.internal_size), ("S", 2, 7))
    equal((q.type_code, q.scale, b.type_code, d.type_code), (0, 6, 13, 3))
    equal(cursor.fetchall(), [])


def as_json():
    with connect() as connection:
        cursor = connection.cursor()
        cursor.execute("alter session set python_connector_query_result_format = 'json'")
        typed(cursor)


def as_arrow():
    with connect() as connection:
        cursor = connection.cursor()
        typed(cursor)
        table = cursor.execute("select 1 as a, 'x' as b union all select 2, null order by 1").fetch_arrow_all()
        equal(table.to_pydict(), {"A": [1, 2], "B": ["x", None]})
        frame = cursor.execute(
            "select column1 as n, column2::float as f, column3::timestamp_ntz as t"
            " from values (1, 1.5, '2024-01-01'), (null, null, null)"
        ).fetch_pandas_all()
        equal(frame.F[0], 1.5)
        equal(frame["T"][0], pandas.Timestamp("2024-01-01"))
        assert frame.isna().iloc[1].all(), frame
        frame = cursor.execute("select 1 as a, 'x' as b where false").fetch_pandas_all()
        equal((list(frame.columns), len(frame)), (["A", "B"], 0))


def large():
    """A result in many chunks arrives whole and in order, row by row and as batches."""
    query = "select o_orderkey, o_comment from snowflake_sample_data.tpch_sf001.orders order by 1"
    with connect() as connection:
        cursor = connection.cursor()
        cursor.execute("create database many_rows")
        cursor.execute("create table t as select seq8() as n, repeat('x', 200) as s from table(generator(rowcount => 200000))")
        keys = [key for key, _ in cursor.execute(query)]
        assert len(keys) == 15000 and keys == sorted(set(keys)), len(keys)
        batches = cursor.execute("select * from t order by n").get_result_batches()
        assert len(batches) > 2, f"{len(batches)} chunks"
        equal(sum(batch.rowcount for batch in batches), 200000)
        numbers = [number for number, _ in cursor.fetchall()]
        assert numbers == list(range(200000))
        cursor.execute("alter session set python_connector_query_result_format = 'json'")
        numbers = [number for number, _ in cursor.execute("select * from t order by n")]
        assert numbers == list(range(200000)), len(numbers)


def binds():
    values = [
        7,
        decimal.Decimal("1.25"),
        0.5,
        "it's ?",
        None,
        True,
        datetime.date(2024, 2, 29),
        datetime.time(1, 2, 3),
        datetime.datetime(2024, 2, 29, 1, 2, 3, 456000),
        b"\x01\xff",
    ]
    with connect() as connection:
        (row,) = rows(connection.cursor(), "select " + ", ".join(["%s"] * 9), values[:9])
        equal(row[0], 7)
        equal(row[3:6], ("it's ?", None, True))
    with connect(paramstyle="qmark") as connection:
        cursor = connection.cursor()
        cursor.execute("create database bound")
        cursor.execute(
            "create table t (a int, b number(10, 2), c float, d varchar, e varchar, f boolean, g date, h time,"
            " i timestamp_ntz, j binary)"
        )
        cursor.execute("insert into t values (" + ", ".join(["?"] * 10) + ")", values)
        (row,) = rows(cursor, "select * from t where a = ? and d = ?", (7, "it's ?"))
        equal(rows(cursor, "select ?", [("DECFLOAT", decimal.Decimal("-1234e4000"))]), [(decimal.Decimal("-1234e4000"),)])
        equal(row, tuple(values))
        aware = datetime.datetime(2024, 2, 29, 1, 2, 3, tzinfo=datetime.timezone(datetime.timedelta(hours=5)))
        ((back,),) = rows(cursor, "select ?", [("TIMESTAMP_TZ", aware)])
        equal(back, aware)
        if GENERATION < 5:  # Later ones send the instant alone.
            equal(back.utcoffset(), aware.utcoffset())


def array_binds():
    with connect(paramstyle="qmark") as connection:
        cursor = connection.cursor()
        cursor.execute("create database arrays")
        cursor.execute("create table t (a int, b varchar, c date)")
        values = [(n, None if n % 10 == 0 else str(n), datetime.date(2024, 1, 1)) for n in range(1000)]
        cursor.executemany("insert into t values (?, ?, ?)", values)
        equal(cursor.rowcount, 1000)
        equal(rows(cursor, "select count(*), count(b), min(c) from t"), [(1000, 900, datetime.date(2024, 1, 1))])
        stages.bulk(cursor)


def asynchronous():
    """Statements that are not waited for: submitted, asked for, read by id, left behind, stopped."""
    with connect() as connection:
        cursor = connection.cursor()
        cursor.execute("create database later")
        cursor.execute("create table later.public.t (a int)")
        cursor.execute_async("call system$wait(1, 'hours')")
        slow = cursor.sfqid
        assert connection.is_still_running(connection.get_query_status(slow))
        cursor.execute_async("select column1 from values (1), (2) order by 1")
        fast = cursor.sfqid
        cursor.get_results_from_sfqid(fast)
        equal(cursor.fetchall(), [(1,), (2,)])
        equal(connection.get_query_status(fast).name, "SUCCESS")
        assert connection.is_still_running(connection.get_query_status(slow)), "nobody waited for it"
        cursor.execute_async("select * from later.public.nowhere")
        try:
            cursor.get_results_from_sfqid(cursor.sfqid)
            cursor.fetchall()
        except DatabaseError as error:
            assert "LATER.PUBLIC.NOWHERE" in str(error), str(error)
        else:
            raise AssertionError("a failure was not told")
        cursor.execute_async("insert into later.public.t select 1 from table(generator(rowcount => 1000))")
        write = cursor.sfqid
    with connect() as connection:
        cursor = connection.cursor()
        cursor.get_results_from_sfqid(write)
        equal(cursor.fetchall(), [(1000,)])  # The session is gone, its statement is not.
        equal(rows(cursor, "select count(*) from later.public.t"), [(1000,)])
        assert connection.is_still_running(connection.get_query_status(slow))
        cursor.abort_query(slow)
        while connection.is_still_running(connection.get_query_status(slow)):
            pass


def cancel():
    """By query id from another cursor, by the client's time limit, by the server's; the session goes on."""
    slow = "call system$wait(1, 'hours')"
    with connect() as connection:
        cursor = connection.cursor()
        cursor.execute_async(slow)
        equal(connection.cursor().abort_query(cursor.sfqid), True)
        while connection.is_still_running(connection.get_query_status(cursor.sfqid)):
            pass
        if GENERATION < 5:  # Later ones take the argument and do nothing with it.
            try:
                cursor.execute(slow, timeout=1)
            except ProgrammingError as error:
                equal((error.errno, error.sqlstate), (604, "57014"))
            else:
                raise AssertionError("not cancelled")
        cursor.execute("alter session set statement_timeout_in_seconds = 1")
        refused(cursor, slow, 630, "57014")
        equal(rows(cursor, "select 1"), [(1,)])


def multi_statement():
    with connect() as connection:
        cursor = connection.cursor()
        cursor.execute("select 1 as a; create database several; select 'x', 2", num_statements=3)
        equal(cursor.fetchall(), [(1,)])
        assert cursor.nextset()
        equal(cursor.fetchall(), [("Database SEVERAL successfully created.",)])
        assert cursor.nextset()
        equal(cursor.fetchall(), [("x", 2)])
        assert not cursor.nextset()
        refused(cursor, "select 1; select 2", 8, "0A000")
        results = [cursor.fetchall() for cursor in connection.execute_string("select 1; select 2;")]
        equal(results, [[(1,)], [(2,)]])


def transaction():
    """One transaction over two databases, with an error inside, and isolation from another session."""
    with connect() as connection, connect() as other:
        cursor, second = connection.cursor(), other.cursor()
        for database in ("two", "one"):
            cursor.execute(f"create database {database}")
            cursor.execute(f"create table {database}.public.t (a int)")
        equal(rows(second, "select current_database()"), [(None,)])
        cursor.execute("begin")
        cursor.execute("insert into one.public.t values (1)")
        cursor.execute("insert into two.public.t values (2)")
        refused(cursor, "insert into no_such_table values (1)", 2003, "42S02")
        equal(rows(second, "select count(*) from one.public.t"), [(0,)])
        connection.commit()
        equal(rows(second, "select one.a, two.a from one.public.t one, two.public.t two"), [(1, 2)])
        connection.autocommit(False)
        cursor.execute("delete from t")
        equal(rows(cursor, "select count(*) from t"), [(0,)])
        connection.rollback()
        equal(rows(cursor, "select count(*) from t"), [(1,)])
        connection.autocommit(True)
        cursor.execute("create temporary table mine (a int)")
        refused(second, "select * from one.public.mine", 2003, "42S02")


def metadata():
    """What a column is and may be, without running the statement."""
    with connect() as connection:
        cursor = connection.cursor()
        cursor.execute("create database described")
        cursor.execute("create table t (id int not null, name varchar(20), price number(10, 2))")
        columns = cursor.describe("select id, name, price, id + 1 as n from t")
        equal([column.name for column in columns], ["ID", "NAME", "PRICE", "N"])
        equal([column.is_nullable for column in columns[:3]], [False, True, True])
        equal((columns[1].internal_size, columns[2].precision, columns[2].scale), (20, 10, 2))
        cursor.execute("show tables in schema described.public")
        names = [column.name for column in cursor.description]
        equal([row[names.index("name")] for row in cursor], ["T"])
        listed = rows(cursor, "select column_name, is_nullable from information_schema.columns where table_name = 'T' order by ordinal_position")
        equal(listed, [("ID", "NO"), ("NAME", "YES"), ("PRICE", "YES")])


def everyday():
    """Rows as dictionaries, a few at a time, many values in one text, and frames in pieces."""
    with connect() as connection:
        cursor = connection.cursor(snowflake.connector.DictCursor)
        cursor.execute("create database everyday")
        cursor.execute("create table t (a int, b varchar)")
        cursor.executemany("insert into t values (%s, %s)", [(n, f"it's {n}") for n in range(10)])
        equal(cursor.rowcount, 10)
        cursor.execute("select a, b from t order by a")
        equal(cursor.fetchone(), {"A": 0, "B": "it's 0"})
        equal([row["A"] for row in cursor.fetchmany(3)], [1, 2, 3])
        equal(len(cursor.fetchall()), 6)
        equal(cursor.rowcount, 10)
        query = "select o_orderkey as k from snowflake_sample_data.tpch_sf001.orders"
        frames = connection.cursor().execute(query).fetch_pandas_batches()
        equal(sum(len(frame) for frame in frames), 15000)
        cursor = connection.cursor()
        cursor.execute("create database history")
        stages.past(cursor)


def files():
    """PUT, COPY, GET, and frames written by way of a stage."""
    with connect() as connection, tempfile.TemporaryDirectory() as folder:
        cursor = connection.cursor()
        cursor.execute("create database staged")
        stages.files(cursor, pathlib.Path(folder))
        stages.several(cursor, pathlib.Path(folder))
        stages.frames(connection, cursor)


def renewal():
    """A session token that expires in the middle of a transaction is renewed, and nothing is lost."""
    with connect() as connection:
        cursor = connection.cursor()
        cursor.execute("create database renewed")
        cursor.execute("create table t (a int)")
        cursor.execute("begin")
        cursor.execute("insert into t values (1)")
        SERVER.expire_next_statement()
        cursor.execute("insert into t values (2)")
        equal(SERVER.expirations_and_renewals(), [1, 1])
        equal(rows(cursor, "select count(*) from t"), [(2,)])
        connection.rollback()
        equal(rows(cursor, "select count(*) from t"), [(0,)])


def errors():
    """Snowflake's codes, SQLSTATEs and texts; the session works afterwards."""
    with connect() as connection:
        cursor = connection.cursor()
        refused(cursor, "select * from no_such_table", 90105, "22000")
        cursor.execute("create database wrong")
        message = refused(cursor, "select * from no_such_table", 2003, "42S02")
        assert "Object 'NO_SUCH_TABLE' does not exist or not authorized" in message, message
        message = refused(cursor, "select no_such_column", 904, "42000")
        assert "invalid identifier 'NO_SUCH_COLUMN'" in message, message
        assert cursor.sfqid is None or uuid.UUID(cursor.sfqid)
        message = refused(cursor, "selec 1", 1003, "42000")
        assert "syntax error" in message, message
        refused(cursor, "select 'x'::int", 100038, "22018")
        cursor.execute("create table t (a int not null)")
        refused(cursor, "insert into t values (null)", 100072, "22000", IntegrityError)
        equal(rows(cursor, "select 1"), [(1,)])


def close():
    before = SERVER.sessions()
    connection = connect()
    equal(SERVER.sessions(), before + 1)
    connection.close()
    equal(SERVER.sessions(), before)
    assert connection.is_closed()


cells.announce("snowflake-connector-python", snowflake.connector.__version__)
cells.run(
    login=login,
    types_json=as_json,
    types_arrow=as_arrow,
    large_result=large,
    binds=binds,
    array_binds=array_binds,
    asynchronous=asynchronous,
    cancel=cancel,
    multi_statement=multi_statement,
    transaction=transaction,
    contexts=contexts,
    metadata=metadata,
    everyday=everyday,
    files=files,
    renewal=renewal,
    errors=errors,
    close=close,
)
