'use strict';

// Several invocations at once in one process.

let gate = Promise.withResolvers?.() ?? deferred();
let inside = 0;

function deferred() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}

// Each invocation waits until as many as the event says are inside.
exports.together = async (event, context) => {
  console.log(`in ${event.n}`);
  if (++inside === event.of) gate.resolve();
  await gate.promise;
  console.log(`out ${event.n}`);
  const store = awslambda.InvokeStore;
  return {
    n: event.n,
    own: store.getRequestId() === context.awsRequestId,
    trace: [store.getXRayTraceId(), context.xRayTraceId, process.env._X_AMZN_TRACE_ID ?? null],
    tenant: [store.getTenantId(), context.tenantId],
  };
};

exports.escapes = async (event) => {
  if (++inside === event.of) setImmediate(() => { throw new RangeError('escaped'); });
  await new Promise(() => {});
};

exports.withCallback = (_event, _context, callback) => callback(null, 1);
