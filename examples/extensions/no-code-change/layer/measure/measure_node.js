// Measures every call of a handler that knows nothing of it, and is an internal extension besides. Loaded by
// `--require` before the runtime; when the function's CommonJS module is loaded, its handler is replaced.
"use strict";

const http = require("node:http");
const Module = require("node:module");
const path = require("node:path");

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const dot = process.env._HANDLER.lastIndexOf(".");
const file = path.resolve(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER.slice(0, dot));
const name = process.env._HANDLER.slice(dot + 1);
const agent = new http.Agent({ keepAlive: true });
let invocations = 0;

function call(method, target, headers, body, then) {
  const request = http.request({ host, port, method, path: target, headers, agent }, (answer) => {
    const chunks = [];
    answer.on("data", (chunk) => chunks.push(chunk));
    answer.on("end", () => then(answer.headers, Buffer.concat(chunks).toString()));
  });
  // The function must end when its runtime wants to, whatever is still open here.
  request.on("socket", (socket) => socket.unref());
  request.end(body);
}

function attend(id) {
  call("GET", "/2020-01-01/extension/event/next", { "Lambda-Extension-Identifier": id }, undefined, (_, text) => {
    if (JSON.parse(text).eventType === "INVOKE") invocations += 1;
    attend(id);
  });
}

// Internal extensions register from the runtime's process. They may hear of invocations, not of the end.
const registration = { "Lambda-Extension-Name": "measure", "Content-Type": "application/json" };
call("POST", "/2020-01-01/extension/register", registration, '{"events": ["INVOKE"]}', (headers) => {
  attend(headers["lambda-extension-identifier"]);
});

function measured(handler) {
  return async function (event, context, callback) {
    const began = process.hrtime.bigint();
    let outcome = "error";
    try {
      const result = await handler.call(this, event, context, callback);
      outcome = "success";
      return result;
    } finally {
      const handler_ms = Number(process.hrtime.bigint() - began) / 1e6;
      const line = { request: context.awsRequestId, outcome, handler_ms, invocations_told: invocations };
      process.stdout.write(`${JSON.stringify({ measure: line })}\n`);
    }
  };
}

const load = Module._load;
const wrapped = new Map();
Module._load = function (request, parent, isMain) {
  const exported = load.apply(this, arguments);
  let found;
  try {
    found = Module._resolveFilename(request, parent, isMain);
  } catch {
    return exported;
  }
  if (path.parse(found).ext === "" || found.slice(0, -path.extname(found).length) !== file) return exported;
  if (typeof exported[name] !== "function") return exported;
  if (!wrapped.has(found)) wrapped.set(found, { ...exported, [name]: measured(exported[name]) });
  return wrapped.get(found);
};
