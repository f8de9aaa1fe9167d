/** A connection of better-sqlite3, node:sqlite or bun:sqlite, or another with this method. */
export interface Connection {
  loadExtension(path: string): unknown;
}

/**
 * Loads hannoy into a connection.
 *
 * node:sqlite must have opened it with `{ allowExtension: true }`. The value is what the
 * connection's own method returns: a promise, where that is asynchronous.
 *
 * @throws an Error that says what to do, where the connection cannot load extensions, or where there
 * is no library for this platform.
 */
export function load(db: Connection): unknown;

/**
 * The path of the library for this platform, in the package that npm installed for it.
 *
 * @throws an Error that names the package, where there is none.
 */
export function getLoadablePath(): string;
