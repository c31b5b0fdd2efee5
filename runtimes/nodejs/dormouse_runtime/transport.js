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

const NEEDED = [
  'TCP',
  'TCPConnectWrap',
  'WriteWrap',
  'streamBaseState',
  'kReadBytesOrError',
  'kArrayBufferOffset',
  'kLastWriteWasAsync',
];

/**
 * Opens a connection. `onData` gets each piece that arrives, as a Buffer of its own; `onClose` is
 * called once at the end, with an Error unless the peer closed it. Returns an object with
 * `write(text)`, `writeBuffers(buffers, done)`, `destroy()`, and `ref()` and `unref()`, which say
 * whether waiting for the peer keeps the process alive. `done` is called once the operating system
 * has taken all of the buffers, possibly before `writeBuffers` returns; it is not called if the
 * connection ends first.
 */
function open(host, port, onData, onClose) {
  const bindings = /^[\d.]+$/.test(host) ? socketBindings() : null;
  return bindings ? new RawTransport(bindings, host, port, onData, onClose) : openNet(host, port, onData, onClose);
}

function socketBindings() {
  try {
    const bindings = { ...process.binding('tcp_wrap'), ...process.binding('stream_wrap') };
    return NEEDED.every((name) => bindings[name] !== undefined) ? bindings : null;
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

  /** Sends `buffers` in one go; their memory belongs to the connection until `done`. */
  writeBuffers(buffers, done) {
    if (!this.#handle) return; // The end has been told by `onClose`.
    const { WriteWrap, streamBaseState, kLastWriteWasAsync } = this.#bindings;
    const request = new WriteWrap();
    request.oncomplete = (status) => {
      if (status < 0) this.#cannotWrite(failure('write', status));
      else done();
    };
    request.buffers = buffers; // Kept from the garbage collector while the system reads them.
    const status = this.#handle.writev(request, buffers, true);
    if (status < 0) process.nextTick(() => this.#cannotWrite(failure('write', status)));
    else if (!streamBaseState[kLastWriteWasAsync]) done();
  }

  /** A peer that hung up may have said why: what it sent is read first, and then comes the end. */
  #cannotWrite(error) {
    if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') this.#close(error);
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
  socket.writeBuffers = (buffers, done) => {
    socket.write(Buffer.concat(buffers), (failed) => failed ?? done());
  };
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
