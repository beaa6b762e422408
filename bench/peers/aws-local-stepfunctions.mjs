// Runs the workloads in aws-local-stepfunctions, in this process, and prints `peer workload rate` lines.
// Usage: node aws-local-stepfunctions.mjs FOLDER-WITH-node_modules FOLDER-OF-WORKLOADS
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const [modules, workloads] = process.argv.slice(2).map((path) => resolve(path));
const { StateMachine } = createRequire(join(modules, 'x.cjs'))('aws-local-stepfunctions');

// How long each workload is repeated, how often; the best time counts, for the others were disturbed.
const MILLISECONDS = 100;
const TIMES = 25;

async function rate(name, input, units) {
  const machine = new StateMachine(JSON.parse(readFileSync(join(workloads, `${name}.asl.json`), 'utf8')));
  await machine.run(input).result;
  let best = 0;
  for (let time = 0; time < TIMES; time += 1) {
    const begin = performance.now();
    let done = 0;
    do {
      await machine.run(input).result;
      done += units;
    } while (performance.now() - begin < MILLISECONDS);
    best = Math.max(best, (done * 1000) / (performance.now() - begin));
  }
  console.log(`aws-local-stepfunctions ${name} ${Math.round(best)}`);
}

await rate('loop', { n: 0 }, 2001);
await rate('map', { items: [...Array(10_000).keys()] }, 10_000);
await rate('chain', { n: 0 }, 1);
