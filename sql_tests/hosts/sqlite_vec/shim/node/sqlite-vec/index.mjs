// Stands in for the package sqlite-vec.  The environment variable HANNOY has the extension's path.
export function getLoadablePath() {
  return process.env.HANNOY;
}

export function load(db) {
  db.loadExtension(getLoadablePath());
}
