'use strict';

// Handlers that answer by a stream, well and badly.

const { pipeline, finished } = require('stream/promises');
const { Readable } = require('stream');
const { once } = require('events');

const stream = (handler, options) => awslambda.streamifyResponse(handler, options);

exports.hello = stream(async (event, response, context) => {
  response.setContentType('text/plain');
  response.write(`hello ${event.name}, `);
  response.write(context.functionName);
  response.end();
});

// What blocks the process after a write must not keep the write back.
exports.firstByte = stream(async (_event, response) => {
  response.write(String(process.hrtime.bigint()));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
  response.end(' end');
});

exports.page = stream(async (event, response) => {
  const metadata = { statusCode: 201, headers: { 'x-one': 'ö' }, cookies: ['a=b'] };
  const page = awslambda.HttpResponseStream.from(response, metadata);
  if (event.body) page.write(event.body);
  page.end();
});

exports.kinds = stream(async (_event, response) => {
  response.write({ json: [1] });
  response.write(new Uint8Array([0x41, 0x42]));
  response.write('');
  response.write(Buffer.from('C'));
  response.end('D');
});

exports.empty = stream(async (_event, response) => response.end());

exports.piped = stream(async (event, response) => {
  const source = (function* () {
    for (let i = 0; i < event.count; i++) yield `line ${i}\n`;
  })();
  await pipeline(Readable.from(source), response);
});

exports.finishedLater = stream(async (_event, response) => {
  setTimeout(() => response.end('late'), 5);
  await finished(response);
});

exports.failsFirst = stream(async () => {
  throw new TypeError('before anything');
});

exports.failsMidway = stream(async (event, response) => {
  response.write('so far');
  const error = new RangeError('too far ☃');
  if (event.deep) error.stack = 'x'.repeat(100) + '\n    at frame'.repeat(5000);
  throw error;
});

exports.failsAfterEnd = stream(async (_event, response) => {
  response.end('whole');
  throw new Error('nobody hears');
});

exports.brokenSource = stream(async (_event, response) => {
  response.write('start ');
  await pipeline(
    Readable.from(
      (function* () {
        yield 'of it';
        throw new RangeError('source broke');
      })(),
    ),
    response,
  );
});

exports.crashesMidway = stream((_event, response) => {
  response.write('so far');
  setImmediate(() => {
    throw new RangeError('escaped');
  });
  return new Promise(() => {});
});

exports.destroys = stream(async (_event, response) => {
  response.write('so far');
  response.destroy();
});

exports.plain = stream((_event, response) => {
  response.write === undefined || console.log('not async');
});

exports.typeTooLate = stream(async (_event, response) => {
  response.write('x');
  response.setContentType('text/plain');
});

exports.returnsValue = stream(async (_event, response) => {
  response.end('ok');
  return 'ignored';
});

exports.waitsForLoop = stream(async (event, response, context) => {
  if (event.leave) context.callbackWaitsForEmptyEventLoop = false;
  setTimeout(() => console.log('loop empty'), 50);
  response.end('done');
});

exports.pressed = stream(async (event, response) => {
  const piece = Buffer.alloc(64 * 1024, 'x');
  let held = 0;
  for (let i = 0; i < event.pieces; i++) {
    if (response.write(piece)) continue;
    held++;
    await once(response, 'drain');
  }
  console.log(`held ${held} times, ${response.writableLength} bytes left`);
  response.end();
});

exports.smallMark = stream(
  async (_event, response) => {
    response.write(`mark ${response.writableHighWaterMark}`);
    response.end();
  },
  { highWaterMark: 1000 },
);

exports.unwrapped = async () => ({
  global: typeof awslambda.streamifyResponse,
  from: typeof awslambda.HttpResponseStream.from,
  requestIdLength: awslambda.InvokeStore.getRequestId().length,
});

exports.badMark = async () => {};
exports.badMark[Symbol.for('aws.lambda.runtime.handler.streaming')] = 'request';
