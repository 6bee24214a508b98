"""A large select as an Arrow table, the connection already open: prints seconds and rows.

  python fetch.py connector|adbc PORT SQL
"""

import sys
import time

import peers

with peers.connect(sys.argv[1], int(sys.argv[2])) as connection, connection.cursor() as cursor:
    start = time.perf_counter()
    cursor.execute(sys.argv[3])
    table = peers.fetch_arrow(sys.argv[1], cursor)
    print(time.perf_counter() - start, table.num_rows)
