// Runs the workloads in a Step Functions server over HTTP and prints `name workload rate` lines.
// Usage: node http.mjs NAME URL FOLDER-OF-WORKLOADS
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

const [name, url, workloads] = process.argv.slice(2);
const MILLISECONDS = 5000;
const IN_FLIGHT = 64;

const { hostname, port } = new URL(url);

// A connection that carries one request at a time. Node's own HTTP client takes more of the processor than the faster
// server does, so that it would be measured instead.
class Connection {
  socket = null;
  received = '';

  send(text) {
    return new Promise((resolve, reject) => {
      if (this.socket === null) {
        this.socket = connect(Number(port), hostname).setNoDelay(true).setEncoding('latin1');
        this.received = '';
        this.socket.on('data', (part) => { this.received += part; this.read(); });
        this.socket.on('error', (error) => this.fail(error));
        this.socket.on('close', () => { this.socket = null; this.fail(new Error('closed')); });
      }
      this.pending = { resolve, reject };
      this.socket.write(text);
    });
  }

  fail(error) {
    this.pending?.reject(error);
    this.pending = null;
  }

  // Answers that state their length; both servers' do.
  read() {
    const end = this.received.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = this.received.slice(0, end);
    const length = Number(/\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (this.received.length < end + 4 + length) return;
    const body = Buffer.from(this.received.slice(end + 4, end + 4 + length), 'latin1').toString();
    this.received = this.received.slice(end + 4 + length);
    if (/^HTTP\/1\.0|\nconnection: *close/i.test(head)) {
      this.socket.removeAllListeners('close').destroy();
      this.socket = null;
    }
    const { resolve } = this.pending;
    this.pending = null;
    resolve({ status: Number(head.slice(9, 12)), body });
  }

  close() {
    this.socket?.removeAllListeners('close').destroy();
  }
}

const idle = [];

async function post(path, body, headers) {
  const text = JSON.stringify(body);
  const lines = Object.entries({ Host: `${hostname}:${port}`, 'Content-Length': Buffer.byteLength(text), ...headers });
  const connection = idle.pop() ?? new Connection();
  const head = lines.map(([key, value]) => `${key}: ${value}\r\n`).join('');
  const answer = await connection.send(`POST ${path} HTTP/1.1\r\n${head}\r\n${text}`);
  idle.push(connection);
  if (answer.status >= 300) throw new Error(`${answer.status}: ${answer.body}`);
  return answer.body === '' ? {} : JSON.parse(answer.body);
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
for (const connection of idle) connection.close();
