"""ADBC's driver for Snowflake, which is the official Go driver inside a Python package.

  python adbc.py PORT
"""

import datetime
import decimal
import json
import sys
import threading
from importlib.metadata import version

import adbc_driver_manager
import adbc_driver_snowflake
import adbc_driver_snowflake.dbapi
import cells
import pyarrow
from cells import equal

PORT = int(sys.argv[1])
SERVER = cells.Server(PORT)
UTC = datetime.timezone.utc

TYPES = [
    ("1", 1),
    ("1.50", decimal.Decimal("1.50")),
    ("99999999999999999999999999999999999999", decimal.Decimal("99999999999999999999999999999999999999")),
    ("1.5e10::float", 1.5e10),
    ("'text ü'", "text ü"),
    ("''", ""),
    ("true", True),
    ("null", None),
    ("'2024-02-29'::date", datetime.date(2024, 2, 29)),
    ("'12:34:56.789'::time", datetime.time(12, 34, 56, 789000)),
    ("'2024-02-29 12:34:56.789'::timestamp_ntz", datetime.datetime(2024, 2, 29, 12, 34, 56, 789000)),
    (
        "'2024-02-29 12:34:56.789 +02:30'::timestamp_tz",
        datetime.datetime(2024, 2, 29, 10, 4, 56, 789000, UTC),
    ),
    ("'2024-07-01 12:00:00 +0000'::timestamp_ltz", datetime.datetime(2024, 7, 1, 12, 0, 0, tzinfo=UTC)),
    ("to_binary('00FFAB', 'HEX')", b"\x00\xff\xab"),
    ("parse_json('{\"a\": [1, 2.5, null]}')", {"a": [1, 2.5, None]}),
    ("array_construct(1, 'x')", [1, "x"]),
    ("object_construct('k', true)", {"k": True}),
]


def connect(autocommit=True, **more):
    return adbc_driver_snowflake.dbapi.connect(
        db_kwargs={
            "username": "tester",
            "password": "secret",
            "adbc.snowflake.sql.account": "local",
            "adbc.snowflake.sql.uri.host": "127.0.0.1",
            "adbc.snowflake.sql.uri.port": str(PORT),
            "adbc.snowflake.sql.uri.protocol": "http",
            **more,
        },
        autocommit=autocommit,
    )


def rows(cursor, sql, *arguments):
    cursor.execute(sql, *arguments)
    return cursor.fetchall()


def refused(cursor, sql, number, sqlstate):
    try:
        cursor.execute(sql)
        cursor.fetchall()
    except adbc_driver_manager.Error as error:
        equal((error.vendor_code, error.sqlstate), (number, sqlstate))
        return str(error)
    raise AssertionError(f"not refused: {sql}")


def login():
    with connect() as connection, connection.cursor() as cursor:
        equal(rows(cursor, "select current_user()"), [("TESTER",)])
        equal(connection.adbc_get_info()["vendor_name"], "Snowflake")


def typed(cursor):
    (row,) = rows(cursor, "select " + ", ".join(sql for sql, _ in TYPES))
    for (sql, expected), value in zip(TYPES, row):
        if isinstance(expected, (dict, list)):
            value = json.loads(value)
        if isinstance(expected, decimal.Decimal):
            value = decimal.Decimal(value)
        assert value == expected, f"{sql}: {value!r} instead of {expected!r}"


def as_json():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("alter session set go_query_result_format = 'json'")
        cursor.execute("select 1 as a, 'x' as b union all select 2, null order by 1")
        equal(cursor.fetch_arrow_table().to_pydict(), {"A": [1, 2], "B": ["x", None]})


def as_arrow():
    with connect() as connection, connection.cursor() as cursor:
        typed(cursor)
        cursor.execute("select 1 as a, 'x' as b union all select 2, null order by 1")
        equal(cursor.fetch_arrow_table().to_pydict(), {"A": [1, 2], "B": ["x", None]})
        cursor.execute("select 1::number(5, 0) as a where false")
        table = cursor.fetch_arrow_table()
        equal((table.num_rows, table.schema.names), (0, ["A"]))


def large():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("create database many_rows")
        cursor.execute("use schema many_rows.public")
        cursor.execute("create table t as select seq8() as n, repeat('x', 200) as s from table(generator(rowcount => 200000))")
        cursor.execute("select n, s from t")
        table = cursor.fetch_arrow_table()
        numbers = sorted(int(number) for number in table["N"].to_pylist())
        assert numbers == list(range(200000)), len(numbers)


def binds():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("create database bound")
        cursor.execute("use schema bound.public")
        cursor.execute("create table t (a int, b float, c varchar, d boolean)")
        # The driver binds neither dates nor bytes nor decimals, and NULL in arrays only.
        row = (7, 0.5, "it's ?", True)
        cursor.execute("insert into t values (?, ?, ?, ?)", row)
        equal(rows(cursor, "select * from t where a = ?", (7,)), [row])
        equal(rows(cursor, "select count(*) from t where a = ?", (8,)), [(0,)])


def array_binds():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("create database arrays")
        cursor.execute("use schema arrays.public")
        cursor.execute("create table t (a int, b varchar)")
        table = pyarrow.table({"a": list(range(1000)), "b": [None if n % 10 == 0 else str(n) for n in range(1000)]})
        cursor.executemany("insert into t values (?, ?)", table)
        equal(rows(cursor, "select count(*), count(b) from t"), [(1000, 900)])


def cancel():
    with connect() as connection, connection.cursor() as cursor:
        timer = threading.Timer(1.0, cursor.adbc_cancel)
        timer.start()
        try:
            rows(cursor, "select system$wait(1, 'hours')")
        except adbc_driver_manager.Error as error:
            assert "cancel" in str(error).lower(), str(error)
        else:
            raise AssertionError("not cancelled")
        timer.join()
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("alter session set statement_timeout_in_seconds = 1")
        refused(cursor, "call system$wait(1, 'hours')", 630, "57014")


def transaction():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("create database transactional")
        cursor.execute("create table transactional.public.t (a int)")
    with connect(autocommit=False, **{"adbc.snowflake.sql.db": "TRANSACTIONAL"}) as connection:
        with connection.cursor() as cursor:
            cursor.execute("insert into public.t values (1)")
            connection.rollback()
            equal(rows(cursor, "select count(*) from public.t"), [(0,)])
            cursor.execute("insert into public.t values (1)")
            connection.commit()
            connection.rollback()
            equal(rows(cursor, "select count(*) from public.t"), [(1,)])
            connection.rollback()


def metadata():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("create database described")
        cursor.execute("use schema described.public")
        cursor.execute("create table t (id int not null primary key, name varchar(20), price number(10, 2))")
        cursor.execute("create view v as select name from t")
        cursor.execute("create table u (t_id int references t (id))")
        found = connection.adbc_get_objects(catalog_filter="DESCRIBED", db_schema_filter="PUBLIC").read_all().to_pylist()
        (catalog,) = found
        (schema,) = catalog["catalog_db_schemas"]
        tables = {table["table_name"]: table for table in schema["db_schema_tables"]}
        equal(sorted(tables), ["T", "U", "V"])
        columns = tables["T"]["table_columns"]
        equal([column["column_name"] for column in columns], ["ID", "NAME", "PRICE"])
        equal([column["xdbc_is_nullable"] for column in columns], ["NO", "YES", "YES"])
        equal([kind["constraint_type"] for kind in tables["T"]["table_constraints"]], ["PRIMARY KEY"])
        schema = connection.adbc_get_table_schema("T", catalog_filter="DESCRIBED", db_schema_filter="PUBLIC")
        equal(schema.names, ["ID", "NAME", "PRICE"])
        equal([field.nullable for field in schema], [False, True, True])
        assert set(connection.adbc_get_table_types()) >= {"TABLE", "VIEW"}


def everyday():
    """Batches come one after another, with the types of their columns."""
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("select o_orderkey as k, o_totalprice as p, o_orderdate as d from snowflake_sample_data.tpch_sf001.orders")
        reader = cursor.fetch_record_batch()
        equal([field.name for field in reader.schema], ["K", "P", "D"])
        assert pyarrow.types.is_decimal(reader.schema.field("P").type), reader.schema
        assert pyarrow.types.is_date(reader.schema.field("D").type), reader.schema
        equal(sum(batch.num_rows for batch in reader), 15000)


def files():
    """Tables are written by way of a stage, as Parquet files."""
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("create database staged")
        cursor.execute("use schema staged.public")
        count = 100_000
        numbers = list(range(count))
        table = pyarrow.table(
            {
                "n": numbers,
                "x": [number / 4 for number in numbers],
                "s": [None if number % 10 == 0 else f"text {number}" for number in numbers],
                "d": [datetime.date(2024, 2, 29)] * count,
                "t": pyarrow.array([datetime.datetime(2024, 2, 29, 1, 2, 3, 456000)] * count, pyarrow.timestamp("us")),
                "b": [number % 2 == 0 for number in numbers],
            }
        )
        equal(cursor.adbc_ingest("INGESTED", table, mode="create"), count)
        equal(cursor.adbc_ingest("INGESTED", table.slice(0, 10), mode="append"), 10)
        found = rows(cursor, 'select count(*), sum("n"), sum("x"), count("s"), min("d"), max("t"), count_if("b") from ingested')
        total = sum(numbers) + 45
        expected = (
            count + 10,
            total,
            total / 4,
            count * 9 // 10 + 9,
            datetime.date(2024, 2, 29),
            datetime.datetime(2024, 2, 29, 1, 2, 3, 456000),
            count // 2 + 5,
        )
        equal(found, [expected])


def contexts():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("create database remembered")

        def statements():
            cursor.execute("create table remembered.public.t (a int)")
            cursor.execute("insert into remembered.public.t values (1)")
            equal(rows(cursor, "select a from remembered.public.t"), [(1,)])
            equal(rows(cursor, "select 1"), [(1,)])

        # The Go driver leaves out what a context is for, and sends the rest.
        SERVER.contexts_go_back(statements, "incomplete")


def renewal():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("create database renewed")
        cursor.execute("use schema renewed.public")
        cursor.execute("create table t (a int)")
        cursor.execute("begin")
        cursor.execute("insert into t values (1)")
        SERVER.expire_next_statement()
        cursor.execute("insert into t values (2)")
        equal(SERVER.expirations_and_renewals(), [1, 1])
        equal(rows(cursor, "select count(*) from t"), [(2,)])
        cursor.execute("rollback")
        equal(rows(cursor, "select count(*) from t"), [(0,)])


def errors():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("create database wrong")
        cursor.execute("use schema wrong.public")
        message = refused(cursor, "select * from no_such_table", 2003, "42S02")
        assert "Object 'NO_SUCH_TABLE' does not exist or not authorized" in message, message
        refused(cursor, "select no_such_column", 904, "42000")
        refused(cursor, "selec 1", 1003, "42000")
        refused(cursor, "select 'x'::int", 100038, "22018")
        equal(rows(cursor, "select 1"), [(1,)])


def close():
    before = SERVER.sessions()
    connection = connect()
    assert SERVER.sessions() > before
    connection.close()
    equal(SERVER.sessions(), before)


cells.announce("adbc-driver-snowflake", version("adbc-driver-snowflake"))
cells.run(
    login=login,
    types_json=as_json,
    types_arrow=as_arrow,
    large_result=large,
    binds=binds,
    array_binds=array_binds,
    asynchronous=cells.absent("ADBC waits for every statement"),
    cancel=cancel,
    multi_statement=cells.absent("the driver runs one statement at a time"),
    transaction=transaction,
    contexts=contexts,
    metadata=metadata,
    everyday=everyday,
    files=files,
    renewal=renewal,
    errors=errors,
    close=close,
)
