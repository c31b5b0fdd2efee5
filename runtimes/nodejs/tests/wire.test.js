'use strict';

/**
 * What the runtime says on the wire, where a whole server would hide it: pieces and their times,
 * trailers, several invocations at once, log frames. Run by `node --test`.
 *
 * A fake Runtime API hands out the events of a test and notes every request; each test starts a
 * runtime of its own. Nothing sleeps: what is awaited is a request, or the end of the process.
 */

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const http = require('node:http');
const path = require('node:path');
const test = require('node:test');

const LIMIT_MS = 20_000;
const BOOTSTRAP = path.join(__dirname, '..', 'bootstrap.js');

/** The Runtime API: answers `next` with the events in order, and holds it when there are no more. */
class Api {
  /** Requests that carried something, in order of arrival: `path`, `headers`, `pieces`, `trailers`. */
  posts = [];
  #events;
  #waiting = 0;
  #watchers = new Set();
  /** May look at a post's request before its body is read, and answer it itself by returning true. */
  intercept = () => false;

  constructor(events) {
    this.#events = events.map((event, index) => ({ id: `id-${index + 1}`, event }));
    this.server = http.createServer((request, response) => this.#handle(request, response));
  }

  async listen() {
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${this.server.address().port}`;
  }

  /** Resolves with the first `count` posts once they are whole. */
  posted(count) {
    return this.until(() => this.posts.filter((post) => post.done).length >= count && this.posts);
  }

  /** Resolves once `count` requests for the next invocation are waiting in vain. */
  idle(count = 1) {
    return this.until(() => this.#waiting >= count);
  }

  until(condition) {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`gave up waiting: ${JSON.stringify(this.posts)}`)), LIMIT_MS);
      const look = () => {
        const value = condition();
        if (!value) return;
        clearTimeout(late);
        this.#watchers.delete(look);
        resolve(value);
      };
      this.#watchers.add(look);
      look();
    });
  }

  changed() {
    for (const look of [...this.#watchers]) look();
  }

  async #handle(request, response) {
    if (request.url.endsWith('/next')) {
      this.#next(response);
      return;
    }
    const post = { path: request.url.split('/runtime/')[1], headers: request.headers, pieces: [] };
    this.posts.push(post);
    if (this.intercept(request, response, post)) return;
    try {
      for await (const piece of request) post.pieces.push({ at: process.hrtime.bigint(), piece });
    } catch {
      post.broken = true; // The process was ended amid its body.
    }
    post.trailers = request.trailers;
    post.body = Buffer.concat(post.pieces.map(({ piece }) => piece));
    post.done = true;
    response.writeHead(202).end('{"status":"OK"}\n');
    this.changed();
  }

  #next(response) {
    const next = this.#events.shift();
    if (!next) {
      this.#waiting++;
      this.changed();
      return;
    }
    response.writeHead(200, {
      'Lambda-Runtime-Aws-Request-Id': next.id,
      'Lambda-Runtime-Deadline-Ms': Date.now() + LIMIT_MS,
      'Lambda-Runtime-Invoked-Function-Arn': 'arn:aws:lambda:us-east-1:000000000000:function:fn',
      'Lambda-Runtime-Trace-Id': `Root=${next.id}`,
      'Lambda-Runtime-Aws-Tenant-Id': `tenant-${next.id}`,
      'Content-Type': 'application/json',
    });
    response.end(JSON.stringify(next.event));
  }
}

/** Runs `check(api, runtime)` beside a runtime that serves `handler`. */
async function serving(handler, events, check, { env = {}, version = 20 } = {}) {
  const api = new Api(events);
  const runtime = start(await api.listen(), handler, env, version);
  try {
    await check(api, runtime);
  } finally {
    runtime.process.kill('SIGKILL');
    await runtime.ended;
    api.server.closeAllConnections();
    api.server.close();
  }
}

function start(address, handler, env, version) {
  const child = spawn(process.execPath, ['--expose-gc', BOOTSTRAP], {
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
    env: {
      PATH: process.env.PATH,
      AWS_LAMBDA_RUNTIME_API: address,
      AWS_EXECUTION_ENV: `AWS_Lambda_nodejs${version}.x`,
      AWS_LAMBDA_FUNCTION_NAME: 'fn',
      LAMBDA_TASK_ROOT: __dirname,
      _HANDLER: handler,
      ...env,
    },
  });
  const runtime = { process: child, log: '', frames: Buffer.alloc(0) };
  child.stdout.on('data', (data) => (runtime.log += data));
  child.stdio[3].on('data', (data) => (runtime.frames = Buffer.concat([runtime.frames, data])));
  runtime.ended = new Promise((resolve) => child.on('close', (code) => resolve(code)));
  return runtime;
}

/** One invocation of a handler: its reply. */
async function replyOf(handler, event = {}, options = {}) {
  let reply;
  let log;
  await serving(
    handler,
    [event],
    async (api, runtime) => {
      [reply] = await api.posted(1);
      await api.idle();
      runtime.process.kill('SIGKILL');
      await runtime.ended;
      log = runtime.log;
    },
    options,
  );
  return { ...reply, text: reply.body.toString(), log };
}

/** The error that trailers tell. */
function told(reply) {
  const body = Buffer.from(reply.trailers['lambda-runtime-function-error-body'], 'base64');
  return { type: reply.trailers['lambda-runtime-function-error-type'], ...JSON.parse(body) };
}

test('a stream has its mode, its type and no error', async () => {
  const reply = await replyOf('streaming.hello', { name: 'Ada' });
  assert.equal(reply.path, 'invocation/id-1/response');
  assert.equal(reply.text, 'hello Ada, fn');
  assert.equal(reply.headers['lambda-runtime-function-response-mode'], 'streaming');
  assert.equal(reply.headers['transfer-encoding'], 'chunked');
  assert.equal(reply.headers['content-type'], 'text/plain');
  assert.equal(reply.headers.trailer, 'Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body');
  assert.deepEqual(reply.trailers, {});
});

test('the first write leaves at once, whatever the handler does next', async () => {
  const reply = await replyOf('streaming.firstByte');
  const first = reply.pieces[0];
  const ms = Number(first.at - BigInt(first.piece.toString())) / 1e6;
  console.log(`first write to first byte: ${ms.toFixed(2)} ms`);
  // The handler blocks its process for 300 ms; the rest is room for a busy machine.
  assert.ok(ms < 100, `${ms} ms`);
  assert.match(reply.text, /^\d+ end$/);
});

test('metadata precede the body, also an empty one', async () => {
  for (const body of ['text', '']) {
    const reply = await replyOf('streaming.page', { body });
    assert.equal(reply.headers['content-type'], 'application/vnd.awslambda.http-integration-response');
    const metadata = '{"statusCode":201,"headers":{"x-one":"ö"},"cookies":["a=b"]}';
    assert.equal(reply.text, metadata + '\0'.repeat(8) + body);
  }
});

test('text, bytes and JSON can be written, and nothing at all', async () => {
  assert.equal((await replyOf('streaming.kinds')).text, '{"json":[1]}ABCD');
  const empty = await replyOf('streaming.empty');
  assert.equal(empty.text, '');
  assert.equal(empty.headers['content-type'], 'application/octet-stream');
});

test('pipeline, finished and the water mark work as for any stream', async () => {
  const { text } = await replyOf('streaming.piped', { count: 1000 });
  assert.equal(text.split('\n').length, 1001);
  assert.equal((await replyOf('streaming.finishedLater')).text, 'late');
  assert.equal((await replyOf('streaming.smallMark')).text, 'mark 1000');
});

test('an error before the first write is an ordinary one', async () => {
  const reply = await replyOf('streaming.failsFirst');
  assert.equal(reply.path, 'invocation/id-1/error');
  assert.equal(reply.headers['lambda-runtime-function-error-type'], 'TypeError');
  assert.equal(JSON.parse(reply.text).errorMessage, 'before anything');
  assert.match(reply.log, /ERROR\tInvoke Error/);
});

test('a handler that is not async is refused', async () => {
  const message = 'Streaming does not support non-async handlers.';
  for (const [version, errorType] of [[22, 'string'], [24, 'Error']]) {
    const reply = await replyOf('streaming.plain', {}, { version });
    const { errorMessage, errorType: seen } = JSON.parse(reply.text);
    assert.deepEqual([reply.path, seen, errorMessage], ['invocation/id-1/error', errorType, message]);
  }
});

test('a later error follows what was written', async () => {
  const reply = await replyOf('streaming.failsMidway');
  assert.equal(reply.text, 'so far');
  const error = told(reply);
  assert.deepEqual([error.type, error.errorType, error.errorMessage], ['RangeError', 'RangeError', 'too far ☃']);
  assert.match(error.trace[0], /^RangeError: too far/);
  assert.match(reply.log, /ERROR\tInvoke Error.*too far/);
});

test('a long trace is cut to what trailers can hold', async () => {
  const reply = await replyOf('streaming.failsMidway', { deep: true });
  assert.equal(told(reply).errorMessage, 'too far ☃');
  assert.ok(reply.trailers['lambda-runtime-function-error-body'].length < 12_000);
  assert.ok(told(reply).trace.length > 10);
});

test('errors by the stream itself are told too', async () => {
  const late = told(await replyOf('streaming.typeTooLate'));
  assert.equal(late.errorType, 'Runtime.InvalidStreamingOperation');
  assert.equal(late.errorMessage, 'Cannot set content-type, too late.');
  const broken = await replyOf('streaming.brokenSource');
  assert.deepEqual([broken.text, told(broken).errorMessage], ['start of it', 'source broke']);
  const destroyed = await replyOf('streaming.destroys');
  assert.equal(told(destroyed).errorMessage, 'Response stream is not finished.');
});

test('what happens after the end changes no reply', async () => {
  const reply = await replyOf('streaming.failsAfterEnd');
  assert.deepEqual([reply.text, reply.trailers], ['whole', {}]);
  assert.match(reply.log, /nobody hears/);
  const value = await replyOf('streaming.returnsValue');
  assert.equal(value.text, 'ok');
  assert.match(value.log, /WARN\tStreaming handlers ignore return values\./);
});

test('an exception that escapes ends the stream, then the process', async () => {
  await serving('streaming.crashesMidway', [{}], async (api, runtime) => {
    const [reply] = await api.posted(1);
    assert.equal(told(reply).errorMessage, 'escaped');
    assert.equal(await runtime.ended, 129);
    assert.equal(api.posts.length, 1);
  });
});

test('up to 22 the next event waits for an empty event loop', async () => {
  for (const [event, early] of [[{}, false], [{ leave: true }, true]]) {
    await serving('streaming.waitsForLoop', [event], async (api, runtime) => {
      await api.idle();
      assert.equal(runtime.log.includes('loop empty'), !early, runtime.log);
    }, { version: 22 });
  }
});

test('a slow platform holds the writer back', async () => {
  const pieces = 512;
  await serving('streaming.pressed', [{ pieces }], async (api, runtime) => {
    const [reply] = await api.posted(1);
    await api.idle();
    assert.equal(reply.body.length, pieces * 64 * 1024);
    const held = Number(/held (\d+) times/.exec(runtime.log)[1]);
    assert.ok(held > 0, runtime.log);
  });
});

test('a refused stream costs one invocation, not the environment', async () => {
  await serving('streaming.pressed', [{ pieces: 512 }, { pieces: 1 }], async (api, runtime) => {
    api.intercept = (_request, response, post) => {
      if (!post.path.includes('id-1/')) return false;
      response.writeHead(413, { Connection: 'close' }).end('{"errorType":"RequestEntityTooLarge"}');
      return true;
    };
    const second = (post) => post.path === 'invocation/id-2/response' && post.done;
    const reply = await api.until(() => api.posts.find(second));
    assert.equal(reply.body.length, 64 * 1024);
    assert.match(runtime.log, /The platform has ended the response/);
  });
});

test('every function has the global, unless it asks not to', async () => {
  const reply = await replyOf('streaming.unwrapped');
  assert.deepEqual(JSON.parse(reply.text), { global: 'function', from: 'function', requestIdLength: 4 });
  const env = { AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA: 'true' };
  await serving('streaming.unwrapped', [{}], async (api) => {
    const [{ path: where, body }] = await api.posted(1);
    assert.deepEqual([where, JSON.parse(body).errorMessage], ['init/error', 'awslambda is not defined']);
  }, { env });
});

test('only responses can be streamed', async () => {
  await serving('streaming.badMark', [], async (api) => {
    const [{ path: where, body }] = await api.posted(1);
    assert.deepEqual([where, JSON.parse(body).errorType], ['init/error', 'Runtime.MalformedStreamingHandler']);
  });
});

test('several invocations run at once, each with its own identity', async () => {
  const events = [1, 2, 3, 4, 5, 6].map((n) => ({ n, of: 3 }));
  const env = { AWS_LAMBDA_MAX_CONCURRENCY: '3', AWS_LAMBDA_LOG_FORMAT: 'JSON' };
  await serving('concurrent.together', events, async (api, runtime) => {
    const posts = await api.posted(6);
    await api.idle(3);
    for (const { path: where, body } of posts) {
      const reply = JSON.parse(body);
      const id = `id-${reply.n}`;
      assert.equal(where, `invocation/${id}/response`);
      const trace = [`Root=${id}`, `Root=${id}`, null];
      assert.deepEqual(reply, { n: reply.n, own: true, trace, tenant: [`tenant-${id}`, `tenant-${id}`] });
    }
    const records = runtime.log.trim().split('\n').map((line) => JSON.parse(line));
    assert.equal(records.length, 12);
    for (const record of records) {
      const id = `id-${record.message.split(' ')[1]}`;
      assert.deepEqual([record.requestId, record.tenantId], [id, `tenant-${id}`]);
    }
  }, { env });
});

test('an escaped exception fails all invocations that run', async () => {
  const env = { AWS_LAMBDA_MAX_CONCURRENCY: '2' };
  await serving('concurrent.escapes', [{ of: 2 }, { of: 2 }], async (api, runtime) => {
    const posts = await api.posted(2);
    const paths = posts.map((post) => post.path).sort();
    assert.deepEqual(paths, ['invocation/id-1/error', 'invocation/id-2/error']);
    assert.equal(await runtime.ended, 129);
  }, { env });
});

test('callback handlers are refused where several run at once', async () => {
  const env = { AWS_LAMBDA_MAX_CONCURRENCY: '2' };
  await serving('concurrent.withCallback', [], async (api) => {
    const [{ path: where, body }] = await api.posted(1);
    assert.equal(where, 'init/error');
    const { errorType, errorMessage } = JSON.parse(body);
    assert.equal(errorType, 'Runtime.CallbackHandlerDeprecated');
    assert.match(errorMessage, /^ERROR: AWS Lambda does not support callback.* Node\.js 22 with Managed Instances\./);
  }, { env, version: 22 });
});

test('records are frames where a descriptor is given', async () => {
  for (const [format, kind] of [['TEXT', 3], ['JSON', 2]]) {
    const env = { _LAMBDA_TELEMETRY_LOG_FD: '3', AWS_LAMBDA_LOG_FORMAT: format };
    await serving('logs.everyLevel', [{}], async (api, runtime) => {
      await api.idle();
      runtime.process.kill('SIGKILL');
      await runtime.ended;
      const frames = framesOf(runtime.frames);
      const levels = frames.map((frame) => frame.level);
      assert.deepEqual(levels.slice(-6), ['trace', 'debug', 'info', 'warn', 'error', 'fatal'], format);
      for (const frame of frames) {
        assert.equal(frame.kind, kind);
        assert.ok(Math.abs(frame.timeMs - Date.now()) < LIMIT_MS);
        assert.ok(kind === 3 ? frame.text.endsWith('\n') : JSON.parse(frame.text).level);
      }
      assert.equal(runtime.log, '');
    }, { env });
  }
});

/** The frames that `bytes` hold, as `runtimes/README.md` describes them. */
function framesOf(bytes) {
  const names = { 1: 'trace', 2: 'debug', 3: 'info', 4: 'warn', 5: 'error', 6: 'fatal' };
  const frames = [];
  while (bytes.length > 0) {
    const type = bytes.readUInt32BE(0);
    const size = bytes.readUInt32BE(4);
    assert.equal((type & 0xffffffe0) >>> 0, 0xa55a0000);
    const timeMs = Number(bytes.readBigUInt64BE(8) / 1000n);
    const text = bytes.toString('utf8', 16, 16 + size);
    frames.push({ kind: type & 3, level: names[(type >> 2) & 7], timeMs, text });
    bytes = bytes.subarray(16 + size);
  }
  return frames;
}
