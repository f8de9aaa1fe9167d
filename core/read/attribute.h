/*
** Interface to attribute.c: comparing the values beside a vector (hny_attribute).
*/
#ifndef HNY_ATTRIBUTE_H
#define HNY_ATTRIBUTE_H

#include "hannoy.h"

/* In the order in which SQLite sorts them; integers and reals are one class. */
typedef enum hny__attribute_class_of {
    HNY__NULL,
    HNY__INTEGER,
    HNY__REAL,
    HNY__TEXT,
    HNY__BLOB
} hny__attribute_class_of;

static inline hny__attribute_class_of hny__attribute_class(hny_attribute attribute) {
    return (hny__attribute_class_of)(attribute.detail & 0xff);
}

/* How two attributes that are not NULL compare. */
typedef enum hny__order {
    HNY__BEFORE = -1,
    HNY__SAME = 0,
    HNY__AFTER = 1,
    HNY__UNSURE = 2 /* they differ, but not within what a attribute keeps */
} hny__order;

hny__order hny__attribute_compare(hny_attribute a, hny_attribute b);

#endif
