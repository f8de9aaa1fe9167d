/* What Go calls. */
#ifndef HANNOY_ENTRY_H
#define HANNOY_ENTRY_H

#define HANNOY_NO_SQLITE (-1)

/* 0, HANNOY_NO_SQLITE or a result code of SQLite. */
int hannoy_auto(void);

#endif
