"""Loading the million rows: prints rows a second, for a file also those of COPY alone.

  python load.py copy|bound|values PORT CSV ROWS [compressed]
  python load.py floor 0 CSV ROWS          DuckDB's own reader, in this process
"""

import csv
import itertools
import pathlib
import sys
import time

COLUMNS = "id int, amount {number}(12,2), name varchar(20), score double, ts {timestamp}, d date"
VALUES_A_STATEMENT = 1000


def floor(path):
    import duckdb

    database = duckdb.connect()
    database.execute(f"create table t ({COLUMNS.format(number='decimal', timestamp='timestamp')})")
    start = time.perf_counter()
    database.execute(f"insert into t select * from read_csv('{path}', header=false)")
    seconds = time.perf_counter() - start
    return database.execute("select count(*) from t").fetchone()[0], [seconds]


def copy(cursor, path, compressed):
    cursor.execute("create or replace stage load_files")
    start = time.perf_counter()
    put = f"put {pathlib.Path(path).as_uri()} @load_files auto_compress={str(compressed).lower()} overwrite=true"
    cursor.execute(put)
    sent = time.perf_counter()
    cursor.execute("copy into loaded from @load_files file_format=(type=csv)")
    end = time.perf_counter()
    return [end - start, end - sent]


def bound(cursor, rows):
    start = time.perf_counter()
    cursor.executemany("insert into loaded values (?,?,?,?,?,?)", rows)
    return [time.perf_counter() - start]


def values(cursor, rows):
    start = time.perf_counter()
    for at in range(0, len(rows), VALUES_A_STATEMENT):
        texts = (f"({i},{amount},'{name}',{score},'{ts}','{d}')" for i, amount, name, score, ts, d in rows[at : at + VALUES_A_STATEMENT])
        cursor.execute("insert into loaded values " + ",".join(texts))
    return [time.perf_counter() - start]


def load(mode, port, path, count, compressed):
    import snowflake.connector

    import peers

    snowflake.connector.paramstyle = "qmark"
    with peers.connect("connector", port) as connection, connection.cursor() as cursor:
        cursor.execute("use database bench")
        cursor.execute("use schema bench.s")
        cursor.execute(f"create or replace table loaded ({COLUMNS.format(number='number', timestamp='timestamp_ntz')})")
        if mode == "copy":
            seconds = copy(cursor, path, compressed)
        else:
            with open(path, newline="") as file:
                rows = list(itertools.islice(csv.reader(file), count))
            seconds = {"bound": bound, "values": values}[mode](cursor, rows)
        loaded = cursor.execute("select count(*) from loaded").fetchone()[0]
        cursor.execute("drop table loaded")
    return loaded, seconds


mode, port, path, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
loaded, seconds = floor(path) if mode == "floor" else load(mode, port, path, count, "compressed" in sys.argv[5:])
assert loaded == count, f"{loaded} of {count} rows arrived"
print(*(count / one for one in seconds))
