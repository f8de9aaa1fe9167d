/*
** Interface to heal.c: a search without a usable index appends codes of the rows to the sidecar and
** leaves their links to the linker.
**
** A copy of the database, a node that joined, a restored backup and a database whose sidecar was
** deleted get no COMMIT that builds.  The first searches there read the whole table, and the codes
** that they leave serve all later ones.
*/
#ifndef HX_HEAL_H
#define HX_HEAL_H

typedef struct hx_view hx_view;

/*
** To be called when a search on this view has found its first row.  Makes or updates the index if
** `autobuild` rows or more are not in it, and goes on linking that a process has left.  Does
** nothing
**
** - with autobuild=0 or background=0, and where no thread can be made;
** - in a write transaction, whose COMMIT builds;
** - inside a statement on a shadow table;
** - with immutable=1 in the name of the database;
** - where only a build may repair the database first: triggers of a content table, a forked log.
**
** The snapshot that the search reads becomes the index' state, so a search of an older snapshot
** leaves an index alone that is ahead of it.  Each attempt, but the first ones that succeed, is
** followed by searches that do not try: after repeated failures or losses their number doubles.
**
** A failure of the sidecar does not fail the search: it is written to sqlite3_log() once, and
** hx_heal_trouble() has it.  SQLITE_OK, or an error of SQLite that ends statements: an interrupt,
** an I/O error, a full disk or SQLITE_NOMEM, with its sentence in the table (error.h).
*/
int hx_heal(hx_view *view);

/* Why the last attempt in this process on the same index failed; static.  NULL: it did not. */
const char *hx_heal_trouble(const hx_view *view);

#endif
