/* Matrix product on a register tile, for float and double, in whatever vector length this
 * translation unit is compiled for (16 bytes: baseline, 32: AVX2, 64: AVX-512).
 *
 * One entry point per type, multiply_f64 and multiply_f32, serves the three products of
 * backpropagation:
 *
 *     C = start + A @ B        or        C += A @ B
 *
 *     forward            Z      = 1 b' + X @ W      A = X,   B = W
 *     weight gradient    dJ/dW  = X' @ D            A = X',  B = D
 *     deltas back        D_in   = D @ W'            A = D,   B = W'
 *
 * A (m, depth) and B (depth, n) are read through two strides each, so that a transpose needs
 * no copy; C (m, n) is row-major with leading dimension ldc.
 *
 * How it works (after Goto and van de Geijn, "Anatomy of high-performance matrix
 * multiplication", ACM TOMS 34(3), 2008). A panel of B, at most PANEL_BYTES large so that it
 * stays in the first-level cache, is packed into aligned vectors with its last vector padded by
 * zeros. Tiles of `rows` x `vectors` accumulators then run down the rows of C; each step of the
 * depth loads `vectors` vectors of the panel and broadcasts `rows` elements of A. Rows and
 * columns are split evenly, so that no thin remainder is left. What follows a product (relu, or
 * its derivative) is done on the accumulators. thin_template.h has the products for which packing does
 * not pay: few rows, one column, a depth of one. */
#ifndef FASTBP_GEMM_H
#define FASTBP_GEMM_H

#include <stddef.h>
#include <string.h>

/* FASTBP_PLAIN asks for the fallback where it is not needed: the debug build tests it. */
#if (defined(__GNUC__) || defined(__clang__)) && !defined(FASTBP_PLAIN)
#define FASTBP_VECTORS 1
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#else
#define FASTBP_VECTORS 0
#endif

/* MASKS: whether a part of a vector is loaded and stored by one instruction. HALVES: whether the last
 * vector of a tile may be half as long. The columns are then computed in fewer lanes; where a 512-bit
 * operation takes as long as two of 256 bits, that is time. */
#if FASTBP_VECTORS && defined(__AVX512F__)
#include <immintrin.h>
#define FASTBP_MASKS 1
#define FASTBP_HALVES 1
#else
#define FASTBP_MASKS 0
#define FASTBP_HALVES 0
#endif

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

/* The most rows of accumulators beside 1, 2, 3 and 4 vectors of a panel: the tiles that were the
 * fastest when measured. All of them fit the registers; not all fill them. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define MAX_VECTORS 4
#define ROWS_BESIDE_1 14
#define ROWS_BESIDE_2 12
#define ROWS_BESIDE_3 8
#define ROWS_BESIDE_4 6
#else
#define MAX_VECTORS 3
#define ROWS_BESIDE_1 12
#define ROWS_BESIDE_2 6
#define ROWS_BESIDE_3 4
#endif

#define MOST_ROWS ROWS_BESIDE_1

/* Of a panel of B: the size of a small first-level cache. */
#define PANEL_BYTES 32768
/* From this depth on, the time to transpose a result is small. */
#define TRANSPOSED_DEPTH 64
/* A product with at most so many rows is done row by row: to pack B would cost as much. */
#define FEW_ROWS 3
/* Sums at a time, of a row and of a column, so that an addition need not wait for the one before. */
#define STRIP_VECTORS 4
#define DOTS_AT_ONCE 4
/* Columns that do not fill a vector are taken so many at a time, and the last ones together: their
 * number is a constant then, and their values stay in registers. FEW_COLUMNS is COLUMNS(n) of the
 * last ones. */
#define NARROW 4
#define FEW_COLUMNS(n)                                                                         \
    switch (n) {                                                                               \
    case 1: COLUMNS(1); break;                                                                 \
    case 2: COLUMNS(2); break;                                                                 \
    case 3: COLUMNS(3); break;                                                                 \
    }
/* At a depth of one, a row of B up to so many vectors is padded; beside a longer one, what is left
 * after the last whole vector costs little. */
#define OUTER_VECTORS 8

typedef struct {
    ptrdiff_t m, n, depth;
    ptrdiff_t whole_m; /* rows of the product of which this is a part, or m: they decide which
                        * kernel runs, so that a part has the bits of the whole */
    const void *a; /* a[i * a_row + p * a_depth] */
    ptrdiff_t a_row, a_depth;
    const void *b; /* b[p * b_depth + j * b_col] */
    ptrdiff_t b_depth, b_col;
    int b_padded; /* rows of B start whole vectors apart and may be read to the end of the last */
    const void *start; /* (n,), added to every row; or NULL. Only where b_col is 1, and not together
                        * with accumulate. */
    int accumulate;
    void *c;
    ptrdiff_t ldc;
    int c_padded;         /* rows of C may be written in whole vectors: what follows column n - 1
                           * is padding, or the next row and after the last row a vector to spare */
    int relu;             /* C = max(C, 0) at the end */
    const void *positive; /* C = 0 at the end where this matrix, laid out as C is, is not > 0 */
} Product;

#define REAL double
#define NAME(x) x##_f64
#include "gemm_template.h"
#undef REAL
#undef NAME

#define REAL float
#define NAME(x) x##_f32
#include "gemm_template.h"
#undef REAL
#undef NAME

#endif
