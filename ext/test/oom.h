/* An allocator under SQLite whose nth allocation fails, for tests of what happens then. */
#ifndef OOM_H
#define OOM_H

/* Before anything else of SQLite is called. */
void oom_install(void);

/* From now on the nth allocation fails, counted from 1, and no other; 0: none. */
void oom_arm(int nth);

/* Has it failed since?  Disarms. */
int oom_struck(void);

#endif
