// For the vendor's Node.js client: answers, logs, fails and streams in the ways that a function can.

let calls = 0;

export const hello = async (event, context) => {
  calls++;
  console.log('greeting', event.name);
  return {
    message: `hello ${event.name}`,
    calls,
    requestId: context.awsRequestId,
    functionName: context.functionName,
    functionVersion: context.functionVersion,
    memory: context.memoryLimitInMB,
    arn: context.invokedFunctionArn,
    logGroup: context.logGroupName,
    logStream: context.logStreamName,
    remainingMs: context.getRemainingTimeInMillis(),
    custom: context.clientContext?.custom ?? null,
    trace: process.env._X_AMZN_TRACE_ID,
  };
};

export const fails = async (event) => {
  throw new RangeError(`no such thing: ${event.name}`);
};

export const calledBack = (event, _context, callback) => setTimeout(callback, 5, null, event);

export const logs = async () => {
  console.info('one line');
  console.warn('first line\nsecond line');
  console.error(new TypeError('logged'));
};

export const large = async (event) => 'x'.repeat(event.size);

export const streams = awslambda.streamifyResponse(async (event, response) => {
  response.setContentType('text/plain');
  for (let i = 0; i < event.pieces; i++) response.write(`piece ${i}\n`);
  response.end();
});

export const page = awslambda.streamifyResponse(async (_event, response) => {
  const metadata = { statusCode: 201, headers: { 'x-kind': 'page' } };
  const body = awslambda.HttpResponseStream.from(response, metadata);
  body.write('<p>');
  body.end();
});

export const failsMidway = awslambda.streamifyResponse(async (_event, response) => {
  response.write('so far');
  throw new RangeError('too far');
});
