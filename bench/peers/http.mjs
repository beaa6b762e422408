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

async function rate(workload, input, units, inFlight) {
  const definition = readFileSync(join(workloads, `${workload}.asl.json`), 'utf8');
  const { stateMachineArn } = await call('CreateStateMachine', {
    name: `${workload}-${Date.now()}`, definition, roleArn: 'arn:aws:iam::123456789012:role/bench',
  });
  const text = JSON.stringify(input);
  const begin = performance.now();
  let done = 0;
  const worker = async () => {
    do {
      await run(stateMachineArn, text);
      done += units;
    } while (performance.now() - begin < MILLISECONDS);
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  console.log(`${name} ${workload} ${((done * 1000) / (performance.now() - begin)).toFixed(1)}`);
}

// moto executes state machines only when told to; other servers do not know this request.
await post('/moto-api/config', { stepfunctions: { execute_state_machine: true } }, {
  'Content-Type': 'application/json',
}).catch(() => {});

await rate('loop', { n: 0 }, 2001, 1);
// 25,000 events are the most that an execution may have: 1,000 items.
await rate('map', { items: [...Array(1000).keys()] }, 1000, 1);
await rate('chain', { n: 0 }, 1, IN_FLIGHT);
agent.destroy();
