'use strict';

// Serverless Framework plugin: what a deployment is told by its parameters is checked before anything is built or
// made, and `${git:commit}` is the commit that is deployed. The Serverless Framework 4 brings that variable itself,
// with the same meaning; then this one stands in its place.

const { spawnSync } = require('child_process');

const ROLLOUTS = ['ALL_AT_ONCE', 'LINEAR', 'CANARY'];

class Settings {
  constructor(serverless) {
    this.serverless = serverless;
    this.configurationVariablesSources = {
      git: {
        async resolve({ address }) {
          if (address !== 'commit') throw new Error(`\${git:${address}}: only \${git:commit} is known`);
          const head = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: __dirname, encoding: 'utf8' });
          return { value: head.status === 0 ? head.stdout.trim() : null };
        },
      },
    };
    // Before the build and the deployment, of the whole stack or of one function.
    this.hooks = {
      'before:package:initialize': () => this.check(),
      'before:deploy:function:initialize': () => this.check(),
    };
  }

  check() {
    const wrong = problems(this.serverless.service.custom.settings);
    if (wrong.length > 0) throw new this.serverless.classes.Error(wrong.join('\n'));
  }
}

// What is wrong with the parameters, a sentence each.
function problems({ subnets, securityGroups, rollout }) {
  const wrong = [];
  if (Boolean(subnets) !== Boolean(securityGroups)) {
    wrong.push('The parameters subnets and securityGroups go together: give both, or neither for a network of its own.');
  }
  if (!ROLLOUTS.includes(rollout)) {
    wrong.push(`The parameter rollout is one of ${ROLLOUTS.join(', ')}, not ${rollout}.`);
  }
  return wrong;
}

module.exports = Settings;
