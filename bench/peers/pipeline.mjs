// Runs state machines that call a warm function in a server over HTTP and prints lines
//   rate WORKLOAD NUMBER-A-SECOND      and      latency WORKLOAD P50-MS P99-MS
// Usage: node pipeline.mjs URL FUNCTION WORKLOAD...
import { Client, pause } from './client.mjs';

const [url, functionName, ...workloads] = process.argv.slice(2);
const MILLISECONDS = 5000;
const IN_FLIGHT = 64;
// StartExecutions of `paced`.
const A_SECOND = 1000;

const client = new Client(url);

const call = {
  Type: 'Task',
  Resource: 'arn:aws:states:::lambda:invoke',
  Parameters: { FunctionName: functionName, 'Payload.$': '$' },
  OutputPath: '$.Payload',
  End: true,
};
const chain = { StartAt: 'Call', States: { Call: call } };

// Each item, or each batch of items, is a child execution: inline, 10,000 calls would pass 25,000 events.
function map(more) {
  const ItemProcessor = { ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'EXPRESS' }, ...chain };
  const state = { Type: 'Map', Label: 'All', MaxConcurrency: IN_FLIGHT, ItemProcessor, ResultPath: null, End: true };
  return { StartAt: 'All', States: { All: { ...state, ...more } } };
}

const create = (name, definition) => client.create(name, JSON.stringify(definition));

function latency(workload, taken) {
  taken.sort((a, b) => a - b);
  const at = (share) => taken[Math.floor(share * (taken.length - 1))].toFixed(2);
  console.log(`latency ${workload} ${at(0.5)} ${at(0.99)}`);
}

function rate(workload, done, begin) {
  console.log(`rate ${workload} ${((done * 1000) / (performance.now() - begin)).toFixed(1)}`);
}

// Executions at once, each started as soon as a start is answered, until all have ended.
async function throughput(workload, definition) {
  const arn = await create(workload, definition);
  await client.end(await client.start(arn, '{}'));
  const [started, taken, begin] = [[], [], performance.now()];
  const worker = async () => {
    do {
      const from = performance.now();
      started.push(await client.start(arn, '{"n":0}'));
      taken.push(performance.now() - from);
    } while (performance.now() - begin < MILLISECONDS);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  await client.allEnded(arn, started, Infinity);
  rate(workload, started.length, begin);
  latency(workload, taken);
}

// Starts at fixed moments; each takes from its moment to its answer, so that a server that stands still is seen to.
async function paced(workload, definition) {
  const arn = await create(workload, definition);
  const [taken, pending, begin] = [[], [], performance.now()];
  const count = (A_SECOND * MILLISECONDS) / 1000;
  while (pending.length < count) {
    const due = begin + (pending.length * 1000) / A_SECOND;
    if (performance.now() < due) {
      await pause(1);
      continue;
    }
    pending.push(client.start(arn, '{"n":0}').then(() => taken.push(performance.now() - due)));
  }
  await Promise.all(pending);
  latency(workload, taken);
}

async function items(workload, count, definition, input) {
  const arn = await create(workload, definition);
  const begin = performance.now();
  await client.end(await client.start(arn, JSON.stringify(input)));
  rate(workload, count, begin);
}

const numbers = (count) => [...Array(count).keys()];

const run = {
  chain: () => throughput('chain', chain),
  pass: () => throughput('pass', { StartAt: 'Pass', States: { Pass: { Type: 'Pass', End: true } } }),
  paced: () => paced('paced', chain),
  map_10000: () => items('map_10000', 10_000, map({ ItemsPath: '$.items' }), { items: numbers(10_000) }),
  map_100000: async () => {
    const signed = {
      Authorization:
        'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0',
      'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
    };
    await client.request('PUT', '/bench', '', signed);
    await client.request('PUT', '/bench/items.json', JSON.stringify(numbers(100_000)), signed);
    const ItemReader = {
      Resource: 'arn:aws:states:::s3:getObject',
      ReaderConfig: { InputType: 'JSON' },
      Parameters: { Bucket: 'bench', Key: 'items.json' },
    };
    await items('map_100000', 100_000, map({ ItemReader, ItemBatcher: { MaxItemsPerBatch: 100 } }), {});
  },
};

for (const workload of workloads) await run[workload]();
client.close();
