"""Runs whole processes in interleaved rounds: wall and CPU time in milliseconds, peak memory in megabytes.

Reads JSON from stdin: {"rounds": n, "commands": {name: {"argv": [...], "env": {...}, "times": n}}}
Prints JSON: {name: {"wall": [...], "cpu": [...], "memory": [...]}}, one figure a round (the median of its runs).
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time


def timed(argv, env):
    """Spawned rather than forked, so that this script's own size is not part of the figure."""
    null = os.open(os.devnull, os.O_RDWR)
    with tempfile.TemporaryFile() as errors:
        actions = [(os.POSIX_SPAWN_DUP2, fd, target) for fd, target in ((null, 0), (null, 1), (errors.fileno(), 2))]
        start = time.perf_counter()
        pid = os.posix_spawnp(argv[0], argv, env, file_actions=actions)
        _, status, usage = os.wait4(pid, 0)
        wall = time.perf_counter() - start
        os.close(null)
        if code := os.waitstatus_to_exitcode(status):
            errors.seek(0)
            sys.exit(f"{argv[0]} ended with {code}: {errors.read().decode()[-2000:]}")
    return wall * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3


def peak_memory(argv, env):
    """Watched while it runs: what the kernel reports at the end includes the memory of this very script."""
    process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status") as status:
                for line in status:
                    if line.startswith("VmHWM:"):
                        peak = int(line.split()[1])
        except OSError:
            pass
    return peak / 1024


def main():
    plan = json.load(sys.stdin)
    results = {name: {"wall": [], "cpu": [], "memory": []} for name in plan["commands"]}
    for index in range(plan["rounds"] + 1):
        for name, command in plan["commands"].items():
            env = os.environ | command.get("env", {})
            runs = [timed(command["argv"], env) for _ in range(command.get("times", 1))]
            if index == 0:
                continue  # A warm-up: files come into the page cache.
            results[name]["wall"].append(statistics.median(wall for wall, _ in runs))
            results[name]["cpu"].append(statistics.median(cpu for _, cpu in runs))
            results[name]["memory"].append(peak_memory(command["argv"], env))
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
