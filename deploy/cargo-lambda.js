'use strict';

// Serverless Framework plugin: builds every function with cargo-lambda before it is packaged, for
// the architecture of the provider. `handler` names the Cargo package. The framework uploads an
// artifact under its file name, and cargo-lambda calls every one bootstrap.zip, so each gets the
// name of its function.

const { spawnSync } = require('child_process');
const fs = require('fs');
const path = require('path');

class CargoLambda {
  constructor(serverless) {
    this.serverless = serverless;
    const build = () => this.build();
    this.hooks = {
      'before:package:createDeploymentArtifacts': build,
      'before:package:function:package': build,
    };
  }

  build() {
    const { service, config } = this.serverless;
    const root = config.servicePath ?? this.serverless.serviceDir;
    const functions = Object.entries(service.functions).filter(([, it]) => it.handler);
    const packages = [...new Set(functions.map(([, it]) => it.handler))];
    const target = service.provider.architecture === 'arm64' ? '--arm64' : '--x86-64';
    const built = spawnSync(
      'cargo',
      ['lambda', 'build', '--release', '--output-format', 'zip', target,
        ...packages.flatMap((name) => ['-p', name])],
      { cwd: root, stdio: ['ignore', 2, 2] },
    );
    if (built.status !== 0) {
      throw new this.serverless.classes.Error(
        'cargo lambda build failed. It needs Rust, and cargo-lambda with zig: `hybrid doctor` says what is missing',
      );
    }
    for (const [key, it] of functions) {
      const artifact = path.join(root, 'target', 'lambda', `${key}.zip`);
      fs.copyFileSync(path.join(root, 'target', 'lambda', it.handler, 'bootstrap.zip'), artifact);
      it.package = { ...it.package, artifact };
    }
  }
}

module.exports = CargoLambda;
