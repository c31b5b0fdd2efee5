'use strict';

// Handlers that return, in every way that a handler can.

console.log('loading basic');
let count = 0;

exports.echo = async (event) => event;
exports.hello = async (event) => ({ message: 'hello', name: event.name ?? 'world' });
exports.nothing = async () => {};
exports.counted = async () => ++count;
exports.unicode = async () => ({ text: 'snöwman \u2603 \u{1f40d}' });
exports.thenable = () => ({ then: (resolve) => resolve('from a thenable') });
exports.returnsPlainly = () => 'plain';
exports.neverEnds = () => new Promise(() => {});
exports.nested = { deep: { handler: async () => 'nested' } };
exports.notAFunction = 42;
exports.large = async (event) => 'x'.repeat(event.size);
exports.sizeOf = async (event) => event.text.length;
exports.bigInteger = async () => ({ n: 1n });
exports.circular = async () => {
  const value = {};
  value.self = value;
  return value;
};
exports.hasToJson = async () => ({ toJSON: () => 'own form', at: new Date(0) });
exports.date = async () => ({ at: new Date(0), map: new Map([[1, 2]]), nan: NaN, not: undefined });

exports.contextFacts = async (_event, context) => ({
  functionName: context.functionName,
  functionVersion: context.functionVersion,
  memoryLimitInMB: context.memoryLimitInMB,
  logGroupName: context.logGroupName,
  logStreamIsText: typeof context.logStreamName === 'string',
  requestIdLength: context.awsRequestId.length,
  arnHasName: context.invokedFunctionArn.includes(context.functionName),
  timeLeft: context.getRemainingTimeInMillis() > 0 && context.getRemainingTimeInMillis() <= 900000,
  identity: typeof context.identity,
  clientContext: typeof context.clientContext,
  tenantId: typeof context.tenantId,
});

exports.contextKeys = async (_event, context) => Object.keys(context).sort();
exports.clientContext = async (_event, context) => context.clientContext;
exports.environment = async (event) => Object.fromEntries(event.map((name) => [name, process.env[name] ?? null]));
exports.traceIsSet = async () => process.env._X_AMZN_TRACE_ID.startsWith('Root=');
exports.processFacts = async () => ({
  requireMain: require.main === module,
  filenameInRoot: __filename.startsWith(process.env.LAMBDA_TASK_ROOT),
  arguments: process.argv.length,
});

exports.timer = (_event, _context) => new Promise((resolve) => setTimeout(resolve, 5, 'waited'));
