// A client of Step Functions servers over HTTP that takes little of the processor itself.
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';

// A connection that carries one request at a time. Node's own HTTP client takes more of the processor than the faster
// server does, so that it would be measured instead.
class Connection {
  constructor(url) {
    this.url = url;
  }

  socket = null;
  received = '';

  send(text) {
    return new Promise((resolve, reject) => {
      if (this.socket === null) {
        this.socket = connect(Number(this.url.port), this.url.hostname).setNoDelay(true).setEncoding('latin1');
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

const ended = (event) => /^Execution(Succeeded|Failed|Aborted|TimedOut)$/.test(event.type);

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export class Client {
  constructor(url) {
    this.url = new URL(url);
    this.idle = [];
  }

  async request(method, path, body, headers) {
    const length = Buffer.byteLength(body);
    const lines = Object.entries({ Host: this.url.host, 'Content-Length': length, ...headers });
    const connection = this.idle.pop() ?? new Connection(this.url);
    const head = lines.map(([key, value]) => `${key}: ${value}\r\n`).join('');
    const answer = await connection.send(`${method} ${path} HTTP/1.1\r\n${head}\r\n${body}`);
    this.idle.push(connection);
    if (answer.status >= 300) throw new Error(`${answer.status}: ${answer.body}`);
    return answer.body;
  }

  async post(path, body, headers) {
    const answer = await this.request('POST', path, JSON.stringify(body), headers);
    return answer === '' ? {} : JSON.parse(answer);
  }

  call(action, body) {
    return this.post('/', body, {
      'Content-Type': 'application/x-amz-json-1.0',
      'X-Amz-Target': `AWSStepFunctions.${action}`,
      Authorization:
        'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/states/aws4_request, SignedHeaders=host, Signature=0',
    });
  }

  async create(name, definition) {
    const { stateMachineArn } = await this.call('CreateStateMachine', {
      name: `${name}-${Date.now()}`, definition, roleArn: 'arn:aws:iam::123456789012:role/bench',
    });
    return stateMachineArn;
  }

  async start(stateMachineArn, input) {
    const started = await this.call('StartExecution', { stateMachineArn, input, name: randomUUID() });
    return started.executionArn;
  }

  // An execution's end. A server may leave the status at RUNNING, so the history is read too, but less often.
  async end(executionArn) {
    let wait = 1;
    for (let poll = 1; ; poll += 1) {
      const { status } = await this.call('DescribeExecution', { executionArn });
      if (status === 'SUCCEEDED') return;
      if (status !== 'RUNNING') throw new Error(`the execution ended ${status}`);
      if (poll % 8 === 0 && (await this.hasEnded(executionArn))) return;
      await pause(wait);
      wait = Math.min(wait * 1.5, 100);
    }
  }

  async hasEnded(executionArn) {
    const { events } = await this.call('GetExecutionHistory', { executionArn, reverseOrder: true, maxResults: 1 });
    return events.some(ended);
  }

  // Asks for running executions; should some seem to run on, their histories are read instead.
  async allEnded(stateMachineArn, started, polls = 50) {
    for (let poll = 0; poll < polls; poll += 1) {
      const { executions } = await this.call('ListExecutions', { stateMachineArn, statusFilter: 'RUNNING', maxResults: 1 });
      if (executions.length === 0) return;
      await pause(20);
    }
    for (const executionArn of started) {
      while (!(await this.hasEnded(executionArn)));
    }
  }

  close() {
    for (const connection of this.idle) connection.close();
  }
}
