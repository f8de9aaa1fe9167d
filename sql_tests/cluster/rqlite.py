"""Three rqlite nodes: leaders are killed, a node is away, one is wiped, a backup is loaded.

rqlite.py EXTENSION FOLDER RQLITED [--rows N] [--kills N]

Every node must have each acknowledged row, compute the same distances to the bit, and search by
its index within ten seconds of being ready, also one that came without an index.
"""

import argparse
import json
import random
import shutil
import threading
import time

import checks
from checks import LAST_CHANGE, SEARCH, STATE, STORED, STRATEGY, check, finish, note, until
from server import Server, ServerError, free_ports, request
from vectors import Stored, from_base64, made

TABLE = "CREATE VIRTUAL TABLE v USING hannoy(dim=64, metric=cosine)"
INSERT = "INSERT OR REPLACE INTO v(rowid, vector) VALUES (?, ?)"
BATCH = 500
# Snapshots are frequent, so that a node that was away gets one and not the log.
SNAPSHOTS = ["-raft-snap", "40", "-raft-snap-int", "2s"]


def parameter(vector):
    """rqlite binds a string of this form as a BLOB."""
    return "x'" + vector.tobytes().hex() + "'"


class Node(Server):
    def __init__(self, number, folder, rqlited, extension):
        super().__init__(f"{folder}/node{number}.log")
        self.number, self.name = number, f"node {number}"
        self.rqlited, self.extension = rqlited, extension
        self.folder = f"{folder}/node{number}"
        self.http, self.raft = (f"127.0.0.1:{port}" for port in free_ports(2))

    def start(self, join=None):
        command = [self.rqlited, "-node-id", str(self.number), "-http-addr", self.http]
        command += ["-raft-addr", self.raft, "-extensions-path", self.extension, *SNAPSHOTS]
        if join:
            command += ["-join", join.raft]
        self.run(*command, self.folder)
        if until(120, lambda: request(f"http://{self.http}/readyz", timeout=2)) is None:
            raise SystemExit(f"{self.name} is not ready after 120 s: see {self.log}")

    def wipe(self):
        shutil.rmtree(self.folder)

    def post(self, path, body, **more):
        answer = json.loads(request(f"http://{self.http}{path}", body, **more))
        bad = [r["error"] for r in [answer, *answer.get("results", [])] if "error" in r]
        if bad:
            raise ServerError(bad[0])
        return answer.get("results", [])

    def execute(self, *statements):
        return self.post("/db/execute?transaction&timeout=60s", list(statements))

    def query(self, *statements, level="none"):
        """The rows of each statement.  All of a request run in one connection."""
        results = self.post(f"/db/query?level={level}", list(statements))
        return [r.get("values", []) for r in results]

    def search(self, vector):
        """(rows, strategy)"""
        rows, strategy = self.query([SEARCH, parameter(vector)], [STRATEGY])
        return [tuple(r) for r in rows], strategy[0][0]

    def stored(self):
        (rows,) = self.query([STORED])
        return {rowid: from_base64(vector) for rowid, vector in rows}

    def state(self):
        return self.query([STATE])[0][0][0]

    def leader(self):
        nodes = json.loads(request(f"http://{self.http}/nodes?ver=2", timeout=5))["nodes"]
        return next((int(n["id"]) for n in nodes if n.get("leader") and n.get("reachable")), None)


class Cluster:
    def __init__(self, nodes, stored, queries):
        self.nodes, self.stored, self.queries = nodes, stored, queries

    def leader(self):
        """The node that one of those that run calls the leader, and that runs."""
        found = []

        def ask():
            for node in self.nodes:
                if node.alive():
                    number = node.leader()
                    found.extend(n for n in self.nodes if n.number == number and n.alive())
                    if found:
                        return True
            return False

        if until(60, ask) is None:
            raise SystemExit("there is no leader after 60 s")
        return found[0]

    def write(self, rowids, shift=0):
        """Until it is acknowledged: the same rows again have the same effect."""
        rowids = list(rowids)
        rows = [[INSERT, r, parameter(self.stored.vector_of(r, shift))] for r in rowids]
        attempts = 0

        def once():
            nonlocal attempts
            attempts += 1
            self.leader().execute(*rows)
            return True

        if until(120, once) is None:
            raise SystemExit(f"no write was acknowledged for 120 s, after {attempts} attempts")
        self.stored.put(rowids, shift)
        return attempts

    def remove(self, first, last):
        self.leader().execute(["DELETE FROM v WHERE rowid BETWEEN ? AND ?", first, last])
        self.stored.remove(range(first, last + 1))

    def settle(self):
        """Every node has applied what the leader had when this was called."""
        (want,) = self.leader().query([LAST_CHANGE], level="strong")
        for node in self.nodes:
            if until(120, lambda: node.query([LAST_CHANGE])[0] == want) is None:
                check(False, f"{node.name} applies all writes within 120 s")

    def check_walks(self, node, after):
        checks.check_walks(node, self.queries[0], after)

    def check_answers(self, after):
        self.settle()
        answers = [
            checks.check_answers(node, self.stored, self.queries, after) for node in self.nodes
        ]
        checks.check_same_bits(answers, after)


class Writer(threading.Thread):
    """Writes rows again with other vectors until it is stopped."""

    def __init__(self, cluster, rows):
        super().__init__()
        self.cluster, self.rows = cluster, rows
        self.stopping = threading.Event()
        self.batches = self.attempts = 0

    def run(self):
        while not self.stopping.is_set():
            first = 1 + self.batches * 100 % (self.rows - 100)
            shift = 1 + self.batches
            self.attempts += self.cluster.write(range(first, first + 100), shift)
            self.batches += 1

    def stop(self):
        self.stopping.set()
        self.join()


def load(cluster, rows):
    first, second, third = cluster.nodes
    first.start()
    second.start(join=first)
    third.start(join=first)
    first.execute([TABLE])
    start = time.monotonic()
    slowest = 0
    for begin in range(1, rows + 1, BATCH):
        before = time.monotonic()
        cluster.write(range(begin, min(begin + BATCH, rows + 1)))
        slowest = max(slowest, time.monotonic() - before)
    note(f"{rows} rows in {time.monotonic() - start:.1f} s, the slowest {BATCH} in {slowest:.2f} s")
    cluster.settle()
    for node in cluster.nodes:
        cluster.check_walks(node, "loaded")
    cluster.check_answers("loaded")


def kill_leaders(cluster, rows, kills):
    """Half of the leaders are killed while they build or link, the others at any time."""
    writer = Writer(cluster, rows)
    writer.start()
    building = 0
    for number in range(kills):
        time.sleep(random.uniform(0.2, 1))
        leader = cluster.leader()
        if number % 2 == 0:
            busy = "SELECT value FROM hannoy_info('v') WHERE key = 'phase'"
            until(20, lambda: leader.query([busy])[0][0][0])
            building += bool(leader.query([busy])[0][0][0])
        leader.kill()
        cluster.leader()
        leader.start()
        cluster.check_walks(leader, f"kill {number + 1}")
    writer.stop()
    note(f"{building} of {kills} leaders were killed in a build; {writer.batches} batches were "
         f"acknowledged, after {writer.attempts} attempts")
    cluster.check_answers(f"{kills} kills")


def follower(cluster):
    leader = cluster.leader()
    return next(n for n in cluster.nodes if n is not leader)


def leave_for_builds(cluster, rows):
    node = follower(cluster)
    node.stop()
    for begin in range(rows + 1, rows + 5001, BATCH):
        cluster.write(range(begin, begin + BATCH))
    cluster.remove(1, 500)
    time.sleep(5)  # for a snapshot of the others: the log then no longer reaches back to this node
    node.start()
    cluster.check_walks(node, "away over five builds")
    cluster.check_answers("away over five builds")


def wipe(cluster):
    node = follower(cluster)
    node.kill()
    node.wipe()
    node.start(join=cluster.leader())
    cluster.check_walks(node, "wiped and joined")
    cluster.check_answers("wiped and joined")


def load_backup(cluster, rows):
    leader = cluster.leader()
    backup = request(f"http://{leader.http}/db/backup")
    then = cluster.stored.copy()
    cluster.write(range(rows + 10001, rows + 10001 + BATCH))
    cluster.leader().post("/db/load", backup, content="application/octet-stream")
    cluster.stored = then
    for node in cluster.nodes:
        until(60, lambda: len(node.stored()) == len(then.chosen))
        cluster.check_walks(node, "a backup loaded")
    cluster.check_answers("a backup loaded")
    cluster.write(range(rows + 20001, rows + 20001 + BATCH))
    cluster.check_answers("written after it")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("extension")
    options.add_argument("folder")
    options.add_argument("rqlited")
    options.add_argument("--rows", type=int, default=60000)
    options.add_argument("--kills", type=int, default=10)
    o = options.parse_args()
    vectors = made(o.rows + 50)
    nodes = [Node(n, o.folder, o.rqlited, o.extension) for n in (1, 2, 3)]
    cluster = Cluster(nodes, Stored(vectors[: o.rows]), vectors[o.rows :])
    try:
        load(cluster, o.rows)
        kill_leaders(cluster, o.rows, o.kills)
        leave_for_builds(cluster, o.rows)
        wipe(cluster)
        load_backup(cluster, o.rows)
    finally:
        for node in nodes:
            node.kill()
    finish()


if __name__ == "__main__":
    main()
