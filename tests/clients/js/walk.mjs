// Walks through the main operations with the AWS SDK for JavaScript v3: commands, waiters, paginators, event streams and
// error classes. Prints a line for each check and ends with a sum, as the scripts in Python beside it do.

import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import * as lambda from "@aws-sdk/client-lambda";

const { LambdaClient } = lambda;
const ROLE = "arn:aws:iam::000000000000:role/clients";
const UNFINISHED = new Set(process.env.UNFINISHED.split(" "));
const CODE = readFileSync("code.zip");
const mark = Math.random().toString(36).slice(2, 10);
const client = new LambdaClient({ maxAttempts: 1 });
const waiting = { client, maxWaitTime: 30, minDelay: 0.1, maxDelay: 0.5 };
const made = [];
let passed = 0;
let failed = 0;

function holds(name, held, seen) {
  held ? passed++ : failed++;
  console.log(held ? `ok ${name}` : `FAILED ${name}: seen ${JSON.stringify(seen)}`);
}

const equal = (name, seen, expected) => holds(name, isDeepStrictEqual(seen, expected), seen);

// Sends the command of an operation; what this version does not serve is undefined, and said.
async function send(operation, input) {
  try {
    return await client.send(new lambda[`${operation}Command`](input));
  } catch (error) {
    if (!(UNFINISHED.has(operation) && error.name === "NotImplementedException")) throw error;
    console.log(`ok ${operation}: not served yet`);
    return undefined;
  }
}

async function refused(name, operation, input, type, status) {
  try {
    const answer = await send(operation, input);
    if (answer) holds(name, false, answer);
  } catch (error) {
    const isModeled = typeof lambda[type] !== "function" || error instanceof lambda[type];
    equal(name, [error.name, error.$metadata?.httpStatusCode, isModeled], [type, status, true]);
  }
}

async function create(label, handler, more = {}) {
  const FunctionName = `js-${label}-${mark}`;
  const input = { FunctionName, Role: ROLE, Runtime: process.env.RUNTIME, Handler: `index.${handler}`, Timeout: 10 };
  await send("CreateFunction", { ...input, Code: { ZipFile: CODE }, ...more });
  made.push(FunctionName);
  const state = await lambda.waitUntilFunctionActiveV2(waiting, { FunctionName });
  equal(`${label}: active`, state.state, "SUCCESS");
  return FunctionName;
}

const text = (bytes) => Buffer.from(bytes ?? []).toString();

async function life() {
  const FunctionName = await create("life", "echo", { Environment: { Variables: { NAME: "1" } }, Tags: { team: "js" } });
  const answer = await send("Invoke", { FunctionName, Payload: JSON.stringify({ a: [1] }), LogType: "Tail" });
  equal("invoke: status", [answer.StatusCode, answer.FunctionError], [200, undefined]);
  equal("invoke: payload", JSON.parse(text(answer.Payload)), { event: { a: [1] }, version: "$LATEST" });
  holds("invoke: log", Buffer.from(answer.LogResult, "base64").includes("REPORT RequestId"), answer.LogResult);
  const got = await send("GetFunction", { FunctionName });
  equal("get: members", [got.Configuration.Timeout, got.Tags, got.Configuration.Environment], [
    10, { team: "js" }, { Variables: { NAME: "1" } },
  ]);
  const code = await fetch(got.Code.Location);
  equal("get: code", Buffer.from(await code.arrayBuffer()).equals(CODE), true);
  await send("UpdateFunctionConfiguration", { FunctionName, Description: "changed", MemorySize: 256 });
  equal("update: waiter", (await lambda.waitUntilFunctionUpdatedV2(waiting, { FunctionName })).state, "SUCCESS");
  const seen = await send("GetFunctionConfiguration", { FunctionName });
  equal("update: members", [seen.Description, seen.MemorySize], ["changed", 256]);
  const again = await send("UpdateFunctionCode", { FunctionName, ZipFile: CODE, RevisionId: seen.RevisionId });
  equal("update code: digest", again.CodeSha256, seen.CodeSha256);
  await lambda.waitUntilFunctionUpdatedV2(waiting, { FunctionName });
  await refused("update code: old revision", "UpdateFunctionCode",
    { FunctionName, ZipFile: CODE, RevisionId: seen.RevisionId }, "PreconditionFailedException", 412);
}

async function errors() {
  const missing = { FunctionName: `js-missing-${mark}` };
  await refused("missing function", "GetFunction", missing, "ResourceNotFoundException", 404);
  await refused("bad memory", "UpdateFunctionConfiguration", { ...missing, MemorySize: 1 }, "ValidationException", 400);
  const FunctionName = await create("twice", "fails");
  const twice = { FunctionName, Role: ROLE, Runtime: process.env.RUNTIME, Handler: "a.b", Code: { ZipFile: CODE } };
  await refused("function twice", "CreateFunction", twice, "ResourceConflictException", 409);
  await refused("no zip", "UpdateFunctionCode", { FunctionName, ZipFile: Buffer.from("x") }, "InvalidParameterValueException", 400);
  const answer = await send("Invoke", { FunctionName });
  equal("function error", [answer.FunctionError, JSON.parse(text(answer.Payload)).errorType], ["Unhandled", "RangeError"]);
}

async function streams() {
  const FunctionName = await create("streams", "streams");
  const Payload = JSON.stringify(["one ", "two ", "three"]);
  const answer = await send("InvokeWithResponseStream", { FunctionName, Payload, LogType: "Tail" });
  const chunks = [];
  let end;
  for await (const event of answer.EventStream) {
    if (event.PayloadChunk) chunks.push(text(event.PayloadChunk.Payload));
    if (event.InvokeComplete) end = event.InvokeComplete;
  }
  equal("stream: payload", chunks.join(""), "one two three");
  holds("stream: end", end && !end.ErrorCode && end.LogResult, end);
}

async function pages() {
  const names = [];
  for await (const page of lambda.paginateListFunctions({ client, pageSize: 1 }, {})) {
    equal("page: size", page.Functions.length, 1);
    names.push(...page.Functions.map((found) => found.FunctionName));
  }
  equal("pages: every function", names.filter((name) => name.endsWith(mark)).sort(), [...made].sort());
}

async function layers() {
  const LayerName = `js-${mark}`;
  for (const Description of ["first", "second"]) {
    await send("PublishLayerVersion", { LayerName, Description, Content: { ZipFile: CODE } });
  }
  const numbers = [];
  for await (const page of lambda.paginateListLayerVersions({ client, pageSize: 1 }, { LayerName })) {
    numbers.push(...page.LayerVersions.map((found) => found.Version));
  }
  equal("layer versions: newest first", numbers, [2, 1]);
  for (const VersionNumber of numbers) await send("DeleteLayerVersion", { LayerName, VersionNumber });
}

async function versions() {
  const FunctionName = made[0];
  const version = await send("PublishVersion", { FunctionName, Description: "one" });
  if (!version) return;
  equal("publish: number", version.Version, "1");
  const named = { FunctionName, Qualifier: "1" };
  equal("publish: waiter", (await lambda.waitUntilPublishedVersionActive(waiting, named)).state, "SUCCESS");
  const answer = await send("Invoke", { ...named, Payload: "{}" });
  equal("invoke a version", [answer.ExecutedVersion, JSON.parse(text(answer.Payload)).version], ["1", "1"]);
  const alias = { FunctionName, Name: "live" };
  if (!(await send("CreateAlias", { ...alias, FunctionVersion: "1" }))) return;
  equal("invoke an alias", (await send("Invoke", { FunctionName, Qualifier: "live" })).ExecutedVersion, "1");
  await refused("alias twice", "CreateAlias", { ...alias, FunctionVersion: "1" }, "ResourceConflictException", 409);
  const names = [];
  for await (const page of lambda.paginateListAliases({ client }, { FunctionName })) names.push(...page.Aliases);
  equal("aliases", names.map((found) => found.Name), ["live"]);
  await send("DeleteAlias", alias);
}

async function settings() {
  const FunctionName = made[0];
  const Resource = (await send("GetFunctionConfiguration", { FunctionName })).FunctionArn;
  if (await send("TagResource", { Resource, Tags: { more: "yes" } })) {
    equal("tags", (await send("ListTags", { Resource })).Tags, { team: "js", more: "yes" });
    await send("UntagResource", { Resource, TagKeys: ["more"] });
  }
  if (await send("PutFunctionConcurrency", { FunctionName, ReservedConcurrentExecutions: 3 })) {
    equal("concurrency", (await send("GetFunctionConcurrency", { FunctionName })).ReservedConcurrentExecutions, 3);
    await send("DeleteFunctionConcurrency", { FunctionName });
  }
  const statement = { StatementId: "s3", Action: "lambda:InvokeFunction", Principal: "s3.amazonaws.com" };
  if (await send("AddPermission", { FunctionName, ...statement })) {
    const { Policy } = await send("GetPolicy", { FunctionName });
    equal("policy", JSON.parse(Policy).Statement.map((found) => found.Sid), ["s3"]);
    await send("RemovePermission", { FunctionName, StatementId: "s3" });
    await refused("no policy", "GetPolicy", { FunctionName }, "ResourceNotFoundException", 404);
  }
  const url = await send("CreateFunctionUrlConfig", { FunctionName, AuthType: "AWS_IAM" });
  if (url) {
    equal("URL", (await send("GetFunctionUrlConfig", { FunctionName })).FunctionUrl, url.FunctionUrl);
    await send("DeleteFunctionUrlConfig", { FunctionName });
  }
  const EventSourceArn = `arn:aws:kinesis:${process.env.AWS_REGION}:000000000000:stream/js-${mark}`;
  const source = { EventSourceArn, StartingPosition: "LATEST", Enabled: false };
  const mapping = await send("CreateEventSourceMapping", { FunctionName, ...source });
  if (mapping) {
    const listed = await send("ListEventSourceMappings", { FunctionName });
    equal("mappings", listed.EventSourceMappings.map((found) => found.UUID), [mapping.UUID]);
    await send("DeleteEventSourceMapping", { UUID: mapping.UUID });
  }
}

for (const part of [life, errors, streams, pages, layers, versions, settings]) {
  try {
    await part();
  } catch (error) {
    holds(part.name, false, String(error.stack));
  }
}
for (const FunctionName of made) await send("DeleteFunction", { FunctionName });
await refused("deleted", "GetFunction", { FunctionName: made[0] }, "ResourceNotFoundException", 404);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed || !passed ? 1 : 0;
