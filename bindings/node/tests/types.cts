// Compiled only: the package by require().
import hannoy = require('sqlite-hannoy');
import type { DatabaseSync } from 'node:sqlite';

declare const db: DatabaseSync;
hannoy.load(db);
export const path: string = hannoy.getLoadablePath();
// @ts-expect-error a path is no connection
hannoy.load(path);
