"""Fixtures that give tests a Snowflake on this machine.

Copy this file beside your tests. `snowflake-emulator` has to be on the search path, or in SNOWFLAKE_EMULATOR; Snowflake's
Python connector is the only package that is needed.
"""

import json
import os
import subprocess
import time
import uuid

import pytest
import snowflake.connector

START_SECONDS_MAX = 30


@pytest.fixture(scope="session")
def snowflake_server(tmp_path_factory):
    """One emulator in memory for all tests, on a port of its own; gives the arguments that lead a client there."""
    folder = tmp_path_factory.mktemp("snowflake")
    ready = folder / "ready.json"
    program = os.environ.get("SNOWFLAKE_EMULATOR", "snowflake-emulator")
    command = [program, "serve", "--in-memory", "--listen", "127.0.0.1:0", "--ready-file", str(ready)]
    with open(folder / "emulator.log", "wb") as log:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_SECONDS_MAX
        while not ready.exists():
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail("the emulator did not start:\n" + (folder / "emulator.log").read_text())
            time.sleep(0.01)
        host, port = json.loads(ready.read_text())["address"].rsplit(":", 1)
        yield {"account": "local", "user": "test", "password": "any", "host": host, "port": int(port), "protocol": "http"}
    finally:
        server.terminate()
        server.wait(timeout=START_SECONDS_MAX)


@pytest.fixture
def snowflake_connection(snowflake_server):
    """A session in a database of its own, which is dropped after the test."""
    database = f"test_{uuid.uuid4().hex}"
    with snowflake.connector.connect(**snowflake_server) as connection:
        with connection.cursor() as cursor:
            cursor.execute(f"create database {database}")
            cursor.execute(f"use schema {database}.public")
        yield connection
        with connection.cursor() as cursor:
            cursor.execute(f"drop database {database}")
