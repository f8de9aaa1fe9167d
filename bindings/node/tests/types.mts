// Compiled only: each host's connection is one for load().
import type { Database as BunDatabase } from 'bun:sqlite';
import type { DatabaseSync } from 'node:sqlite';
import Database from 'better-sqlite3';
import { getLoadablePath, load, type Connection } from 'sqlite-hannoy';

declare const bun: BunDatabase, node: DatabaseSync;
const connections: Connection[] = [bun, node, new Database(':memory:')];
connections.forEach((db) => load(db));
load(bun);
load(node);
export const path: string = getLoadablePath();
// @ts-expect-error no connection
load('app.db');
