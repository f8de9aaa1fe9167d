/*
** Types of vectors as subtypes; contract in mark.h.
*/
#include "values/mark.h"

static const unsigned marks[] = {
    [HNY_FLOAT32] = 223, [HNY_FLOAT16] = 216, [HNY_INT8] = 225, [HNY_BIT] = 224};

uint8_t hx_mark_read(sqlite3_value *value) {
    if (sqlite3_value_type(value) != SQLITE_BLOB) {
        return 0;
    }
    const unsigned mark = sqlite3_value_subtype(value);
    for (uint8_t type = HNY_FLOAT32; type <= HNY_BIT; type++) {
        if (marks[type] == mark) {
            return type;
        }
    }
    return 0;
}

void hx_mark_result(sqlite3_context *context, uint8_t type) {
    sqlite3_result_subtype(context, marks[type]);
}
