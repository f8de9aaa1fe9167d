/*
** The atomics of 64-bit ARM that clang calls by name.  zig does not heed -mno-outline-atomics, and
** the debug information of its own library names the folder that zig is in: two builds would
** differ.  The functions may change x15, x16, x17 and the flags alone.
*/
#define FUNCTION(name)                                                                             \
    .section .text.name, "ax", %progbits;                                                          \
    .globl name;                                                                                   \
    .hidden name;                                                                                  \
    .type name, %function;                                                                         \
    .p2align 2;                                                                                    \
    name

/* Adds the first argument to what the second points to; returns what was there. */
#define ADD(name, load, store, old, new)                                                           \
    FUNCTION(name):                                                                               \
    mov x16, x0;                                                                                   \
    0: load old##0, [x1];                                                                         \
    add new##17, old##0, new##16;                                                                  \
    store w15, new##17, [x1];                                                                      \
    cbnz w15, 0b;                                                                                  \
    ret;                                                                                           \
    .size name, . - name

ADD(__aarch64_ldadd4_relax, ldxr, stxr, w, w)
ADD(__aarch64_ldadd4_rel, ldxr, stlxr, w, w)
ADD(__aarch64_ldadd4_acq_rel, ldaxr, stlxr, w, w)
ADD(__aarch64_ldadd8_acq_rel, ldaxr, stlxr, x, x)

/* Puts the second argument where the third points to, if the first is there; returns what was. */
FUNCTION(__aarch64_cas8_acq_rel):
    mov x16, x0
0:  ldaxr x0, [x2]
    cmp x0, x16
    b.ne 1f
    stlxr w17, x1, [x2]
    cbnz w17, 0b
1:  ret
    .size __aarch64_cas8_acq_rel, . - __aarch64_cas8_acq_rel

/* Puts the first argument, a byte, where the second points to; returns what was there. */
FUNCTION(__aarch64_swp1_acq_rel):
    mov w16, w0
0:  ldaxrb w0, [x1]
    stlxrb w17, w16, [x1]
    cbnz w17, 0b
    ret
    .size __aarch64_swp1_acq_rel, . - __aarch64_swp1_acq_rel

    .section .note.GNU-stack, "", %progbits
