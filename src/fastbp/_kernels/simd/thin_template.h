/* Products of gemm.h with one row, one column, few rows or a depth of one, for one element type. They
 * read A and B where they are: to pack them would cost as much as the product. */

#if FASTBP_VECTORS

/* c[:width] (+)= start + a (1, depth) @ B (depth, width) for `vectors` whole vectors, B read
 * where it is. */
static inline __attribute__((always_inline)) void NAME(row_strip)(
    const int vectors, ptrdiff_t depth, const REAL *a, ptrdiff_t a_depth, const REAL *b,
    ptrdiff_t b_depth, const REAL *start, int accumulate, REAL *c)
{
    /* Even and odd steps of the depth apart: one addition takes as long as eight of them. */
    NAME(vec) even[STRIP_VECTORS], odd[STRIP_VECTORS];
    UNROLL
    for (int v = 0; v < vectors; v++) {
        odd[v] = (NAME(vec)){0};
        even[v] = accumulate ? NAME(load)(c + v * NAME(LANES))
                  : start    ? NAME(load)(start + v * NAME(LANES))
                             : (NAME(vec)){0};
    }
    ptrdiff_t p = 0;
    for (; p + 2 <= depth; p += 2, a += 2 * a_depth, b += 2 * b_depth)
        UNROLL
        for (int v = 0; v < vectors; v++) {
            even[v] += a[0] * NAME(load)(b + v * NAME(LANES));
            odd[v] += a[a_depth] * NAME(load)(b + b_depth + v * NAME(LANES));
        }
    UNROLL
    for (int v = 0; v < vectors; v++) {
        if (p < depth)
            even[v] += a[0] * NAME(load)(b + v * NAME(LANES));
        NAME(store)(c + v * NAME(LANES), even[v] + odd[v]);
    }
}

/* The columns of row_strip that are left after the last whole vector. */
static inline void NAME(row_rest)(
    ptrdiff_t n, ptrdiff_t depth, const REAL *a, ptrdiff_t a_depth, const REAL *b,
    ptrdiff_t b_depth, const REAL *start, int accumulate, REAL *c)
{
#if FASTBP_MASKS
    if (n > 0) {
        NAME(vec) sums = accumulate ? NAME(load_some)(c, n)
                         : start    ? NAME(load_some)(start, n)
                                    : (NAME(vec)){0};
        ptrdiff_t p = 0;
        /* What the scalar loop below has always been compiled to where A is contiguous, and so what
         * the bits of trained networks are: products that are rounded, 16 bytes of A at a time. */
        if (a_depth == 1)
            for (; p < depth - depth % (ptrdiff_t)(16 / sizeof(REAL)); p++) {
                NAME(vec) product = a[p] * NAME(load_some)(b + p * b_depth, n);
                __asm__("" : "+v"(product)); /* not to be fused with the addition */
                sums += product;
            }
        for (; p < depth; p++)
            sums += a[p * a_depth] * NAME(load_some)(b + p * b_depth, n);
        NAME(store_some)(c, sums, n);
    }
    return;
#endif
    for (ptrdiff_t j = 0; j < n; j++) {
        REAL sum = accumulate ? c[j] : start ? start[j] : 0;
        for (ptrdiff_t p = 0; p < depth; p++)
            sum += a[p * a_depth] * b[p * b_depth + j];
        c[j] = sum;
    }
}

/* c (n,) (+)= start + a (1, depth) @ B with contiguous rows of B. */
static void NAME(multiply_row)(
    ptrdiff_t n, ptrdiff_t depth, const REAL *a, ptrdiff_t a_depth, const REAL *b,
    ptrdiff_t b_depth, const REAL *start, int accumulate, REAL *c)
{
    ptrdiff_t j = 0;
#define STRIPS(VECTORS)                                                                       \
    for (; j + VECTORS * NAME(LANES) <= n; j += VECTORS * NAME(LANES))                        \
        NAME(row_strip)(VECTORS, depth, a, a_depth, b + j, b_depth, start ? start + j : NULL, \
                        accumulate, c + j);
    STRIPS(STRIP_VECTORS)
    STRIPS(2)
    STRIPS(1)
#undef STRIPS
    NAME(row_rest)(n - j, depth, a, a_depth, b + j, b_depth, start ? start + j : NULL,
                   accumulate, c + j);
}

/* sums[:rows] = A (rows, n) @ x, both contiguous along n; rows <= DOTS_AT_ONCE. */
static inline __attribute__((always_inline)) void NAME(dots)(
    const int rows, ptrdiff_t n, const REAL *a, ptrdiff_t a_row, const REAL *x, REAL *sums)
{
    ptrdiff_t i = 0;
    if (n < NAME(LANES)) {
        for (int r = 0; r < rows; r++) {
            sums[r] = 0;
            for (i = 0; i < n; i++)
                sums[r] += a[r * a_row + i] * x[i];
        }
        return;
    }
    NAME(vec) acc[DOTS_AT_ONCE] = {{0}};
    for (; i + NAME(LANES) <= n; i += NAME(LANES))
        UNROLL
        for (int r = 0; r < rows; r++)
            acc[r] += NAME(load)(a + r * a_row + i) * NAME(load)(x + i);
    UNROLL
    for (int r = 0; r < rows; r++) {
        REAL sum = 0;
        for (ptrdiff_t rest = i; rest < n; rest++)
            sum += a[r * a_row + rest] * x[rest];
        sums[r] = sum + NAME(sum_of_lanes)(acc[r]);
    }
}

/* C += a (m, 1) @ b (1, vectors * LANES), the vectors known when this is inlined. */
static inline __attribute__((always_inline)) void NAME(add_outer_vectors)(
    const int vectors, ptrdiff_t m, const REAL *a, ptrdiff_t a_row, const REAL *b, REAL *c,
    ptrdiff_t ldc)
{
    NAME(vec) held[STRIP_VECTORS];
    UNROLL
    for (int v = 0; v < vectors; v++)
        held[v] = NAME(load)(b + v * NAME(LANES));
    for (ptrdiff_t i = 0; i < m; i++, a += a_row, c += ldc)
        UNROLL
        for (int v = 0; v < vectors; v++)
            NAME(store)(c + v * NAME(LANES),
                        NAME(load)(c + v * NAME(LANES)) + a[0] * held[v]);
}

/* The same for n columns that do not fill a vector. */
static inline __attribute__((always_inline)) void NAME(add_outer_columns)(
    const int n, ptrdiff_t m, const REAL *a, ptrdiff_t a_row, const REAL *b, REAL *c, ptrdiff_t ldc)
{
    REAL held[NARROW];
    UNROLL
    for (int j = 0; j < n; j++)
        held[j] = b[j];
    for (ptrdiff_t i = 0; i < m; i++, a += a_row, c += ldc)
        UNROLL
        for (int j = 0; j < n; j++)
            c[j] += a[0] * held[j];
}

/* C += a (m, 1) @ b (1, n), of which `whole` columns are computed in vectors. */
static void NAME(add_outer)(const Product *p, const REAL *b, ptrdiff_t whole)
{
    const REAL *a = p->a;
    REAL *c = p->c;
    ptrdiff_t j = 0;
#define STRIPS(VECTORS)                                                                        \
    for (; j + VECTORS * NAME(LANES) <= whole; j += VECTORS * NAME(LANES))                     \
        NAME(add_outer_vectors)(VECTORS, p->m, a, p->a_row, b + j, c + j, p->ldc);
    STRIPS(STRIP_VECTORS)
    STRIPS(2)
    STRIPS(1)
#undef STRIPS
#define COLUMNS(N) NAME(add_outer_columns)(N, p->m, a, p->a_row, b + j, c + j, p->ldc)
    for (; j + NARROW <= p->n; j += NARROW)
        COLUMNS(NARROW);
    FEW_COLUMNS(p->n - j)
#undef COLUMNS
}

/* C (+)= a (m, 1) @ b (1, n), 0 where positive is not > 0: a depth of one, as for one sample's
 * gradient and the deltas below one output. */
static void NAME(multiply_outer)(const Product *p)
{
    const REAL *b = p->b, *positive = p->positive;
    REAL *c = p->c;
    NAME(vec) padded[OUTER_VECTORS];
    const int vectors = (int)(p->n / NAME(LANES)) + 1;
    ptrdiff_t whole = p->n - p->n % NAME(LANES);
    if (whole < p->n && vectors <= OUTER_VECTORS && p->c_padded && p->ldc >= vectors * NAME(LANES)) {
        NAME(pack_panel)(1, p->n, vectors, b, 0, 1, (REAL *)padded);
        b = (const REAL *)padded;
        whole = vectors * NAME(LANES);
    }
    if (p->accumulate) {
        NAME(add_outer)(p, b, whole);
        return;
    }
    for (ptrdiff_t i = 0; i < p->m; i++, c += p->ldc) {
        const REAL a = ((const REAL *)p->a)[i * p->a_row];
        ptrdiff_t j = 0;
        if (positive) {
            for (; j < whole; j += NAME(LANES))
                NAME(store)(c + j, NAME(where_positive)(a * NAME(load)(b + j),
                                                        NAME(load)(positive + j)));
            for (; j < p->n; j++)
                c[j] = positive[j] > 0 ? a * b[j] : 0;
            positive += p->ldc;
        } else {
            for (; j < whole; j += NAME(LANES))
                NAME(store)(c + j, a * NAME(load)(b + j));
            for (; j < p->n; j++)
                c[j] = a * b[j];
        }
    }
}

/* sums[:width] (+)= 1' A for `vectors` whole vectors. Rows are added four at a time, so that fewer
 * additions wait for one another. */
static inline __attribute__((always_inline)) void NAME(add_rows_strip)(
    const int vectors, ptrdiff_t m, const REAL *a, ptrdiff_t a_row, int accumulate, REAL *sums)
{
    NAME(vec) acc[STRIP_VECTORS];
    UNROLL
    for (int v = 0; v < vectors; v++)
        acc[v] = accumulate ? NAME(load)(sums + v * NAME(LANES)) : (NAME(vec)){0};
    ptrdiff_t i = 0;
    for (; i + 4 <= m; i += 4, a += 4 * a_row)
        UNROLL
        for (int v = 0; v < vectors; v++) {
            const REAL *x = a + v * NAME(LANES);
            acc[v] += (NAME(load)(x) + NAME(load)(x + a_row)) +
                      (NAME(load)(x + 2 * a_row) + NAME(load)(x + 3 * a_row));
        }
    for (; i < m; i++, a += a_row)
        UNROLL
        for (int v = 0; v < vectors; v++)
            acc[v] += NAME(load)(a + v * NAME(LANES));
    UNROLL
    for (int v = 0; v < vectors; v++)
        NAME(store)(sums + v * NAME(LANES), acc[v]);
}

#else /* A compiler without vector extensions. */

static void NAME(multiply_row)(
    ptrdiff_t n, ptrdiff_t depth, const REAL *a, ptrdiff_t a_depth, const REAL *b,
    ptrdiff_t b_depth, const REAL *start, int accumulate, REAL *c)
{
    if (!accumulate)
        for (ptrdiff_t j = 0; j < n; j++)
            c[j] = start ? start[j] : 0;
    for (ptrdiff_t p = 0; p < depth; p++)
        for (ptrdiff_t j = 0; j < n; j++)
            c[j] += a[p * a_depth] * b[p * b_depth + j];
}

static inline void NAME(dots)(
    const int rows, ptrdiff_t n, const REAL *a, ptrdiff_t a_row, const REAL *x, REAL *sums)
{
    for (int r = 0; r < rows; r++) {
        sums[r] = 0;
        for (ptrdiff_t i = 0; i < n; i++)
            sums[r] += a[r * a_row + i] * x[i];
    }
}

#endif

/* c (m,) (+)= start + A @ x; the rows of A and x are contiguous. */
static void NAME(multiply_column)(
    ptrdiff_t m, ptrdiff_t depth, const REAL *a, ptrdiff_t a_row, const REAL *x,
    const REAL *start, int accumulate, REAL *c)
{
    const REAL first = start ? start[0] : 0;
    for (ptrdiff_t i = 0; i < m; i += DOTS_AT_ONCE) {
        const ptrdiff_t rows = m - i < DOTS_AT_ONCE ? m - i : DOTS_AT_ONCE;
        REAL sums[DOTS_AT_ONCE];
        if (rows == DOTS_AT_ONCE)
            NAME(dots)(DOTS_AT_ONCE, depth, a + i * a_row, a_row, x, sums);
        else
            for (ptrdiff_t r = 0; r < rows; r++)
                NAME(dots)(1, depth, a + (i + r) * a_row, a_row, x, sums + r);
        for (ptrdiff_t r = 0; r < rows; r++)
            c[i + r] = (accumulate ? c[i + r] : first) + sums[r];
    }
}

#if FASTBP_VECTORS

/* c (m,) = A (m, depth) @ x with a depth that is known when this is inlined. */
static inline __attribute__((always_inline)) void NAME(short_column)(
    const int depth, ptrdiff_t m, const REAL *a, ptrdiff_t a_row, const REAL *x, REAL *c)
{
    REAL held[NARROW];
    UNROLL
    for (int p = 0; p < depth; p++)
        held[p] = x[p];
    for (ptrdiff_t i = 0; i < m; i++, a += a_row) {
        REAL sum = 0;
        UNROLL
        for (int p = 0; p < depth; p++)
            sum += a[p] * held[p];
        c[i] = sum;
    }
}

#endif

/* A row of C at a time: for few rows, where packing B would cost as much as the product. */
static void NAME(multiply_rows)(const Product *p)
{
    const REAL *a = p->a, *positive = p->positive;
    REAL *c = p->c;
#if FASTBP_VECTORS
    /* not double: the compiler rounds two products of those in multiply_column apart */
    const int is_short = sizeof(REAL) == sizeof(float) && !p->accumulate;
#endif
    for (ptrdiff_t i = 0; i < p->m; i++, a += p->a_row, c += p->ldc) {
        if (p->b_col == 1)
            NAME(multiply_row)(p->n, p->depth, a, p->a_depth, p->b, p->b_depth, p->start,
                               p->accumulate, c);
#if FASTBP_VECTORS
        else if (p->depth == 2 && is_short)
            NAME(short_column)(2, p->n, p->b, p->b_col, a, c);
        else if (p->depth == 3 && is_short)
            NAME(short_column)(3, p->n, p->b, p->b_col, a, c);
#endif
        else /* c = B' @ a */
            NAME(multiply_column)(p->n, p->depth, p->b, p->b_col, a, NULL, p->accumulate, c);
        if (p->relu)
            for (ptrdiff_t j = 0; j < p->n; j++)
                c[j] = NAME(relu_of)(c[j]);
        if (positive) {
            for (ptrdiff_t j = 0; j < p->n; j++)
                c[j] = positive[j] > 0 ? c[j] : 0;
            positive += p->ldc;
        }
    }
}

/* sums (n,) (+)= 1' A, the sums of the columns of A (m, n). */
static void NAME(add_rows)(
    ptrdiff_t m, ptrdiff_t n, const REAL *a, ptrdiff_t a_row, int accumulate, REAL *sums)
{
    ptrdiff_t j = 0;
#if FASTBP_VECTORS
    for (; j + STRIP_VECTORS * NAME(LANES) <= n; j += STRIP_VECTORS * NAME(LANES))
        NAME(add_rows_strip)(STRIP_VECTORS, m, a + j, a_row, accumulate, sums + j);
    for (; j + NAME(LANES) <= n; j += NAME(LANES))
        NAME(add_rows_strip)(1, m, a + j, a_row, accumulate, sums + j);
    for (; j < n; j++) {
        const REAL *x = a + j;
        REAL sum = accumulate ? sums[j] : 0;
        ptrdiff_t i = 0;
        for (; i + 4 <= m; i += 4, x += 4 * a_row)
            sum += (x[0] + x[a_row]) + (x[2 * a_row] + x[3 * a_row]);
        for (; i < m; i++, x += a_row)
            sum += x[0];
        sums[j] = sum;
    }
#else
    if (!accumulate)
        memset(sums, 0, n * sizeof(REAL));
    ptrdiff_t i = 0;
    for (; i + 4 <= m; i += 4, a += 4 * a_row)
        for (j = 0; j < n; j++)
            sums[j] += (a[j] + a[a_row + j]) + (a[2 * a_row + j] + a[3 * a_row + j]);
    for (; i < m; i++, a += a_row)
        for (j = 0; j < n; j++)
            sums[j] += a[j];
#endif
}
