"""The Runtime API over one kept-alive HTTP/1.1 connection.

Owns the socket and the few parts of HTTP that the Runtime API uses; it does not interpret
bodies. A reply and the following request for the next invocation leave in one send: the
server answers them in order, and the environment is ready for work one round trip earlier.
A connection that the server closed while idle is opened again; any other failure ends the
process, because an invocation whose fate is unknown must not be repeated.
"""

import _socket

API = b"/2018-06-01/runtime/"
RECEIVE_BYTES = 65536
HEAD_BYTES_MAX = 4 * 1024 * 1024

#: The Runtime API answers an oversize response so; the platform has already told the caller.
PAYLOAD_TOO_LARGE = 413


class RuntimeApiError(Exception):
    """The Runtime API refused a request or answered outside the protocol."""


class Invocation:
    """One event with what the platform says about it; absent headers are None."""

    __slots__ = (
        "body",
        "content_type",
        "request_id",
        "deadline_ms",
        "function_arn",
        "trace_id",
        "client_context",
        "cognito_identity",
        "tenant_id",
    )

    def __init__(self, headers, body):
        get = headers.get
        self.body = body
        self.content_type = get(b"content-type")
        self.request_id = _text(get(b"lambda-runtime-aws-request-id"))
        self.deadline_ms = int(get(b"lambda-runtime-deadline-ms", 0))
        self.function_arn = _text(get(b"lambda-runtime-invoked-function-arn"))
        self.trace_id = _text(get(b"lambda-runtime-trace-id"))
        self.client_context = _text(get(b"lambda-runtime-client-context"))
        self.cognito_identity = _text(get(b"lambda-runtime-cognito-identity"))
        self.tenant_id = _text(get(b"lambda-runtime-aws-tenant-id"))


class Connection:
    """A client of the Runtime API at `address` (`host:port`)."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self._peer = (host, int(port))
        self._host = b"Host: " + address.encode("ascii") + b"\r\n"
        self._next_request = b"GET " + API + b"invocation/next HTTP/1.1\r\n" + self._host + b"\r\n"
        self._socket = None
        self._buffer = b""

    def next(self):
        """Waits for the next invocation, however long that takes."""
        self._send(self._next_request)
        return self._receive_invocation()

    def reply(self, request_id, outcome, head, body):
        """Posts `body` as the `outcome` ("response" or "error"), then waits like `next`.

        `head` holds complete header lines.
        """
        path = b"invocation/" + request_id.encode("ascii") + b"/" + outcome
        self._send(self._post(path, head, body) + self._next_request)
        self._expect_accepted()
        return self._receive_invocation()

    def post_init_error(self, head, body):
        """Reports that init failed; the caller ends the process."""
        self._send(self._post(b"init/error", b"Content-Type: application/json\r\n" + head, body))
        self._expect_accepted()

    def _post(self, path, head, body):
        return b"POST %b%b HTTP/1.1\r\n%b%bContent-Length: %d\r\n\r\n%b" % (
            API,
            path,
            self._host,
            head,
            len(body),
            body,
        )

    def _send(self, data):
        if self._socket is None:
            self._socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
            self._socket.connect(self._peer)
            self._socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        self._socket.sendall(data)

    def _expect_accepted(self):
        status, _, body = self._receive()
        if status // 100 != 2 and status != PAYLOAD_TOO_LARGE:
            reason = body[:500].decode("utf-8", "replace")
            raise RuntimeApiError("the Runtime API answered %d to a reply: %s" % (status, reason))

    def _receive_invocation(self):
        while True:
            received = self._receive(idle=True)
            if received is None:
                self._socket = None
                self._send(self._next_request)
                continue
            status, headers, body = received
            if status != 200:
                raise RuntimeApiError("the Runtime API answered %d to a next request" % status)
            return Invocation(headers, body)

    def _receive(self, idle=False):
        """Reads one response: status, lower-case headers, body.

        None if `idle` and the server closed the connection before the first byte.
        """
        data = self._buffer
        end = data.find(b"\r\n\r\n")
        while end < 0:
            chunk = self._socket.recv(RECEIVE_BYTES)
            if not chunk:
                if idle and not data:
                    return None
                raise RuntimeApiError("the Runtime API closed the connection")
            data = data + chunk if data else chunk
            end = data.find(b"\r\n\r\n")
            if end < 0 and len(data) > HEAD_BYTES_MAX:
                raise RuntimeApiError("the Runtime API sent an endless header")
        lines = data[:end].split(b"\r\n")
        status = int(lines[0].split(b" ", 2)[1])
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        self._buffer = data[end + 4 :]
        if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            return status, headers, self._read_chunked()
        return status, headers, self._read_exactly(int(headers.get(b"content-length", 0)))

    def _read_exactly(self, size):
        data = self._buffer
        if len(data) >= size:
            self._buffer = data[size:]
            return data[:size]
        body = bytearray(size)
        filled = len(data)
        body[:filled] = data
        view = memoryview(body)
        while filled < size:
            count = self._socket.recv_into(view[filled:])
            if count == 0:
                raise RuntimeApiError("the Runtime API closed the connection within a body")
            filled += count
        view.release()
        self._buffer = b""
        return bytes(body)

    def _read_chunked(self):
        body = b""
        while True:
            size = int(self._read_line().split(b";")[0], 16)
            if size == 0:
                while self._read_line():
                    pass  # trailers carry nothing that a runtime needs
                return body
            body += self._read_exactly(size)
            self._read_line()

    def _read_line(self):
        while True:
            line, found, rest = self._buffer.partition(b"\r\n")
            if found:
                self._buffer = rest
                return line
            chunk = self._socket.recv(RECEIVE_BYTES)
            if not chunk or len(line) > HEAD_BYTES_MAX:
                raise RuntimeApiError("the Runtime API broke off within a chunked body")
            self._buffer += chunk


def _text(value):
    return None if value is None else value.decode("utf-8", "replace")
