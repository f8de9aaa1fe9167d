"""libsql-server: a primary and a read replica, each killed; a replica that starts without files.

libsql.py EXTENSION FOLDER SQLD [--rows N]
"""

import argparse
import hashlib
import json
import os
import shutil

from checks import check, finish, until
from server import Server, ServerError, free_ports, request
from vectors import Stored, from_base64, in_base64, made

TABLE = "CREATE VIRTUAL TABLE v USING hannoy(dim=64, metric=cosine)"
INSERT = "INSERT OR REPLACE INTO v(rowid, vector) VALUES (?, ?)"
SEARCH = "SELECT rowid, distance FROM v WHERE knn_match(vector, ?) AND k = 10"
STRATEGY = "SELECT value FROM hannoy_info('v') WHERE key = 'last_strategy'"
BUILD = "SELECT hannoy_build('v')"
BATCH = 100
WALKS_WITHIN = 10


def value(python):
    """A parameter as the protocol has it."""
    if isinstance(python, bytes):
        return {"type": "blob", "base64": in_base64(python)}
    return {"type": "integer", "value": str(python)}


def python(value):
    kind = value["type"]
    if kind == "integer":
        return int(value["value"])
    return from_base64(value["base64"]) if kind == "blob" else value.get("value")


class Sqld(Server):
    def __init__(self, name, folder, sqld, extensions):
        super().__init__(f"{folder}/{name}.log")
        self.name, self.sqld, self.extensions = name, sqld, extensions
        self.folder = f"{folder}/{name}"
        http, grpc = free_ports(2)
        self.http, self.grpc = f"127.0.0.1:{http}", f"127.0.0.1:{grpc}"

    def start(self, primary=None):
        command = [self.sqld, "--no-welcome", "-d", self.folder, "-e", self.extensions]
        command += ["--http-listen-addr", self.http]
        if primary:
            command += ["--primary-grpc-url", f"http://{primary.grpc}"]
        else:
            command += ["--grpc-listen-addr", self.grpc]
        self.run(*command)
        if until(60, lambda: self.call("SELECT 1")) is None:
            raise SystemExit(f"the {self.name} is not ready after 60 s: see {self.log}")

    def call(self, *statements):
        """The rows of each statement, SQL or SQL and its parameters.  All run in one connection."""
        requests = []
        for statement in statements:
            sql, *parameters = [statement] if isinstance(statement, str) else statement
            arguments = [value(p) for p in parameters]
            requests.append({"type": "execute", "stmt": {"sql": sql, "args": arguments}})
        requests.append({"type": "close"})
        answer = json.loads(request(f"http://{self.http}/v2/pipeline", {"requests": requests}))
        rows = []
        for result in answer["results"][:-1]:
            if result["type"] == "error":
                raise ServerError(result["error"]["message"])
            found = result["response"]["result"]["rows"]
            rows.append([tuple(python(v) for v in row) for row in found])
        return rows

    def search(self, vector):
        """(rows, strategy)"""
        rows, strategy = self.call((SEARCH, vector.tobytes()), STRATEGY)
        return rows, strategy[0][0]

    def stored(self):
        return dict(self.call("SELECT rowid, vector FROM v")[0])

    def state(self):
        return self.call("SELECT value FROM hannoy_info('v') WHERE key = 'state'")[0][0][0]


class Servers:
    def __init__(self, primary, replica, stored, queries):
        self.primary, self.replica = primary, replica
        self.stored, self.queries = stored, queries

    def write(self, rowids, shift=0):
        for begin in range(rowids.start, rowids.stop, BATCH):
            batch = range(begin, min(begin + BATCH, rowids.stop))
            rows = [(INSERT, r, self.stored.vector_of(r, shift).tobytes()) for r in batch]
            self.primary.call("BEGIN", *rows, "COMMIT")
            self.stored.put(batch, shift)

    def check(self, after):
        want = self.primary.call("SELECT max(seq) FROM v_log")
        log = "SELECT max(seq) FROM v_log"
        caught_up = until(60, lambda: self.replica.call(log) == want)
        check(caught_up is not None, f"{after}: the replica has all changes")
        answers = []
        for server in (self.primary, self.replica):
            if "no index" in server.state():
                server.call(BUILD)
            took = until(WALKS_WITHIN, lambda: server.search(self.queries[0])[1] == "walk")
            shown = f"after {took:.1f} s" if took is not None else server.state()
            check(took is not None, f"{after}: the {server.name} searches by its index", shown)
            wrong = self.stored.differing(server.stored())
            check(not wrong, f"{after}: the {server.name} has all {len(self.stored.chosen)} rows",
                  f"{len(wrong)} differ, such as {wrong[:5]}" if wrong else "")
            answers.append([server.search(q)[0] for q in self.queries])
            judged = [self.stored.judge(q, a) for q, a in zip(self.queries, answers[-1])]
            recall = sum(r for r, _ in judged) / len(judged)
            error = max(e for _, e in judged)
            check(recall > 0.9 and error < 1e-12, f"{after}: the {server.name} finds the nearest",
                  f"recall {recall:.3f}, distances within {error:.0e}")
        differ = sum(dict(a).get(r, d) != d for a, b in zip(*answers) for r, d in b)
        check(differ == 0, f"{after}: distances are the same bits on both")


def trusted(extension, folder):
    """The folder that sqld loads extensions from: it wants their digests in a list."""
    os.makedirs(folder)
    shutil.copy(extension, f"{folder}/hannoy.so")
    with open(extension, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    with open(f"{folder}/trusted.lst", "w") as f:
        f.write(f"{digest}  hannoy.so\n")
    return folder


def main():
    options = argparse.ArgumentParser()
    options.add_argument("extension")
    options.add_argument("folder")
    options.add_argument("sqld")
    options.add_argument("--rows", type=int, default=10000)
    o = options.parse_args()
    extensions = trusted(o.extension, f"{o.folder}/extensions")
    primary = Sqld("primary", o.folder, o.sqld, extensions)
    replica = Sqld("replica", o.folder, o.sqld, extensions)
    vectors = made(o.rows + 50)
    servers = Servers(primary, replica, Stored(vectors[: o.rows]), vectors[o.rows :])
    try:
        primary.start()
        replica.start(primary)
        primary.call(TABLE)
        servers.write(range(1, o.rows + 1))
        servers.check("loaded")
        primary.kill()
        primary.start()
        servers.write(range(1, o.rows // 5), shift=1)
        servers.check("the primary killed")
        replica.kill()
        servers.write(range(o.rows // 5, o.rows // 2), shift=2)
        replica.start(primary)
        servers.check("the replica killed, and away over builds")
        replica.kill()
        shutil.rmtree(replica.folder)
        replica.start(primary)
        servers.check("the replica wiped")
    finally:
        primary.kill()
        replica.kill()
    finish()


if __name__ == "__main__":
    main()
