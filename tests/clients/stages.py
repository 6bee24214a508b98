"""Files with the official connector: put, listed, loaded, unloaded, fetched; rows in bulk; the past.

Each function takes a cursor of a session in an empty database and asserts what Snowflake documents or does.
"""

import datetime

import pandas
import snowflake.connector
from snowflake.connector.pandas_tools import write_pandas

# More values than clients send in a request: they put files down and name them.
MANY = 20_000


def rows(cursor, sql, *arguments):
    return cursor.execute(sql, *arguments).fetchall()


def files(cursor, folder):
    """PUT compresses and keeps what is there, COPY loads once, GET brings the same bytes back."""
    text = "id,name\n1,one\n2,two\n"
    (folder / "a.csv").write_text(text)
    cursor.execute("create stage s file_format = (type = csv skip_header = 1)")
    (put,) = rows(cursor, f"put file://{folder}/a.csv @s/in")
    assert put[0] == "a.csv" and put[1] == "a.csv.gz" and put[6] == "UPLOADED", put
    (plain,) = rows(cursor, f"put 'file://{folder}/a.csv' @s/plain auto_compress = false overwrite = true")
    assert plain[1] == "a.csv" and plain[6] == "UPLOADED", plain
    names = [row[0] for row in rows(cursor, "list @s")]
    assert names == ["s/in/a.csv.gz", "s/plain/a.csv"], names
    cursor.execute("create table t (id int, name varchar)")
    (copied,) = rows(cursor, "copy into t from @s/in")
    assert copied[:4] == ("s/in/a.csv.gz", "LOADED", 2, 2), copied
    assert rows(cursor, "copy into t from @s/in") == [("Copy executed with 0 files processed.",)]
    assert rows(cursor, "select * from t order by id") == [(1, "one"), (2, "two")]
    assert rows(cursor, "select $2 from @s/plain order by 1") == [("one",), ("two",)]

    target = folder / "fetched"
    target.mkdir()
    (got,) = rows(cursor, f"get @s/plain file://{target}")
    assert got[0] == "a.csv" and got[2] == "DOWNLOADED", got
    assert (target / "a.csv").read_text() == text
    cursor.execute("copy into @s/out from t file_format = (type = csv compression = none) header = true")
    rows(cursor, f"get @s/out file://{target}")
    assert (target / "out_0_0_0.csv").read_text() == "ID,NAME\n1,one\n2,two\n"

    (folder / "a.csv").write_text("other\n")
    rows(cursor, f"put file://{folder}/a.csv @s/plain auto_compress = false overwrite = true")
    assert rows(cursor, "select count(*) from @s/plain") == [(0,)], "the header alone is left"
    assert rows(cursor, "remove @s/plain") == [("s/plain/a.csv", "removed")]


def several(cursor, folder):
    """A pattern puts several files; what is there stays unless it is to be replaced."""
    cursor.execute("create stage many")
    for name in ("x1.csv", "x2.csv"):
        (folder / name).write_text(f"{name}\n")
    put = rows(cursor, f"put file://{folder}/x*.csv @many auto_compress = false")
    assert sorted((row[1], row[6]) for row in put) == [("x1.csv", "UPLOADED"), ("x2.csv", "UPLOADED")], put
    names = [row[0] for row in rows(cursor, "list @many")]
    assert names == ["many/x1.csv", "many/x2.csv"], names
    (folder / "x1.csv").write_text("another text\n")
    put = rows(cursor, f"put file://{folder}/x*.csv @many auto_compress = false")
    # Only a client that has a token can look.
    status = "SKIPPED" if snowflake.connector.__version__.startswith("5.") else "UPLOADED"
    assert {row[6] for row in put} == {status}, put
    assert rows(cursor, "select $1 from @many order by 1") == [("x1.csv",), ("x2.csv",)]


def frames(connection, cursor):
    """write_pandas makes the table, fills it, and replaces its rows."""
    frame = pandas.DataFrame(
        {
            "id": [1, 2, 3],
            "Text": ["x", None, "z"],
            "f": [1.5, None, 2.5],
            "t": [pandas.Timestamp("2024-01-01"), pandas.Timestamp("2024-02-29 12:34:56.789"), pandas.NaT],
        }
    )
    written = write_pandas(connection, frame, "frame", auto_create_table=True)
    assert written[0] and written[2] == 3, written
    expected = [
        (1, "x", 1.5, datetime.datetime(2024, 1, 1)),
        (2, None, None, datetime.datetime(2024, 2, 29, 12, 34, 56, 789000)),
        (3, "z", 2.5, None),
    ]
    assert rows(cursor, 'select * from "frame" order by 1') == expected
    write_pandas(connection, frame, "frame", overwrite=True, auto_create_table=False)
    assert rows(cursor, 'select count(*) from "frame"') == [(3,)]


def bulk(cursor):
    """executemany: in the request while the values are few, through a stage when they are many."""
    cursor.execute("create table bulk (i int, s varchar, n number(10,2), d date, b boolean)")
    day = datetime.date(2024, 2, 29)
    for count in (3, MANY):
        values = [(i, f"text {i}, \"quoted\"", i / 4, day, i % 2 == 0) for i in range(count)]
        cursor.executemany("insert into bulk values (?, ?, ?, ?, ?)", values)
        assert cursor.rowcount == count, cursor.rowcount
        assert rows(cursor, "select count(*), sum(i), min(d), count_if(b) from bulk") == [
            (count, count * (count - 1) // 2, day, (count + 1) // 2)
        ]
        assert rows(cursor, "select s, n from bulk where i = 2") == [('text 2, "quoted"', 0.5)]
        cursor.execute("truncate table bulk")


def past(cursor):
    """The table as it was before a statement, and a result read again."""
    cursor.execute("create table t (id int, name varchar)")
    cursor.execute("insert into t values (1, 'one'), (2, 'two')")
    cursor.execute("update t set name = 'changed'")
    assert rows(cursor, f"select name from t before (statement => '{cursor.sfqid}') order by id") == [
        ("one",),
        ("two",),
    ]
    rows(cursor, "select id, name from t")
    again = rows(cursor, "select count(*), min(name) from table(result_scan(last_query_id())) where id > 1")
    assert again == [(1, "changed")], again
