"""One statement with a new connection, as a script would do it.

  python one.py connector|adbc PORT [SQL]
"""

import sys

import peers

with peers.connect(sys.argv[1], int(sys.argv[2])) as connection, connection.cursor() as cursor:
    cursor.execute(sys.argv[3] if len(sys.argv) > 3 else "select 1")
    cursor.fetchall()
