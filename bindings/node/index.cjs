'use strict';
// hannoy in a connection of SQLite. The library is in a package of its own for each platform;
// npm installs the one that fits, as an optional dependency.
const fs = require('node:fs');

const PLATFORMS = [
  'linux-x64',
  'linux-x64-musl',
  'linux-arm64',
  'linux-arm64-musl',
  'win32-x64',
  'darwin-x64',
  'darwin-arm64',
];
const FILES = { win32: 'hannoy.dll', darwin: 'hannoy.dylib' };

// The C library of a program is the one whose loader the head of the file names. Both loaders can
// be on one system, so the files there do not tell.
function usesMusl(program) {
  const head = Buffer.alloc(4096);
  const file = fs.openSync(program, 'r');
  try {
    fs.readSync(file, head, 0, head.length, 0);
  } finally {
    fs.closeSync(file);
  }
  return head.includes('/ld-musl-');
}

function platformOf(system, processor, program) {
  const musl = system === 'linux' && usesMusl(program) ? '-musl' : '';
  return `${system}-${processor}${musl}`;
}

function getLoadablePath() {
  const platform = platformOf(process.platform, process.arch, process.execPath);
  if (!PLATFORMS.includes(platform)) {
    throw new Error(
      `sqlite-hannoy: there is no package for ${platform}, only for ${PLATFORMS.join(', ')}; ` +
        'build the library from its sources and load it with db.loadExtension(path)',
    );
  }
  const name = `sqlite-hannoy-${platform}`;
  try {
    return require.resolve(`${name}/${FILES[process.platform] ?? 'hannoy.so'}`);
  } catch (cause) {
    const error = new Error(
      `sqlite-hannoy: the package ${name} is not installed; npm leaves it out with ` +
        '--omit=optional, or where node_modules comes from another platform; ' +
        `install again on this one, or: npm install ${name}`,
    );
    error.cause = cause;
    throw error;
  }
}

function load(db) {
  if (!db || typeof db.loadExtension !== 'function') {
    throw new TypeError(
      'sqlite-hannoy: load(db) takes a connection that has a method loadExtension, as one of ' +
        "better-sqlite3, node:sqlite or bun:sqlite has; pass an ORM's connection, such as " +
        "Drizzle's db.$client",
    );
  }
  const path = getLoadablePath();
  try {
    return db.loadExtension(path);
  } catch (cause) {
    // Node's words, Deno's, and SQLite's.
    if (!/not allowed|allowExtension|not authorized/.test(cause.message)) {
      throw cause;
    }
    const error = new Error(
      'sqlite-hannoy: this connection may not load extensions; with node:sqlite open it by ' +
        `new DatabaseSync(file, { allowExtension: true }) (${cause.message})`,
    );
    error.cause = cause;
    throw error;
  }
}

module.exports = { getLoadablePath, load };
