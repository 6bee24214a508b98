"""Asks the daemon of `daemon.py`.

  python daemon_client.py PORT               one statement, as a command would
  python daemon_client.py PORT STATEMENTS    on one connection: prints the median in milliseconds
"""

import statistics
import sys
import time

import httpx

statements = int(sys.argv[2]) if len(sys.argv) > 2 else 0
with httpx.Client(base_url=f"http://127.0.0.1:{sys.argv[1]}", timeout=60) as client:
    samples = []
    for index in range(statements + 20 if statements else 1):
        start = time.perf_counter()
        answer = client.post("/query", json={"sql": "select 1"}).raise_for_status().json()
        assert len(answer["rows"]) == 1
        if index >= 20:
            samples.append(time.perf_counter() - start)
if statements:
    print(statistics.median(samples) * 1e3)
