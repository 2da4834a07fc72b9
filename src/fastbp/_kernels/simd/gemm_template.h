/* The body of gemm.h for one element type REAL; NAME(x) appends the type to a name. */

#if FASTBP_VECTORS

typedef REAL NAME(vec) __attribute__((vector_size(VECTOR_BYTES)));
typedef REAL NAME(unaligned_vec)
    __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
enum { NAME(LANES) = VECTOR_BYTES / sizeof(REAL) };

/* C[:rows, :cols] (+)= start + A[:rows, :depth] @ panel, with rows and vectors known when this
 * is inlined, so that the accumulators live in registers. */
static inline __attribute__((always_inline)) void NAME(tile)(
    const int rows, const int vectors, ptrdiff_t depth,
    const REAL *a, ptrdiff_t a_row, ptrdiff_t a_depth,
    const NAME(vec) *panel, const NAME(vec) *start,
    REAL *c, ptrdiff_t ldc, ptrdiff_t cols, int accumulate)
{
    NAME(vec) acc[14][MAX_VECTORS];
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
        for (int v = 0; v < vectors; v++)
            acc[r][v] = start ? start[v] : (NAME(vec)){0};

    for (ptrdiff_t p = 0; p < depth; p++, a += a_depth, panel += vectors)
        UNROLL
        for (int r = 0; r < rows; r++)
            UNROLL
            for (int v = 0; v < vectors; v++)
                acc[r][v] += a[r * a_row] * panel[v];

    if (cols == vectors * NAME(LANES)) {
        UNROLL
        for (int r = 0; r < rows; r++)
            UNROLL
            for (int v = 0; v < vectors; v++) {
                NAME(unaligned_vec) *to =
                    (NAME(unaligned_vec) *)(c + r * ldc + v * NAME(LANES));
                if (accumulate)
                    acc[r][v] += *to;
                *to = acc[r][v];
            }
        return;
    }
    /* The last panel of a row: its padded columns must not be stored. */
    UNROLL
    for (int r = 0; r < rows; r++) {
        NAME(vec) row[MAX_VECTORS];
        UNROLL
        for (int v = 0; v < vectors; v++)
            row[v] = acc[r][v];
        const REAL *from = (const REAL *)row;
        for (ptrdiff_t j = 0; j < cols; j++)
            c[r * ldc + j] = accumulate ? c[r * ldc + j] + from[j] : from[j];
    }
}

#define TILE_CASE(ROWS, VECTORS)                                                              \
    case ROWS:                                                                                \
        NAME(tile)(ROWS, VECTORS, depth, a, a_row, a_depth, panel, start, c, ldc, cols,       \
                   accumulate);                                                               \
        break;
#define TILE_SWITCH(VECTORS, CASES)                                                           \
    static void NAME(tile##VECTORS)(                                                          \
        int rows, ptrdiff_t depth, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_depth,         \
        const NAME(vec) *panel, const NAME(vec) *start, REAL *c, ptrdiff_t ldc,               \
        ptrdiff_t cols, int accumulate)                                                       \
    {                                                                                         \
        switch (rows) { CASES }                                                               \
    }
#define CASES_TO_6(V) TILE_CASE(1, V) TILE_CASE(2, V) TILE_CASE(3, V) TILE_CASE(4, V)         \
                      TILE_CASE(5, V) TILE_CASE(6, V)
#define CASES_TO_8(V) CASES_TO_6(V) TILE_CASE(7, V) TILE_CASE(8, V)
#define CASES_TO_12(V) CASES_TO_8(V) TILE_CASE(9, V) TILE_CASE(10, V) TILE_CASE(11, V)        \
                       TILE_CASE(12, V)
#define CASES_TO_14(V) CASES_TO_12(V) TILE_CASE(13, V) TILE_CASE(14, V)

#if MAX_VECTORS == 4
TILE_SWITCH(1, CASES_TO_14(1))
TILE_SWITCH(2, CASES_TO_12(2))
TILE_SWITCH(3, CASES_TO_8(3))
TILE_SWITCH(4, CASES_TO_6(4))
#else
TILE_SWITCH(1, CASES_TO_12(1))
TILE_SWITCH(2, CASES_TO_6(2))
#endif

/* panel[p, j] = B[p, j] for j < cols, 0 in the padding. */
static inline void NAME(pack_panel)(
    ptrdiff_t depth, ptrdiff_t cols, int vectors, const REAL *b, ptrdiff_t b_depth,
    ptrdiff_t b_col, REAL *panel)
{
    const ptrdiff_t width = vectors * NAME(LANES);
    if (b_col == 1) {
        const ptrdiff_t whole = cols - cols % NAME(LANES);
        for (ptrdiff_t p = 0; p < depth; p++, b += b_depth, panel += width) {
            for (ptrdiff_t j = 0; j < whole; j += NAME(LANES))
                *(NAME(vec) *)(panel + j) = *(const NAME(unaligned_vec) *)(b + j);
            for (ptrdiff_t j = whole; j < width; j++)
                panel[j] = j < cols ? b[j] : 0;
        }
        return;
    }
    for (ptrdiff_t p = 0; p < depth; p++) {
        for (ptrdiff_t j = 0; j < cols; j++)
            panel[p * width + j] = b[p * b_depth + j * b_col];
        for (ptrdiff_t j = cols; j < width; j++)
            panel[p * width + j] = 0;
    }
}

/* C[:, :cols] (+)= start + A @ panel, tile by tile down the rows. */
static void NAME(multiply_panel)(
    ptrdiff_t m, ptrdiff_t depth, ptrdiff_t cols, int vectors,
    const REAL *a, ptrdiff_t a_row, ptrdiff_t a_depth,
    const NAME(vec) *panel, const NAME(vec) *start, REAL *c, ptrdiff_t ldc, int accumulate)
{
#if MAX_VECTORS == 4
    const int most = vectors == 1   ? ROWS_BESIDE_1
                     : vectors == 2 ? ROWS_BESIDE_2
                     : vectors == 3 ? ROWS_BESIDE_3
                                    : ROWS_BESIDE_4;
#else
    const int most = vectors == 1 ? ROWS_BESIDE_1 : ROWS_BESIDE_2;
#endif
    const ptrdiff_t n_tiles = (m + most - 1) / most;
    const ptrdiff_t rows = m / n_tiles, n_taller = m % n_tiles;
    for (ptrdiff_t t = 0; t < n_tiles; t++) {
        const int height = (int)(rows + (t < n_taller));
#define TILE_ARGS height, depth, a, a_row, a_depth, panel, start, c, ldc, cols, accumulate
        switch (vectors) {
        case 1: NAME(tile1)(TILE_ARGS); break;
        case 2: NAME(tile2)(TILE_ARGS); break;
#if MAX_VECTORS == 4
        case 3: NAME(tile3)(TILE_ARGS); break;
        case 4: NAME(tile4)(TILE_ARGS); break;
#endif
        }
#undef TILE_ARGS
        a += height * a_row;
        c += height * ldc;
    }
}

static inline REAL NAME(dot)(ptrdiff_t n, const REAL *x, const REAL *y)
{
    NAME(vec) acc0 = {0}, acc1 = {0};
    ptrdiff_t i = 0;
    for (; i + 2 * NAME(LANES) <= n; i += 2 * NAME(LANES)) {
        acc0 += *(const NAME(unaligned_vec) *)(x + i) * *(const NAME(unaligned_vec) *)(y + i);
        acc1 += *(const NAME(unaligned_vec) *)(x + i + NAME(LANES)) *
                *(const NAME(unaligned_vec) *)(y + i + NAME(LANES));
    }
    if (i + NAME(LANES) <= n) {
        acc0 += *(const NAME(unaligned_vec) *)(x + i) * *(const NAME(unaligned_vec) *)(y + i);
        i += NAME(LANES);
    }
    acc0 += acc1;
    REAL sum = 0;
    for (; i < n; i++)
        sum += x[i] * y[i];
    for (int lane = 0; lane < NAME(LANES); lane++)
        sum += acc0[lane];
    return sum;
}

/* C (+)= start + A @ B with packed panels; see gemm.h. */
static void NAME(gemm_panels)(
    ptrdiff_t m, ptrdiff_t n, ptrdiff_t depth,
    const REAL *a, ptrdiff_t a_row, ptrdiff_t a_depth,
    const REAL *b, ptrdiff_t b_depth, ptrdiff_t b_col,
    const REAL *start, REAL *c, ptrdiff_t ldc, int accumulate)
{
    NAME(vec) panel[PANEL_BYTES / VECTOR_BYTES];
    NAME(vec) start_panel[MAX_VECTORS];
    const ptrdiff_t n_vectors = (n + NAME(LANES) - 1) / NAME(LANES);
    const ptrdiff_t n_panels = (n_vectors + MAX_VECTORS - 1) / MAX_VECTORS;
    const int widest = (int)((n_vectors + n_panels - 1) / n_panels);
    const ptrdiff_t most_depth = PANEL_BYTES / VECTOR_BYTES / widest;
    const ptrdiff_t n_blocks = (depth + most_depth - 1) / most_depth;

    for (ptrdiff_t block = 0, p = 0; block < n_blocks; block++) {
        const ptrdiff_t size = depth / n_blocks + (block < depth % n_blocks);
        for (ptrdiff_t k = 0, j = 0; k < n_panels; k++) {
            const int vectors = (int)(n_vectors / n_panels + (k < n_vectors % n_panels));
            const ptrdiff_t width = vectors * NAME(LANES);
            const ptrdiff_t cols = n - j < width ? n - j : width;
            NAME(pack_panel)(size, cols, vectors, b + p * b_depth + j * b_col, b_depth, b_col,
                             (REAL *)panel);
            const int starts = start != NULL && block == 0;
            if (starts)
                NAME(pack_panel)(1, cols, vectors, start + j, 0, 1, (REAL *)start_panel);
            NAME(multiply_panel)(m, size, cols, vectors, a + p * a_depth, a_row, a_depth,
                                 panel, starts ? start_panel : NULL, c + j, ldc,
                                 accumulate || block > 0);
            j += width;
        }
        p += size;
    }
}

#else /* A compiler without vector extensions. */

static inline REAL NAME(dot)(ptrdiff_t n, const REAL *x, const REAL *y)
{
    REAL sum = 0;
    for (ptrdiff_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

#endif

/* c[:n] += alpha * x[:n] */
static inline void NAME(axpy)(ptrdiff_t n, REAL alpha, const REAL *x, REAL *c)
{
    for (ptrdiff_t j = 0; j < n; j++)
        c[j] += alpha * x[j];
}

/* C (+)= start + A @ B, row by row without packing: for few rows, where packing B would cost
 * as much as the product. */
static void NAME(gemm_rows)(
    ptrdiff_t m, ptrdiff_t n, ptrdiff_t depth,
    const REAL *a, ptrdiff_t a_row, ptrdiff_t a_depth,
    const REAL *b, ptrdiff_t b_depth, ptrdiff_t b_col,
    const REAL *start, REAL *c, ptrdiff_t ldc, int accumulate)
{
    for (ptrdiff_t i = 0; i < m; i++, a += a_row, c += ldc) {
        if (start != NULL)
            memcpy(c, start, n * sizeof(REAL));
        else if (!accumulate)
            memset(c, 0, n * sizeof(REAL));
        if (b_col == 1) {
            for (ptrdiff_t p = 0; p < depth; p++)
                NAME(axpy)(n, a[p * a_depth], b + p * b_depth, c);
        } else if (a_depth == 1 && b_depth == 1) {
            for (ptrdiff_t j = 0; j < n; j++)
                c[j] += NAME(dot)(depth, a, b + j * b_col);
        } else {
            for (ptrdiff_t p = 0; p < depth; p++)
                for (ptrdiff_t j = 0; j < n; j++)
                    c[j] += a[p * a_depth] * b[p * b_depth + j * b_col];
        }
    }
}

/* c (m,) (+)= start + A @ b for one contiguous column b: a row of C per dot product, or the
 * transposed product where the columns of A are contiguous. */
static void NAME(gemm_column)(
    ptrdiff_t m, ptrdiff_t depth, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_depth,
    const REAL *b, const REAL *start, REAL *c, int accumulate)
{
    if (a_row == 1) {
        if (!accumulate)
            for (ptrdiff_t i = 0; i < m; i++)
                c[i] = start ? start[0] : 0;
        for (ptrdiff_t p = 0; p < depth; p++)
            NAME(axpy)(m, b[p], a + p * a_depth, c);
        return;
    }
    const REAL first = start ? start[0] : 0;
    for (ptrdiff_t i = 0; i < m; i++) {
        const REAL sum = first + NAME(dot)(depth, a + i * a_row, b);
        c[i] = accumulate ? c[i] + sum : sum;
    }
}

/* C (+)= start + A @ B; start is a row (n,) or NULL, and not given together with accumulate. */
static void NAME(gemm)(
    ptrdiff_t m, ptrdiff_t n, ptrdiff_t depth,
    const REAL *a, ptrdiff_t a_row, ptrdiff_t a_depth,
    const REAL *b, ptrdiff_t b_depth, ptrdiff_t b_col,
    const REAL *start, REAL *c, ptrdiff_t ldc, int accumulate)
{
    if (n == 1 && ldc == 1 && b_depth == 1 && (a_row == 1 || a_depth == 1)) {
        NAME(gemm_column)(m, depth, a, a_row, a_depth, b, start, c, accumulate);
        return;
    }
#if FASTBP_VECTORS
    if (m > 3) {
        NAME(gemm_panels)(m, n, depth, a, a_row, a_depth, b, b_depth, b_col, start, c, ldc,
                          accumulate);
        return;
    }
#endif
    NAME(gemm_rows)(m, n, depth, a, a_row, a_depth, b, b_depth, b_col, start, c, ldc,
                    accumulate);
}
