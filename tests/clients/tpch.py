"""Asks the TPC-H queries through the official connector: one line of JSON for each answer.

  python tpch.py PORT SCHEMA FOLDER
"""

import json
import pathlib
import sys

import session


def main(port, schema, folder):
    with session.connect(port, database="SNOWFLAKE_SAMPLE_DATA", schema=schema) as connection:
        for path in sorted(pathlib.Path(folder).glob("q[0-9][0-9].sql")):
            with connection.cursor() as cursor:
                cursor.execute(path.read_text())
                columns = [column.name for column in cursor.description]
                rows = [[session.text(value) for value in row] for row in cursor.fetchall()]
            print(json.dumps({"query": int(path.stem[1:]), "columns": columns, "rows": rows}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
