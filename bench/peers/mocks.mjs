// Runs the test cases of the mock file in aws-local-stepfunctions, in this process, and prints `peer case rate` lines.
// Its mocks are functions in place of the tasks; here they answer what the mock file says, and retries do not wait.
// Usage: node mocks.mjs FOLDER-WITH-node_modules FOLDER-OF-WORKLOADS
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

// The peer uses a method that Node.js has from version 22 on.
Promise.withResolvers ??= () => {
  const parts = {};
  parts.promise = new Promise((fulfil, reject) => Object.assign(parts, { resolve: fulfil, reject }));
  return parts;
};

const [modules, workloads] = process.argv.slice(2).map((path) => resolve(path));
const { StateMachine } = createRequire(join(modules, 'x.cjs'))('aws-local-stepfunctions');
const read = (file) => JSON.parse(readFileSync(join(workloads, file), 'utf8'));

// How long each case is repeated, how often; the best time counts, for the others were disturbed.
const MILLISECONDS = 100;
const TIMES = 25;

const { StateMachines, MockedResponses } = read('MockConfigFile.json');
const machine = new StateMachine(read('mocked.asl.json'));

// The response of each invocation, in order.
function inOrder(responses) {
  return Object.entries(responses).flatMap(([key, response]) => {
    const [first, last = first] = key.split('-').map(Number);
    return Array(last - first + 1).fill(response);
  });
}

function handlers(states) {
  return Object.fromEntries(
    Object.entries(states).map(([state, name]) => {
      const responses = inOrder(MockedResponses[name]);
      let invocation = 0;
      const handler = async () => {
        const { Return, Throw } = responses[invocation++];
        if (Throw) {
          throw Object.assign(new Error(Throw.Cause), { name: Throw.Error });
        }
        return Return;
      };
      return [state, handler];
    })
  );
}

async function run(states) {
  const overrides = {
    taskResourceLocalHandlers: handlers(states),
    retryIntervalOverrides: Object.fromEntries(Object.keys(states).map((state) => [state, 0])),
  };
  await machine.run({}, { overrides }).result;
}

async function rate(name) {
  const states = StateMachines.LambdaSQSIntegration.TestCases[name];
  await run(states);
  let best = 0;
  for (let time = 0; time < TIMES; time += 1) {
    const begin = performance.now();
    let done = 0;
    do {
      await run(states);
      done += 1;
    } while (performance.now() - begin < MILLISECONDS);
    best = Math.max(best, (done * 1000) / (performance.now() - begin));
  }
  console.log(`aws-local-stepfunctions ${name} ${Math.round(best)}`);
}

await rate('HappyPath');
await rate('RetryPath');
