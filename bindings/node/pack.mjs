// Makes the npm packages, as .tgz: one of each platform's library, and the one that needs them.
//
//   pack.mjs VERSION LIBRARIES OUT PLATFORM...
//
// LIBRARIES/PLATFORM/hannoy.* are what `make dist` built, LIBRARIES/sources/licences what it has
// inside.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const [version, libraries, out, ...platforms] = process.argv.slice(2);
const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const common = JSON.parse(fs.readFileSync(`${here}/package.json`, 'utf8'));
const processors = { x86_64: 'x64', aarch64: 'arm64' };
// Systems as Node names them, and their libraries.
const systems = {
  linux: ['linux', 'hannoy.so'],
  windows: ['win32', 'hannoy.dll'],
  macos: ['darwin', 'hannoy.dylib'],
};

function pack(manifest, files) {
  const folder = `${out}/${manifest.name}`;
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(`${folder}/package.json`, JSON.stringify(manifest, null, 2) + '\n');
  for (const file of files) {
    fs.cpSync(file, `${folder}/${path.basename(file)}`, { recursive: true });
  }
  fs.copyFileSync(`${here}/../../LICENSE`, `${folder}/LICENSE`);
  execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', '..'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  fs.rmSync(folder, { recursive: true });
}

function packPlatform(platform) {
  const [family, processor, libc] = platform.split('-');
  const [system, library] = systems[family] ?? [];
  const cpu = processors[processor];
  if (!system || !cpu || (family === 'linux') !== ['glibc', 'musl'].includes(libc)) {
    throw new Error(`npm: no package for ${platform}`);
  }
  const name = `${common.name}-${system}-${cpu}${libc === 'musl' ? '-musl' : ''}`;
  const manifest = {
    name,
    version,
    description: `The library of ${common.name} for ${family} on ${cpu}${libc ? ` with ${libc}` : ''}`,
    license: common.license,
    os: [system],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
    files: [library, 'licences'],
    preferUnplugged: true,
  };
  const folder = `${libraries}/${platform}`;
  pack(manifest, [`${folder}/${library}`, `${libraries}/sources/licences`]);
  return name;
}

fs.mkdirSync(out, { recursive: true });
const names = platforms.map(packPlatform);
const { name, ...others } = common;
const manifest = {
  name,
  version,
  ...others,
  optionalDependencies: Object.fromEntries(names.map((n) => [n, version])),
};
pack(manifest, [...common.files, 'README.md'].map((file) => `${here}/${file}`));
