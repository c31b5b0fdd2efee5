'use strict';

/**
 * The global `awslambda`, and which invocation function code belongs to.
 *
 * `streamifyResponse` marks a handler as one that streams, `HttpResponseStream` gives its response
 * a status and headers, and `InvokeStore` tells libraries the request, trace and tenant id of the
 * invocation they run in, also where several run at once. The marks and keys are symbols that
 * Lambda's own runtime uses: libraries set and read them too. Nothing of it is visible where
 * AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA asks for that. Knows nothing of HTTP or of the stream.
 */

const errors = require('./errors.js');

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');
const STREAM_RESPONSE = 'response';

const HTTP_INTEGRATION_TYPE = 'application/vnd.awslambda.http-integration-response';
/** What separates the metadata of an HTTP response from its body. */
const DELIMITER = new Uint8Array(8);

const REQUEST_ID = Symbol.for('_AWS_LAMBDA_REQUEST_ID');
const X_RAY_TRACE_ID = Symbol.for('_AWS_LAMBDA_X_RAY_TRACE_ID');
const TENANT_ID = Symbol.for('_AWS_LAMBDA_TENANT_ID');

/** Where logging libraries look for what Lambda's runtime keeps there, up to Node.js 22. */
const GLOBAL_REQUEST_ID = Symbol.for('aws.lambda.runtime.requestId');
const GLOBAL_TENANT_ID = Symbol.for('aws.lambda.runtime.tenantId');

const streams = {
  /** Marks `handler` as `(event, responseStream, context) => Promise` and returns it. */
  streamifyResponse(handler, options) {
    handler[STREAMING] = STREAM_RESPONSE;
    const mark = options?.highWaterMark;
    if (typeof mark === 'number') handler[HIGH_WATER_MARK] = parseInt(mark, 10);
    return handler;
  },

  HttpResponseStream: class HttpResponseStream {
    /** `stream`, whose body `metadata` (`statusCode`, `headers`, `cookies`) will precede. */
    static from(stream, metadata) {
      stream.setContentType(HTTP_INTEGRATION_TYPE);
      const text = JSON.stringify(metadata);
      stream._onBeforeFirstWrite = (write) => {
        write(text);
        write(DELIMITER);
      };
      return stream;
    }
  },
};

/** How `handler` wants its response stream; null if it does not stream. */
function streamingOptions(handler) {
  if (!handler[STREAMING]) return null;
  if (handler[STREAMING] !== STREAM_RESPONSE) {
    throw new errors.MalformedStreamingHandler('Only response streaming is supported.');
  }
  const mark = Number(handler[HIGH_WATER_MARK]);
  return { highWaterMark: mark > 0 ? mark : undefined };
}

/** The facts about the current invocation, and what function code puts beside them. */
class InvokeStore {
  #contexts;

  /** `contexts` is an AsyncLocalStorage, or has as much of it as is used here. */
  constructor(contexts) {
    this.#contexts = contexts;
  }

  getContext() {
    return this.#contexts.getStore();
  }

  hasContext() {
    return this.getContext() !== undefined;
  }

  get(key) {
    return this.getContext()?.[key];
  }

  set(key, value) {
    if (this.isProtectedKey(key)) throw new Error(`Cannot modify protected Lambda context field: ${String(key)}`);
    if (!this.hasContext()) throw new Error('No context available');
    this.getContext()[key] = value;
  }

  run(context, action) {
    return this.#contexts.run(context, action);
  }

  isProtectedKey(key) {
    return key === REQUEST_ID || key === X_RAY_TRACE_ID || key === TENANT_ID;
  }

  getRequestId() {
    return this.get(REQUEST_ID) ?? '-';
  }

  getXRayTraceId() {
    return this.get(X_RAY_TRACE_ID);
  }

  getTenantId() {
    return this.get(TENANT_ID);
  }
}

/** One invocation at a time: the last one is the current one, whoever asks. */
class LatestContext {
  #context;

  getStore() {
    return this.#context;
  }

  enterWith(context) {
    this.#context = context;
  }

  run(context, action) {
    this.#context = context;
    return action();
  }
}

/** Says which invocation runs, to libraries by the store and to logs by `requestId` and `tenantId`. */
class Current {
  store;
  #contexts;
  #concurrent;
  /** What logs name before the first invocation. */
  #noRequestId;

  constructor(concurrent, noRequestId) {
    this.#concurrent = concurrent;
    this.#noRequestId = noRequestId;
    this.#contexts = concurrent ? new (require('async_hooks').AsyncLocalStorage)() : new LatestContext();
    this.store = new InvokeStore(this.#contexts);
  }

  get requestId() {
    return this.store.get(REQUEST_ID) ?? this.#noRequestId;
  }

  get tenantId() {
    return this.store.get(TENANT_ID);
  }

  /**
   * What the caller does from now on belongs to `invocation`. Not a function around the handler:
   * each frame there is one that the stack traces of function code lose.
   */
  enter({ requestId, traceId, tenantId }) {
    if (!this.#concurrent) {
      globalThis[GLOBAL_REQUEST_ID] = requestId;
      globalThis[GLOBAL_TENANT_ID] = tenantId;
    }
    this.#contexts.enterWith({ [REQUEST_ID]: requestId, [X_RAY_TRACE_ID]: traceId, [TENANT_ID]: tenantId });
  }
}

/** Defines `awslambda`, keeping what else something has put there. */
function installGlobal(environ, current) {
  if (['1', 'true'].includes(environ.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) return;
  globalThis.awslambda = { ...globalThis.awslambda, ...streams, InvokeStore: current.store };
}

module.exports = { Current, installGlobal, streamingOptions };
