"""A daemon as one would first write it: FastAPI over a pool of Python connectors, a health check before each statement.

  python daemon.py PORT_OF_SNOWFLAKE

Says where it listens on stderr, as uvicorn does. It answers `POST /query` with rows as JSON.
"""

import sys
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

import peers

POOL_SIZE = 3
UPSTREAM = int(sys.argv[1])
pool = []


class Statement(BaseModel):
    sql: str


@asynccontextmanager
async def lifespan(_app):
    yield
    for connection in pool:
        connection.close()


app = FastAPI(lifespan=lifespan)


def healthy_connection():
    """The first connection that answers; a new one while the pool has room."""
    for connection in list(pool):
        try:
            connection.cursor().execute("SELECT 1").fetchall()
            return connection
        except Exception:
            pool.remove(connection)
    if len(pool) < POOL_SIZE:
        pool.append(peers.connect("connector", UPSTREAM))
    return pool[-1]


@app.post("/query")
async def query(statement: Statement):
    cursor = healthy_connection().cursor()
    rows = cursor.execute(statement.sql).fetchall()
    return {"columns": [column.name for column in cursor.description], "rows": [list(row) for row in rows]}


uvicorn.run(app, host="127.0.0.1", port=0, log_level="info", access_log=False)
