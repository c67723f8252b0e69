"""An HTTP server that lies over a real socket, and clients that do: for any test of a program that speaks Negotiate."""
# SPDX-License-Identifier: MIT

import contextlib
import socket
import threading

from programs import HOST, SECONDS

CHALLENGE = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="a", Negotiate\r\nContent-Length: 5\r\n\r\nlogin'


def page(*fields, status="200 OK", length=5):
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, f"Content-Length: {length}", "", "page\n"]).encode()


class HostileServer:
    """Takes one connection and says to each request what comes next in `answers`: bytes, a list of them, which go out one
    by one, or a function of the request that returns either. After the last one it closes."""

    def __init__(self, *answers):
        self.requests = []
        self.answers = answers
        self.listener = socket.create_server((HOST, 0))
        self.listener.settimeout(SECONDS)
        self.port = str(self.listener.getsockname()[1])
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.thread.join()

    def _run(self):
        # The client has gone where it must not go on: nothing to tell.
        with contextlib.suppress(OSError), self.listener, self.listener.accept()[0] as client:
            client.settimeout(SECONDS)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for answer in self.answers:
                request = b""
                while not request.endswith(b"\r\n\r\n"):
                    more = client.recv(65536)
                    if not more:
                        return
                    request += more
                self.requests.append(request)
                said = answer(request) if callable(answer) else answer
                for part in [said] if isinstance(said, bytes) else said:
                    client.sendall(part)


def in_bytes(text):
    return [text[at:at + 1] for at in range(len(text))]


def authorization_in(request):
    """The value of that header, or nothing."""
    for line in request.split(b"\r\n"):
        if line.lower().startswith(b"authorization:"):
            return line[14:].strip()
    return b""


def get(*fields):
    return b"\r\n".join([b"GET / HTTP/1.1", b"Host: localhost", *fields, b"", b""])


def talk(port, *parts):
    """Sends these one by one on one connection, closes that direction, and returns all that comes back."""
    with socket.create_connection((HOST, int(port))) as connection:
        connection.settimeout(SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answer = b""
        with contextlib.suppress(ConnectionError):  # it may close before it has read all
            for part in parts:
                connection.sendall(part)
        with contextlib.suppress(OSError):  # ENOTCONN, if it has
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while more := connection.recv(65536):
                answer += more
    return answer.decode(errors="replace")
