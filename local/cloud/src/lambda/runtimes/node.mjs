// Runs a handler in Node.js: asks the Runtime API for events, one after the other, and answers them.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html

import { existsSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { pathToFileURL } from "node:url";

const { env } = process;
const RUNTIME = `http://${env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime`;
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

/** A failure of the runtime, with the error type that Lambda gives it. */
class Failure extends Error {
  constructor(type, message) {
    super(message);
    this.name = type;
  }
}

function call(method, place, body = "", headers = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(`${RUNTIME}${place}`, { method, agent, headers }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("error", reject);
      response.on("end", () => resolve({ headers: response.headers, text: Buffer.concat(parts).toString() }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

function post(place, document, type) {
  const headers = { "Content-Type": "application/json" };
  if (type) headers["Lambda-Runtime-Function-Error-Type"] = type;
  return call("POST", place, document, headers);
}

function failure(error) {
  if (error instanceof Error) {
    return { errorType: error.name, errorMessage: error.message, trace: (error.stack ?? "").split("\n") };
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

async function load(handler) {
  const place = path.join(env.LAMBDA_TASK_ROOT, path.dirname(handler));
  const [file, ...names] = path.basename(handler).split(".");
  if (names.length === 0) {
    throw new Failure("Runtime.MalformedHandlerName", `Bad handler '${handler}': expected FILE.FUNCTION`);
  }
  const base = path.join(place, file);
  const found = [".js", ".mjs", ".cjs"].map((ending) => base + ending).find(existsSync);
  if (!found) {
    const hint = existsSync(`${base}.ts`) ? `; ${file}.ts has to be built to JavaScript first` : "";
    throw new Failure("Runtime.ImportModuleError", `Cannot find module '${base}' as .js, .mjs or .cjs${hint}`);
  }
  let module;
  try {
    module = await import(pathToFileURL(found).href);
  } catch (error) {
    const type = error instanceof SyntaxError ? "Runtime.UserCodeSyntaxError" : "Runtime.ImportModuleError";
    if (error instanceof SyntaxError || /_NOT_FOUND$/.test(error?.code ?? "")) {
      throw new Failure(type, String(error));
    }
    throw error;
  }
  const inside = (object) => names.reduce((value, name) => value?.[name], object);
  const handle = inside(module) ?? inside(module.default);
  if (typeof handle !== "function") {
    throw new Failure("Runtime.HandlerNotFound", `${handler} is undefined or not exported`);
  }
  return handle;
}

/** The answer of a handler, by the promise that it returns or by its callback. */
function invoke(handle, event, context) {
  return new Promise((resolve, reject) => {
    const callback = (error, value) => (error ? reject(error) : resolve(value));
    context.done = callback;
    context.succeed = (value) => callback(null, value);
    context.fail = (error) => callback(error ?? new Error("fail"));
    nothingLeft = () => resolve(null);
    const returned = handle(event, context, callback);
    if (typeof returned?.then === "function") returned.then(resolve, reject);
  });
}

function contextOf(headers) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  return {
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    callbackWaitsForEmptyEventLoop: true,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    getRemainingTimeInMillis: () => Math.max(deadline - Date.now(), 0),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
  };
}

// Whoever never answers has answered when nothing is left to do.
let nothingLeft = () => {};
process.on("beforeExit", () => nothingLeft());

let handle;
try {
  handle = await load(env._HANDLER);
} catch (error) {
  console.error(error);
  const document = failure(error);
  await post("/init/error", JSON.stringify(document), document.errorType);
  process.exit(1);
}
for (;;) {
  const { headers, text } = await call("GET", "/invocation/next");
  const context = contextOf(headers);
  const place = `/invocation/${context.awsRequestId}`;
  env._X_AMZN_TRACE_ID = headers["lambda-runtime-trace-id"] ?? "";
  try {
    const value = await invoke(handle, JSON.parse(text), context);
    await post(`${place}/response`, JSON.stringify(value ?? null));
  } catch (error) {
    const document = failure(error);
    console.error(error);
    await post(`${place}/error`, JSON.stringify(document), document.errorType);
  }
}
