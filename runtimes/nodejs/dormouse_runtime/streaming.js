'use strict';

/**
 * A response that is sent while it is made: the stream that a streaming handler writes to, and
 * the course of its invocation.
 *
 * Nothing is held back: what is written is on its way to the platform when `write` returns, unless
 * the platform is slower than the function; then `write` says false and `drain` follows, as for any
 * stream. An error before the first write is an ordinary error of the invocation, a later one
 * travels as trailers behind what was written. Loaded for streaming handlers only; knows nothing
 * of HTTP.
 */

const { Writable } = require('stream');
const { invocationFacts, isPromise } = require('./conversation.js');
const errors = require('./errors.js');

const DEFAULT_CONTENT_TYPE = 'application/octet-stream';

/** HTTP servers bound trailers more tightly than bodies; this leaves room for Base64 within 16 KiB. */
const TRAILER_ERROR_BYTES_MAX = 8 * 1024;

class ResponseStream extends Writable {
  #connection;
  #requestId;
  #contentType = DEFAULT_CONTENT_TYPE;
  /** `write` or `end` was called. */
  #begun = false;
  /** What goes out ahead of the first piece. */
  #prelude = [];
  /** The platform's answer, once there is something that it can answer. */
  #accepted = null;
  /** The end is out, or the platform wants no more. */
  #ended = false;
  /** What the end will report; null for a success. */
  #failure = null;

  /** Called with a way to write, just before the first write; set by `HttpResponseStream.from`. */
  _onBeforeFirstWrite = null;

  constructor(connection, requestId, { highWaterMark }) {
    super({ highWaterMark });
    this.#connection = connection;
    this.#requestId = requestId;
    // The invocation learns of an error by `delivered`; it is no uncaught exception as well.
    this.on('error', () => {});
  }

  /** Whether the platform has seen anything of this response. */
  get sent() {
    return this.#accepted !== null;
  }

  setContentType(contentType) {
    if (this.#begun) throw new errors.InvalidStreamingOperation('Cannot set content-type, too late.');
    this.#contentType = contentType;
  }

  /** Takes text and bytes as they are, anything else as JSON. */
  write(piece, ...rest) {
    this.#begin();
    return super.write(wireForm(piece), ...rest);
  }

  end(piece, ...rest) {
    this.#begin();
    return super.end(typeof piece === 'function' ? piece : wireForm(piece), ...rest);
  }

  /** Ends what has begun with `error`, unless it has ended; resolves once the platform has it. */
  async fail(error) {
    this.#failure ??= errors.replyWithin(TRAILER_ERROR_BYTES_MAX, error);
    if (this.destroyed) this.#finish();
    else if (!this.writableEnded) super.end();
    await this.#accepted;
  }

  /** Resolves once the platform has taken the whole, and rejects if that failed. */
  async delivered() {
    if (!this.closed) await new Promise((resolve) => this.once('close', resolve));
    if (this.errored) throw this.errored;
    await this.#accepted;
  }

  #begin() {
    if (this.#begun) return;
    this.#begun = true;
    this._onBeforeFirstWrite?.((piece) => this.#prelude.push(Buffer.from(piece)));
  }

  _write(piece, _encoding, done) {
    this.#send(piece, done);
  }

  _writev(pieces, done) {
    this.#send(Buffer.concat(pieces.map(({ chunk }) => chunk)), done);
  }

  _final(done) {
    if (!this.sent) this.#send(Buffer.alloc(0), () => {});
    this.#finish(done);
  }

  _destroy(error, done) {
    // Abandoned half-way, by function code or by a pipeline whose source broke.
    if (this.sent && !this.writableFinished) {
      const reason = error ?? new Error('Response stream is not finished.');
      this.#failure ??= errors.replyWithin(TRAILER_ERROR_BYTES_MAX, reason);
      this.#finish();
    }
    done(error);
  }

  #send(piece, done) {
    if (this.sent) {
      this.#connection.continueReply(piece, done);
      return;
    }
    const first = this.#prelude.length > 0 ? Buffer.concat([...this.#prelude, piece]) : piece;
    this.#accepted = this.#connection.beginReply(this.#requestId, this.#contentType, first, done);
    const onAnswer = (error) => {
      if (this.#ended) return;
      this.#ended = true;
      this.destroy(error ?? new Error('The platform has ended the response.'));
    };
    this.#accepted.then(() => onAnswer(), onAnswer);
  }

  #finish(done = () => {}) {
    if (this.#ended) {
      done();
      return;
    }
    this.#ended = true;
    this.#connection.endReply(this.#failure, done);
  }
}

function wireForm(piece) {
  if (piece === undefined || piece === null) return piece; // `end` without a piece; `write` refuses it.
  return typeof piece === 'string' || piece instanceof Uint8Array ? piece : JSON.stringify(piece);
}

/** One invocation of a streaming handler; has the interface of `Conversation`. */
class StreamingConversation {
  #invocation;
  #connection;
  #settings;
  #stream;
  /** What an empty event loop means at this point; it is not empty while the platform owes an answer. */
  #whenIdle = null;

  /** `options` come from `streamingOptions`, the rest as for `Conversation`. */
  constructor(invocation, connection, settings, options) {
    this.#invocation = invocation;
    this.#connection = connection;
    this.#settings = settings;
    this.#stream = new ResponseStream(connection, invocation.requestId, options);
  }

  async run(handler) {
    // A handler that waits for what never happens is one that times out, not one that is done.
    this.#connection.hold();
    const context = this.#settings.callbacks ? { callbackWaitsForEmptyEventLoop: true } : {};
    try {
      const idle = new Promise((_resolve, reject) => {
        this.#whenIdle = () => reject(this.#complaint('Response stream is not finished.'));
      });
      await Promise.race([this.#converse(handler, context), idle]);
    } catch (error) {
      this.#settings.logError('Invoke Error', error);
      if (!this.#stream.sent) {
        this.#stream.destroy();
        return errors.reply(error);
      }
      await this.#stream.fail(error);
    }
    if (context.callbackWaitsForEmptyEventLoop) {
      await new Promise((resolve) => (this.#whenIdle = () => setImmediate(resolve)));
    }
    return { outcome: 'streamed' };
  }

  /** The event loop is empty: nothing that function code started is left to happen. */
  onIdle() {
    const action = this.#whenIdle;
    this.#whenIdle = null;
    action?.();
  }

  /** Reports `error`, which escaped from function code. */
  report(error) {
    if (this.#stream.sent) return this.#stream.fail(error);
    return this.#connection.postError(this.#invocation.requestId, errors.reply(error));
  }

  async #converse(handler, context) {
    Object.assign(context, invocationFacts(this.#invocation, this.#settings));
    const result = handler(JSON.parse(this.#invocation.body), this.#stream, context);
    if (!isPromise(result)) throw this.#complaint('Streaming does not support non-async handlers.');
    if ((await result) !== undefined) console.warn('Streaming handlers ignore return values.');
    await this.#stream.delivered();
    if (!this.#stream.writableFinished) throw this.#complaint('Response stream is not finished.');
  }

  /** Up to Node.js 22 the runtime complains in bare text, whose error type is `string`. */
  #complaint(text) {
    return this.#settings.callbacks ? text : new Error(text);
  }
}

module.exports = { StreamingConversation };
