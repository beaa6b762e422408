// Runs the workloads in a Step Functions server over HTTP and prints `name workload rate` lines.
// Usage: node http.mjs NAME URL FOLDER-OF-WORKLOADS
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from './client.mjs';

const [name, url, workloads] = process.argv.slice(2);
const MILLISECONDS = 5000;
const IN_FLIGHT = 64;

const client = new Client(url);
const create = (workload) => client.create(workload, readFileSync(join(workloads, `${workload}.asl.json`), 'utf8'));

function report(workload, done, begin) {
  console.log(`${name} ${workload} ${((done * 1000) / (performance.now() - begin)).toFixed(1)}`);
}

// One execution after the other.
async function rate(workload, input, units) {
  const stateMachineArn = await create(workload);
  const text = JSON.stringify(input);
  const begin = performance.now();
  let done = 0;
  do {
    await client.end(await client.start(stateMachineArn, text));
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
      started.push(await client.start(stateMachineArn, text));
    } while (performance.now() - begin < MILLISECONDS);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  await client.allEnded(stateMachineArn, started);
  report(workload, started.length, begin);
}

// moto executes state machines only when told to; other servers do not know this request.
const config = { stepfunctions: { execute_state_machine: true } };
await client.post('/moto-api/config', config, { 'Content-Type': 'application/json' }).catch(() => {});

await rate('loop', { n: 0 }, 2001);
// 25,000 events are the most that an execution may have: 1,000 items.
await rate('map', { items: [...Array(1000).keys()] }, 1000);
await throughput('chain', { n: 0 });
client.close();
