"""Statements on a kept connection: prints the median in milliseconds.

  python kept.py connector|adbc PORT STATEMENTS
"""

import statistics
import sys
import time

import peers

with peers.connect(sys.argv[1], int(sys.argv[2])) as connection, connection.cursor() as cursor:
    samples = []
    for index in range(int(sys.argv[3]) + 20):
        start = time.perf_counter()
        cursor.execute("select 1")
        cursor.fetchall()
        if index >= 20:
            samples.append(time.perf_counter() - start)
print(statistics.median(samples) * 1e3)
