/* Interface to attribute.c: comparing the values beside a vector (hny_attribute). */
#ifndef HNY_ATTRIBUTE_H
#define HNY_ATTRIBUTE_H

#include "hannoy.h"

/* In the order in which SQLite sorts them; integers and reals sort as one class. */
typedef enum hny__attribute_class {
    HNY__NULL,
    HNY__INTEGER,
    HNY__REAL,
    HNY__TEXT,
    HNY__BLOB
} hny__attribute_class;

static inline hny__attribute_class hny__attribute_class_of(hny_attribute attribute) {
    return (hny__attribute_class)(attribute.detail & 0xff);
}

/* How two attributes that are not NULL compare. */
typedef enum hny__order {
    HNY__BEFORE = -1,
    HNY__SAME = 0,
    HNY__AFTER = 1,
    HNY__UNSURE = 2 /* they differ, but in bytes that an attribute does not keep */
} hny__order;

hny__order hny__attribute_compare(hny_attribute a, hny_attribute b);

#endif
