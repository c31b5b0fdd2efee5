'use strict';

/**
 * A TCP connection with as little in between as Node.js permits.
 *
 * `net` costs a cold start some three milliseconds and each write a pass through the stream
 * machinery. The socket bindings under it are enough here: one peer, text out, bytes in. They
 * are reached by `process.binding`, which Node.js keeps for old code; where it is gone, forbidden
 * by the permission model, or the host is not an IPv4 address, `net` does the same job.
 * Knows nothing of HTTP.
 */

/**
 * Opens a connection. `onData` gets each piece that arrives, as a Buffer of its own; `onClose` is
 * called once at the end, with an Error unless the peer closed it. Returns an object with
 * `write(text)`, `destroy()`, and `ref()` and `unref()`, which say whether waiting for the peer
 * keeps the process alive.
 */
function open(host, port, onData, onClose) {
  const bindings = /^[\d.]+$/.test(host) ? socketBindings() : null;
  return bindings ? new RawTransport(bindings, host, port, onData, onClose) : openNet(host, port, onData, onClose);
}

function socketBindings() {
  try {
    const bindings = { ...process.binding('tcp_wrap'), ...process.binding('stream_wrap') };
    const needed = ['TCP', 'TCPConnectWrap', 'WriteWrap', 'streamBaseState', 'kReadBytesOrError', 'kArrayBufferOffset'];
    return needed.every((name) => bindings[name] !== undefined) ? bindings : null;
  } catch {
    return null;
  }
}

class RawTransport {
  #bindings;
  #handle;
  #onClose;

  constructor(bindings, host, port, onData, onClose) {
    const { TCP, TCPConnectWrap, constants, streamBaseState, kReadBytesOrError, kArrayBufferOffset } = bindings;
    this.#bindings = bindings;
    this.#onClose = onClose;
    const handle = new TCP(constants.SOCKET);
    this.#handle = handle;
    handle.setNoDelay(true);
    handle.onread = (memory) => {
      const size = streamBaseState[kReadBytesOrError];
      if (size > 0) onData(Buffer.from(memory, streamBaseState[kArrayBufferOffset], size));
      else if (size < 0) this.#close(memory === undefined && isEndOfFile(size) ? null : failure('read', size));
    };
    const request = new TCPConnectWrap();
    request.oncomplete = (status) => {
      if (status < 0) this.#close(failure('connect', status));
      else handle.readStart();
    };
    const status = handle.connect(request, host, port);
    if (status < 0) process.nextTick(() => this.#close(failure('connect', status)));
  }

  /** Sends `text`; while still connecting, as soon as that is done. */
  write(text) {
    const request = new this.#bindings.WriteWrap();
    request.oncomplete = (status) => {
      if (status < 0) this.#close(failure('write', status));
    };
    const status = this.#handle.writeUtf8String(request, text);
    if (status < 0) process.nextTick(() => this.#close(failure('write', status)));
  }

  ref() {
    this.#handle?.ref();
  }

  unref() {
    this.#handle?.unref();
  }

  destroy(error) {
    this.#close(error);
  }

  #close(error) {
    if (!this.#handle) return;
    this.#handle.onread = () => {};
    this.#handle.close();
    this.#handle = null;
    this.#onClose(error);
  }
}

function openNet(host, port, onData, onClose) {
  const socket = require('net').connect({ host, port, noDelay: true });
  let error = null;
  socket.on('data', onData);
  socket.on('error', (reason) => (error = reason));
  socket.on('close', () => onClose(error));
  return socket;
}

function isEndOfFile(status) {
  return require('util').getSystemErrorName(status) === 'EOF';
}

function failure(action, status) {
  const code = require('util').getSystemErrorName(status);
  return Object.assign(new Error(`cannot ${action}: ${code}`), { code });
}

module.exports = { open };
