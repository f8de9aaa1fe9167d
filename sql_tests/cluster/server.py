"""A server process with a log of its own, and requests of JSON to it."""

import http.client
import json
import signal
import socket
import subprocess
import urllib.request


class ServerError(OSError):
    """The server answered, and what it answered is an error."""


def free_ports(count):
    """Ports that nobody listened on a moment ago; they are all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Server:
    def __init__(self, log):
        self.log = log
        self.process = None

    def run(self, *command, env=None):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env
            )

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self, sig=signal.SIGKILL):
        if self.alive():
            self.process.send_signal(sig)
            self.process.wait()

    def stop(self):
        self.kill(signal.SIGTERM)


def request(url, body=None, content="application/json", timeout=120):
    """The bytes of the answer.  `body` is bytes, or what JSON can express; None makes it a GET."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    asked = urllib.request.Request(url, data=data, headers={"Content-Type": content})
    try:
        with urllib.request.urlopen(asked, timeout=timeout) as answer:
            return answer.read()
    except http.client.HTTPException as e:  # cut short by the server's end
        raise ServerError(repr(e)) from e
