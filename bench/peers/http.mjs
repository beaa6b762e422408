// Runs the workloads in a Step Functions server over HTTP and prints `name workload rate` lines.
// Usage: node http.mjs NAME URL FOLDER-OF-WORKLOADS
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';

const [name, url, workloads] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 64 });
const MILLISECONDS = 5000;
const IN_FLIGHT = 16;

function post(path, body, headers) {
  const { hostname, port } = new URL(url);
  const text = JSON.stringify(body);
  const options = {
    hostname, port, path, agent, method: 'POST',
    headers: { 'Content-Length': Buffer.byteLength(text), ...headers },
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(options, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => {
        const answer = Buffer.concat(parts).toString();
        if (response.statusCode >= 300) reject(new Error(`${response.statusCode}: ${answer}`));
        else resolve(answer === '' ? {} : JSON.parse(answer));
      });
    });
    outgoing.on('error', reject);
    outgoing.end(text);
  });
}

const call = (action, body) =>
  post('/', body, {
    'Content-Type': 'application/x-amz-json-1.0',
    'X-Amz-Target': `AWSStepFunctions.${action}`,
    Authorization:
      'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/states/aws4_request, SignedHeaders=host, Signature=0',
  });

async function create(workload) {
  const definition = readFileSync(join(workloads, `${workload}.asl.json`), 'utf8');
  const { stateMachineArn } = await call('CreateStateMachine', {
    name: `${workload}-${Date.now()}`, definition, roleArn: 'arn:aws:iam::123456789012:role/bench',
  });
  return stateMachineArn;
}

function report(workload, done, begin) {
  console.log(`${name} ${workload} ${((done * 1000) / (performance.now() - begin)).toFixed(1)}`);
}

const ended = (event) => /^Execution(Succeeded|Failed|Aborted|TimedOut)$/.test(event.type);

// An execution's end. A server may leave the status at RUNNING, so the history is read too, but less often.
async function run(stateMachineArn, input) {
  const { executionArn } = await call('StartExecution', { stateMachineArn, input, name: randomUUID() });
  let pause = 1;
  for (let poll = 1; ; poll += 1) {
    const { status } = await call('DescribeExecution', { executionArn });
    if (status === 'SUCCEEDED') return;
    if (status !== 'RUNNING') throw new Error(`the execution ended ${status}`);
    if (poll % 8 === 0) {
      const { events } = await call('GetExecutionHistory', { executionArn, reverseOrder: true, maxResults: 1 });
      if (events.some(ended)) return;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 1.5, 100);
  }
}

// One execution after the other.
async function rate(workload, input, units) {
  const stateMachineArn = await create(workload);
  const text = JSON.stringify(input);
  const begin = performance.now();
  let done = 0;
  do {
    await run(stateMachineArn, text);
    done += units;
  } while (performance.now() - begin < MILLISECONDS);
  report(workload, done, begin);
}

// Starts executions for a while without waiting for each, then waits until none is left running.
async function throughput(workload, input) {
  const stateMachineArn = await create(workload);
  const text = JSON.stringify(input);
  const begin = performance.now();
  const started = [];
  const worker = async () => {
    do {
      const { executionArn } = await call('StartExecution', { stateMachineArn, input: text, name: randomUUID() });
      started.push(executionArn);
    } while (performance.now() - begin < MILLISECONDS);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  await allEnded(stateMachineArn, started);
  report(workload, started.length, begin);
}

// Asks for running executions; should some seem to run on, their histories are read instead.
async function allEnded(stateMachineArn, started) {
  for (let poll = 0; poll < 50; poll += 1) {
    const { executions } = await call('ListExecutions', { stateMachineArn, statusFilter: 'RUNNING', maxResults: 1 });
    if (executions.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  for (const executionArn of started) {
    while (!(await call('GetExecutionHistory', { executionArn, reverseOrder: true, maxResults: 1 })).events.some(ended));
  }
}

// moto executes state machines only when told to; other servers do not know this request.
await post('/moto-api/config', { stepfunctions: { execute_state_machine: true } }, {
  'Content-Type': 'application/json',
}).catch(() => {});

await rate('loop', { n: 0 }, 2001);
// 25,000 events are the most that an execution may have: 1,000 items.
await rate('map', { items: [...Array(1000).keys()] }, 1000);
await throughput('chain', { n: 0 });
agent.destroy();
