'use strict';

/**
 * The Runtime API over one kept-alive HTTP/1.1 connection.
 *
 * Owns the socket and the few parts of HTTP that the Runtime API uses; it does not interpret
 * bodies. A reply and the following request for the next invocation leave in one write: the
 * server answers them in order, and the environment is ready for work one round trip earlier.
 * While function code runs the socket does not keep the event loop alive, so an empty loop can
 * be noticed. A streamed reply goes out piece by piece, each in one write at once. A connection
 * that the server closed while idle is opened again; any other failure rejects, because an
 * invocation whose fate is unknown must not be repeated.
 */

const { open } = require('./transport.js');

const API = '/2018-06-01/runtime/';
const HEAD_BYTES_MAX = 4 * 1024 * 1024;

const CRLF = Buffer.from('\r\n');

/** The Runtime API answers an oversize response so; the platform has already told the caller. */
const PAYLOAD_TOO_LARGE = 413;

/** Trailers with which a streamed reply says that its invocation failed after all. */
const TRAILER_ERROR_TYPE = 'Lambda-Runtime-Function-Error-Type';
const TRAILER_ERROR_BODY = 'Lambda-Runtime-Function-Error-Body';

/** A client of the Runtime API at `address` (`host:port`). */
class Connection {
  #address;
  #nextRequest;
  #socket = null;
  /** Received and not yet taken. */
  #pending = null;
  /** Requests under way, oldest first: at most a reply and a next. */
  #waiting = [];
  /** A streamed reply has begun and not ended. */
  #streaming = false;

  constructor(address) {
    this.#address = address;
    this.#nextRequest = `GET ${API}invocation/next HTTP/1.1\r\nHost: ${address}\r\n\r\n`;
  }

  /** Waits for the next invocation, however long that takes. */
  next() {
    this.#send(this.#nextRequest);
    return this.#receiveInvocation();
  }

  /** Posts a reply (`outcome`, `body`, `errorType`), then waits like `next`. */
  reply(requestId, reply) {
    const path = `invocation/${encodeURIComponent(requestId)}/${reply.outcome}`;
    this.#send(this.#post(path, reply) + this.#nextRequest);
    const accepted = this.#receive(expectAccepted);
    const invocation = this.#receiveInvocation();
    // A refusal of the reply matters more than the invocation that may follow it.
    return accepted.then(() => invocation);
  }

  /**
   * Sends the head of a streamed reply with the first piece of its body, a Uint8Array; `done` is
   * called once more may follow. The promise settles when the platform has answered: after
   * `endReply`, or early if it refuses.
   */
  beginReply(requestId, contentType, piece, done) {
    this.#streaming = true;
    const head =
      `POST ${API}invocation/${encodeURIComponent(requestId)}/response HTTP/1.1\r\nHost: ${this.#address}\r\n` +
      `Content-Type: ${headerValue(contentType)}\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n` +
      `Trailer: ${TRAILER_ERROR_TYPE}, ${TRAILER_ERROR_BODY}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    this.#open().writeBuffers([Buffer.from(head, 'latin1'), ...chunk(piece)], done);
    return this.#receive(expectAccepted);
  }

  /** Sends the next piece of a streamed reply; after a refusal it does nothing. */
  continueReply(piece, done) {
    if (this.#streaming && piece.length > 0) this.#socket.writeBuffers(chunk(piece), done);
    else done();
  }

  /** Ends a streamed reply: as a success, or as the failure that `error` (`body`, `errorType`) tells. */
  endReply(error, done) {
    if (!this.#streaming) {
      done();
      return;
    }
    this.#streaming = false;
    const trailers = error
      ? `${TRAILER_ERROR_TYPE}: ${headerValue(error.errorType)}\r\n` +
        `${TRAILER_ERROR_BODY}: ${Buffer.from(error.body).toString('base64')}\r\n`
      : '';
    this.#socket.writeBuffers([Buffer.from(`0\r\n${trailers}\r\n`, 'latin1')], done);
  }

  /** Keeps the process alive although no request is under way, until the next answer arrives. */
  hold() {
    this.#open();
  }

  /** Reports the invocation's failure, without asking for another. */
  postError(requestId, reply) {
    this.#send(this.#post(`invocation/${encodeURIComponent(requestId)}/error`, reply));
    return this.#receive(expectAccepted);
  }

  /** Reports that init failed. */
  postInitError(reply) {
    this.#send(this.#post('init/error', reply));
    return this.#receive(expectAccepted);
  }

  #post(path, { body, errorType }) {
    const type = errorType ? `Lambda-Runtime-Function-Error-Type: ${headerValue(errorType)}\r\n` : '';
    return (
      `POST ${API}${path} HTTP/1.1\r\nHost: ${this.#address}\r\nContent-Type: application/json\r\n` +
      `${type}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
    );
  }

  #send(text) {
    this.#open().write(text);
  }

  #open() {
    this.#socket ??= this.#connect();
    this.#socket.ref();
    return this.#socket;
  }

  #connect() {
    const colon = this.#address.lastIndexOf(':');
    const socket = open(
      this.#address.slice(0, colon),
      Number(this.#address.slice(colon + 1)),
      (data) => this.#onData(data),
      (error) => this.#onClose(socket, error),
    );
    return socket;
  }

  #receive(check) {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject, check, idle: false }));
  }

  #receiveInvocation() {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject, check: expectInvocation, idle: true });
    });
  }

  #onData(received) {
    this.#pending = this.#pending ? Buffer.concat([this.#pending, received]) : received;
    try {
      while (this.#waiting.length > 0 && this.#pending) {
        const response = parseResponse(this.#pending);
        if (!response) break;
        const rest = this.#pending.subarray(response.end);
        this.#pending = rest.length > 0 ? rest : null;
        this.#settle(this.#waiting.shift(), response);
      }
    } catch (error) {
      this.#socket.destroy(error);
    }
  }

  #settle(request, response) {
    if (this.#waiting.length === 0) this.#socket.unref();
    // Answered before it was whole: what remains of the reply has no reader.
    if (this.#streaming) this.#drop();
    try {
      request.resolve(request.check(response));
    } catch (error) {
      request.reject(error);
    }
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#pending = null;
    this.#streaming = false;
    socket.destroy();
  }

  #onClose(socket, error) {
    if (this.#socket !== socket) return;
    this.#socket = null;
    this.#streaming = false;
    const [first, ...others] = this.#waiting;
    if (!first) return;
    if (!error && first.idle && others.length === 0 && !this.#pending) {
      this.#send(this.#nextRequest);
      return;
    }
    const reason = error ?? new Error('the Runtime API closed the connection');
    this.#waiting = [];
    for (const request of [first, ...others]) request.reject(reason);
  }
}

/** The first response in `data` and where it ends, or null if it is not there in full. */
function parseResponse(data) {
  const headEnd = data.indexOf('\r\n\r\n');
  if (headEnd < 0) {
    if (data.length > HEAD_BYTES_MAX) throw new Error('the Runtime API sent an endless header');
    return null;
  }
  const lines = data.toString('utf8', 0, headEnd).split('\r\n');
  const headers = Object.create(null);
  for (let i = 1; i < lines.length; i++) {
    const colon = lines[i].indexOf(':');
    headers[lines[i].slice(0, colon).toLowerCase()] = lines[i].slice(colon + 1).trim();
  }
  const status = Number(lines[0].split(' ', 2)[1]);
  const start = headEnd + 4;
  if (headers['transfer-encoding']?.toLowerCase() === 'chunked') {
    const chunked = parseChunks(data, start);
    return chunked && { status, headers, ...chunked };
  }
  const end = start + Number(headers['content-length'] ?? 0);
  if (data.length < end) return null;
  return { status, headers, body: data.toString('utf8', start, end), end };
}

/** A chunked body from `position` on, or null if it is not there in full. */
function parseChunks(data, position) {
  const parts = [];
  for (;;) {
    const lineEnd = data.indexOf('\r\n', position);
    if (lineEnd < 0) return null;
    const size = parseInt(data.toString('latin1', position, lineEnd), 16);
    if (Number.isNaN(size)) throw new Error('the Runtime API sent a malformed chunk');
    if (size === 0) {
      // Trailers, if any, end with an empty line; they carry nothing that a runtime needs.
      const blank = data.indexOf('\r\n\r\n', lineEnd);
      if (blank < 0) return null;
      return { body: Buffer.concat(parts).toString('utf8'), end: blank + 4 };
    }
    const start = lineEnd + 2;
    if (data.length < start + size + 2) return null;
    parts.push(data.subarray(start, start + size));
    position = start + size + 2;
  }
}

/** `piece` as a chunk of a chunked body; an empty one would end the body. */
function chunk(piece) {
  if (piece.length === 0) return [];
  return [Buffer.from(`${piece.length.toString(16)}\r\n`, 'latin1'), piece, CRLF];
}

function expectAccepted({ status, body }) {
  const accepted = status >= 200 && status < 300;
  if (!accepted && status !== PAYLOAD_TOO_LARGE) {
    throw new Error(`the Runtime API answered ${status} to a reply: ${body.slice(0, 500)}`);
  }
}

function expectInvocation({ status, headers, body }) {
  if (status !== 200) {
    throw new Error(`the Runtime API answered ${status} to a request for the next invocation`);
  }
  return {
    body,
    requestId: headers['lambda-runtime-aws-request-id'],
    deadlineMs: Number(headers['lambda-runtime-deadline-ms']),
    functionArn: headers['lambda-runtime-invoked-function-arn'],
    traceId: headers['lambda-runtime-trace-id'],
    clientContext: headers['lambda-runtime-client-context'],
    cognitoIdentity: headers['lambda-runtime-cognito-identity'],
    tenantId: headers['lambda-runtime-aws-tenant-id'],
  };
}

function headerValue(text) {
  return String(text).replace(/[^\x20-\x7e]/g, '?');
}

module.exports = { Connection };
