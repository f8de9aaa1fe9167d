/* The readers' map of a data file; the contract is in env_state.h. */
#include <stdlib.h>
#include <string.h>

#include "base/os_map.h"
#include "sidecar/env_state.h"

#define MIN_MAPPING ((uint64_t)16 << 20)

/* Twice of what is needed, so that few are made; just that where address space is scarce. */
static int make_mapping(hny__env *env, uint64_t bytes) {
    const uint64_t page = hny__os_page_bytes();
    const uint64_t exact = (bytes + page - 1) / page * page;
    const uint64_t least = hny__env_spare() < MIN_MAPPING ? hny__env_spare() : MIN_MAPPING;
    const uint64_t wanted = 2 * exact > least ? 2 * exact : least / page * page;
    const uint64_t end = hny__os_map_end(env->file), ample = wanted < end ? wanted : end;
    hny__mapping *const mapping = malloc(sizeof *mapping);
    if (!mapping) {
        return HNY_NOMEM;
    }
    mapping->size = (size_t)ample;
    mapping->base = hny__os_map(env->file, mapping->size);
    if (!mapping->base) {
        mapping->size = (size_t)exact;
        mapping->base = hny__os_map(env->file, mapping->size);
    }
    if (!mapping->base) {
        free(mapping);
        return HNY_IO;
    }
    mapping->older = atomic_load(&env->mapping);
    atomic_store(&env->mapping, mapping);
    return HNY_OK;
}

static bool is_mapped(const hny__env *env, uint64_t bytes) {
    const hny__mapping *const mapping = atomic_load(&env->mapping);
    return mapping && mapping->size >= bytes;
}

int hny__env_map(hny__env *env, uint64_t bytes) {
    if (is_mapped(env, bytes)) {
        return HNY_OK;
    }
    pthread_mutex_lock(&env->mapping_lock);
    const int rc = is_mapped(env, bytes) ? HNY_OK : make_mapping(env, bytes);
    pthread_mutex_unlock(&env->mapping_lock);
    return rc;
}

void hny__env_unmap(hny__env *env) {
    hny__mapping *mapping = atomic_load(&env->mapping);
    while (mapping) {
        hny__mapping *const older = mapping->older;
        hny__os_unmap(mapping->base, mapping->size);
        free(mapping);
        mapping = older;
    }
    atomic_store(&env->mapping, NULL);
}

/* LMDB writes a meta page while others read it; both are read until neither changed meanwhile. */
#define META_TRIES 16

int hny__env_newest_meta(const hny__env *env, hny__meta *out) {
    const hny__mapping *const mapping = atomic_load(&env->mapping);
    int rc = HNY_CORRUPT;
    for (int i = 0; i < META_TRIES; i++) {
        uint8_t bytes[2][HNY__META_BYTES], again[2][HNY__META_BYTES];
        hny__meta metas[2];
        for (int j = 0; j < 2; j++) {
            memcpy(bytes[j], mapping->base + (size_t)j * env->page_size, HNY__META_BYTES);
        }
        atomic_thread_fence(memory_order_acquire);
        for (int j = 0; j < 2; j++) {
            memcpy(again[j], mapping->base + (size_t)j * env->page_size, HNY__META_BYTES);
        }
        if (memcmp(bytes, again, sizeof bytes) != 0) {
            continue;
        }
        rc = hny__meta_read_numbers(bytes[0], &metas[0]);
        if (!rc) {
            rc = hny__meta_read_numbers(bytes[1], &metas[1]);
        }
        if (!rc) {
            *out = metas[metas[1].txn > metas[0].txn];
            rc = hny__meta_trees_ok(out) ? HNY_OK : HNY_CORRUPT;
        }
        if (!rc) {
            return HNY_OK;
        }
    }
    return rc;
}
