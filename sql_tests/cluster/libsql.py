"""libsql-server: a primary and a read replica, each killed; a replica that starts without files.

libsql.py EXTENSION FOLDER SQLD [--rows N]
"""

import argparse
import hashlib
import json
import os
import shutil

from checks import LAST_CHANGE, SEARCH, STATE, STORED, STRATEGY
from checks import check, check_answers, check_same_bits, check_walks, finish, until
from server import Server, ServerError, free_ports, request
from vectors import Stored, from_base64, in_base64, made

TABLE = "CREATE VIRTUAL TABLE v USING hannoy(dim=64, metric=cosine)"
INSERT = "INSERT OR REPLACE INTO v(rowid, vector) VALUES (?, ?)"
BATCH = 100


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
        self.name, self.sqld, self.extensions = f"the {name}", sqld, extensions
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
            raise SystemExit(f"{self.name} is not ready after 60 s: see {self.log}")

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
        return dict(self.call(STORED)[0])

    def state(self):
        return self.call(STATE)[0][0][0]


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
        want = self.primary.call(LAST_CHANGE)
        caught_up = until(60, lambda: self.replica.call(LAST_CHANGE) == want)
        check(caught_up is not None, f"{after}: {self.replica.name} has all changes")
        check_walks(self.primary, self.queries[0], after)
        check_walks(self.replica, self.queries[0], after)
        nodes = (self.primary, self.replica)
        answers = [check_answers(node, self.stored, self.queries, after) for node in nodes]
        check_same_bits(answers, after)


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
