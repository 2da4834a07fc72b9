/* The products of gemm.h for one element type REAL; NAME(x) appends the type to a name. */

static inline REAL NAME(relu_of)(REAL z)
{
    return z < 0 ? 0 : z; /* NaN goes through */
}

#if FASTBP_VECTORS

typedef REAL NAME(vec) __attribute__((vector_size(VECTOR_BYTES)));
typedef REAL NAME(unaligned_vec)
    __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
typedef __typeof__((NAME(vec)){0} < (NAME(vec)){0}) NAME(mask);
#if FASTBP_HALVES
typedef REAL NAME(half) __attribute__((vector_size(VECTOR_BYTES / 2)));
typedef REAL NAME(unaligned_half)
    __attribute__((vector_size(VECTOR_BYTES / 2), aligned(sizeof(REAL)), may_alias));

static inline NAME(half) NAME(low_half)(NAME(vec) v)
{
    return (NAME(half))_mm512_castpd512_pd256((__m512d)v);
}

static inline NAME(vec) NAME(widen)(NAME(half) v)
{
    return (NAME(vec))_mm512_zextpd256_pd512((__m256d)v);
}
#endif
enum { NAME(LANES) = VECTOR_BYTES / sizeof(REAL) };

static inline NAME(vec) NAME(load)(const REAL *x) { return *(const NAME(unaligned_vec) *)x; }
static inline void NAME(store)(REAL *x, NAME(vec) v) { *(NAME(unaligned_vec) *)x = v; }

#if FASTBP_MASKS
/* The first n lanes, 1 <= n <= LANES; the others are 0, or are not written. */
static inline unsigned NAME(first_lanes)(ptrdiff_t n) { return (2u << (n - 1)) - 1; }

static inline NAME(vec) NAME(load_some)(const REAL *x, ptrdiff_t n)
{
    if (sizeof(REAL) == sizeof(double))
        return (NAME(vec))_mm512_maskz_loadu_pd((__mmask8)NAME(first_lanes)(n), x);
    return (NAME(vec))_mm512_maskz_loadu_ps((__mmask16)NAME(first_lanes)(n), x);
}

static inline void NAME(store_some)(REAL *x, NAME(vec) v, ptrdiff_t n)
{
    if (sizeof(REAL) == sizeof(double))
        _mm512_mask_storeu_pd(x, (__mmask8)NAME(first_lanes)(n), (__m512d)v);
    else
        _mm512_mask_storeu_ps(x, (__mmask16)NAME(first_lanes)(n), (__m512)v);
}
#endif

static inline NAME(vec) NAME(relu_vec)(NAME(vec) z)
{
    return (NAME(vec))((NAME(mask))z & ~(z < 0));
}

static inline NAME(vec) NAME(where_positive)(NAME(vec) z, NAME(vec) positive)
{
    return (NAME(vec))((NAME(mask))z & (positive > 0));
}

static inline REAL NAME(sum_of_lanes)(NAME(vec) v)
{
#if FASTBP_HALVES
    enum { LANES = NAME(LANES) / 2 };
    REAL lane[LANES];
    const NAME(half) sums =
        NAME(low_half)(v) + (NAME(half))_mm512_extractf64x4_pd((__m512d)v, 1);
    memcpy(lane, &sums, sizeof sums);
#else
    enum { LANES = NAME(LANES) };
    REAL lane[LANES];
    memcpy(lane, &v, sizeof v);
#endif
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

/* One panel of a product, or a part of its rows. */
typedef struct {
    ptrdiff_t depth;
    const REAL *a;
    ptrdiff_t a_row, a_depth;
    const REAL *panel; /* vector v of a step: panel[step * panel_depth + v * LANES] */
    ptrdiff_t panel_depth;
    const NAME(vec) *start;
    REAL *c;
    ptrdiff_t ldc;
    ptrdiff_t cols; /* to be stored; 0: whole vectors */
    int accumulate, relu;
    const REAL *positive;
} NAME(strip);

/* The end of a tile in the last panel of a row, whose padded columns must not be stored. */
static __attribute__((noinline)) void NAME(store_part)(
    const NAME(strip) *s, int rows, NAME(vec) acc[][MAX_VECTORS])
{
    for (int r = 0; r < rows; r++) {
        REAL *c = s->c + r * s->ldc;
        const REAL *positive = s->positive ? s->positive + r * s->ldc : NULL;
#if FASTBP_MASKS
        for (ptrdiff_t v = 0, j = 0; j < s->cols; v++, j += NAME(LANES)) {
            const ptrdiff_t n = s->cols - j < NAME(LANES) ? s->cols - j : NAME(LANES);
            NAME(vec) value = acc[r][v];
            if (s->accumulate)
                value += NAME(load_some)(c + j, n);
            if (s->relu)
                value = NAME(relu_vec)(value);
            if (positive)
                value = NAME(where_positive)(value, NAME(load_some)(positive + j, n));
            NAME(store_some)(c + j, value, n);
        }
#else
        const REAL *row = (const REAL *)acc[r];
        for (ptrdiff_t j = 0; j < s->cols; j++) {
            REAL value = s->accumulate ? c[j] + row[j] : row[j];
            value = s->relu ? NAME(relu_of)(value) : value;
            c[j] = positive && !(positive[j] > 0) ? 0 : value;
        }
#endif
    }
}

/* C[:rows, :cols] (+)= start + A[:rows, :depth] @ panel, with rows and vectors known when this
 * is inlined, so that the accumulators live in registers. ends_in_half: of the last vector only the
 * first half is computed. */
static inline __attribute__((always_inline)) void NAME(tile)(
    const int rows, const int vectors, const int ends_in_half, const NAME(strip) *s)
{
    NAME(vec) acc[MOST_ROWS][MAX_VECTORS];
    const int wholes = vectors - ends_in_half;
    const NAME(vec) *start = s->start;
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
        for (int v = 0; v < wholes; v++)
            acc[r][v] = start ? start[v] : (NAME(vec)){0};
#if FASTBP_HALVES
    NAME(half) last[MOST_ROWS];
    if (ends_in_half)
        UNROLL
        for (int r = 0; r < rows; r++)
            last[r] = NAME(low_half)(start ? start[wholes] : (NAME(vec)){0});
#endif

    const REAL *a = s->a;
    const REAL *panel = s->panel;
    const ptrdiff_t a_row = s->a_row, a_depth = s->a_depth, panel_depth = s->panel_depth;
    for (ptrdiff_t step = s->depth; step > 0; step--, a += a_depth, panel += panel_depth)
        UNROLL
        for (int r = 0; r < rows; r++) {
            UNROLL
            for (int v = 0; v < wholes; v++)
                acc[r][v] += a[r * a_row] * NAME(load)(panel + v * NAME(LANES));
#if FASTBP_HALVES
            if (ends_in_half)
                last[r] += NAME(low_half)(a[r * a_row] - (NAME(vec)){0}) *
                           *(const NAME(unaligned_half) *)(panel + wholes * NAME(LANES));
#endif
        }
#if FASTBP_HALVES
    if (ends_in_half)
        UNROLL
        for (int r = 0; r < rows; r++)
            acc[r][wholes] = NAME(widen)(last[r]);
#endif

    REAL *c = s->c;
    const ptrdiff_t ldc = s->ldc;
    if (s->cols) {
        /* A copy, since an array whose address is taken would not live in registers. */
        NAME(vec) spilled[MOST_ROWS][MAX_VECTORS];
        UNROLL
        for (int r = 0; r < rows; r++)
            UNROLL
            for (int v = 0; v < vectors; v++)
                spilled[r][v] = acc[r][v];
        NAME(store_part)(s, rows, spilled);
        return;
    }
#define EACH(STATEMENT)                                                                       \
    UNROLL                                                                                    \
    for (int r = 0; r < rows; r++)                                                            \
        UNROLL                                                                                \
        for (int v = 0; v < vectors; v++) {                                                   \
            const ptrdiff_t at = r * ldc + v * NAME(LANES);                                   \
            STATEMENT;                                                                        \
        }
    if (s->accumulate)
        EACH(acc[r][v] += NAME(load)(c + at))
    if (s->relu)
        EACH((void)at; acc[r][v] = NAME(relu_vec)(acc[r][v]))
    if (s->positive)
        EACH(acc[r][v] = NAME(where_positive)(acc[r][v], NAME(load)(s->positive + at)))
    EACH(NAME(store)(c + at, acc[r][v]))
#undef EACH
}

#define TILE_CASE(ROWS, VECTORS)                                                              \
    case ROWS:                                                                                \
        NAME(tile)(ROWS, VECTORS, TILE_HALF, s);                                              \
        break;
#define TILE_SWITCH(NAMED, CASES)                                                             \
    static inline __attribute__((always_inline)) void NAME(NAMED)(                            \
        int rows, const NAME(strip) *s)                                                       \
    {                                                                                         \
        switch (rows) { CASES }                                                               \
    }
#define CASES_TO_4(V) TILE_CASE(1, V) TILE_CASE(2, V) TILE_CASE(3, V) TILE_CASE(4, V)
#define CASES_TO_6(V) CASES_TO_4(V) TILE_CASE(5, V) TILE_CASE(6, V)
#define CASES_TO_8(V) CASES_TO_6(V) TILE_CASE(7, V) TILE_CASE(8, V)
#define CASES_TO_12(V) CASES_TO_8(V) TILE_CASE(9, V) TILE_CASE(10, V) TILE_CASE(11, V)        \
                       TILE_CASE(12, V)
#define CASES_TO_14(V) CASES_TO_12(V) TILE_CASE(13, V) TILE_CASE(14, V)

#define TILE_HALF 0
#if MAX_VECTORS == 4
TILE_SWITCH(tile1, CASES_TO_14(1))
TILE_SWITCH(tile2, CASES_TO_12(2))
TILE_SWITCH(tile3, CASES_TO_8(3))
TILE_SWITCH(tile4, CASES_TO_6(4))
#else
TILE_SWITCH(tile1, CASES_TO_12(1))
TILE_SWITCH(tile2, CASES_TO_6(2))
TILE_SWITCH(tile3, CASES_TO_4(3))
#endif
#undef TILE_HALF
#if FASTBP_HALVES
#define TILE_HALF 1
TILE_SWITCH(tile1_half, CASES_TO_14(1))
TILE_SWITCH(tile2_half, CASES_TO_12(2))
TILE_SWITCH(tile3_half, CASES_TO_8(3))
TILE_SWITCH(tile4_half, CASES_TO_6(4))
#undef TILE_HALF
#endif

/* The product of m rows with one panel, tile by tile down the rows. */
static void NAME(multiply_panel)(ptrdiff_t m, int vectors, int ends_in_half, NAME(strip) s)
{
    (void)ends_in_half;
    const int most = vectors == 1   ? ROWS_BESIDE_1
                     : vectors == 2 ? ROWS_BESIDE_2
#if MAX_VECTORS == 4
                     : vectors == 4 ? ROWS_BESIDE_4
#endif
                                    : ROWS_BESIDE_3;
    const ptrdiff_t n_tiles = (m + most - 1) / most;
    const ptrdiff_t rows = m / n_tiles, n_taller = m % n_tiles;
    for (ptrdiff_t t = 0; t < n_tiles; t++) {
        const int height = (int)(rows + (t < n_taller));
#if FASTBP_HALVES
        if (ends_in_half)
            switch (vectors) {
            case 1: NAME(tile1_half)(height, &s); break;
            case 2: NAME(tile2_half)(height, &s); break;
            case 3: NAME(tile3_half)(height, &s); break;
            case 4: NAME(tile4_half)(height, &s); break;
            }
        else
#endif
        switch (vectors) {
        case 1: NAME(tile1)(height, &s); break;
        case 2: NAME(tile2)(height, &s); break;
        case 3: NAME(tile3)(height, &s); break;
#if MAX_VECTORS == 4
        case 4: NAME(tile4)(height, &s); break;
#endif
        }
        s.a += height * s.a_row;
        s.c += height * s.ldc;
        if (s.positive)
            s.positive += height * s.ldc;
    }
}

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
                *(NAME(vec) *)(panel + j) = NAME(load)(b + j);
#if FASTBP_MASKS
            if (whole < width)
                *(NAME(vec) *)(panel + whole) = NAME(load_some)(b + whole, cols - whole);
#else
            for (ptrdiff_t j = whole; j < width; j++)
                panel[j] = j < cols ? b[j] : 0;
#endif
        }
        return;
    }
    /* Column by column: B is read as it lies, and the panel is in the first-level cache. */
    for (ptrdiff_t j = 0; j < cols; j++)
        for (ptrdiff_t p = 0; p < depth; p++)
            panel[p * width + j] = b[p * b_depth + j * b_col];
    if (cols < width)
        for (ptrdiff_t p = 0; p < depth; p++)
            for (ptrdiff_t j = cols; j < width; j++)
                panel[p * width + j] = 0;
}

/* Into how many blocks the depth of a product with n columns is divided. The blocks' sums are added:
 * their number decides how the elements of C are rounded. */
static inline ptrdiff_t NAME(count_depth_blocks)(ptrdiff_t n, ptrdiff_t depth)
{
    const ptrdiff_t n_vectors = (n + NAME(LANES) - 1) / NAME(LANES);
    const ptrdiff_t n_panels = (n_vectors + MAX_VECTORS - 1) / MAX_VECTORS;
    const ptrdiff_t widest = (n_vectors + n_panels - 1) / n_panels;
    const ptrdiff_t most_depth = PANEL_BYTES / VECTOR_BYTES / widest;
    return (depth + most_depth - 1) / most_depth;
}

/* The product panel by panel; see gemm.h. */
static void NAME(multiply_panels)(const Product *p)
{
    NAME(vec) packed[PANEL_BYTES / VECTOR_BYTES];
    NAME(vec) start_panel[MAX_VECTORS];
    const REAL *b = p->b, *start = p->start;
    const ptrdiff_t n_vectors = (p->n + NAME(LANES) - 1) / NAME(LANES);
    const ptrdiff_t n_panels = (n_vectors + MAX_VECTORS - 1) / MAX_VECTORS;
    const ptrdiff_t n_blocks = NAME(count_depth_blocks)(p->n, p->depth);
    /* Where the row's end is the next row's beginning, that must be written later. */
    const int whole_rows =
        p->c_padded && (p->ldc >= n_vectors * NAME(LANES) || (n_panels == 1 && n_blocks == 1));
    const int in_place = p->b_padded && p->b_col == 1 && n_blocks == 1 &&
                         p->depth * p->b_depth * sizeof(REAL) <= PANEL_BYTES;

    for (ptrdiff_t block = 0, first = 0; block < n_blocks; block++) {
        const ptrdiff_t depth = p->depth / n_blocks + (block < p->depth % n_blocks);
        const int is_last = block == n_blocks - 1;
        for (ptrdiff_t panel = 0, j = 0; panel < n_panels; panel++) {
            const int vectors = (int)(n_vectors / n_panels + (panel < n_vectors % n_panels));
            const ptrdiff_t width = vectors * NAME(LANES);
            const ptrdiff_t cols = p->n - j < width ? p->n - j : width;
            NAME(strip) s = {
                .depth = depth,
                .a = (const REAL *)p->a + first * p->a_depth,
                .a_row = p->a_row,
                .a_depth = p->a_depth,
                .c = (REAL *)p->c + j,
                .ldc = p->ldc,
                .cols = cols < width && !whole_rows ? cols : 0,
                .accumulate = p->accumulate || block > 0,
                .relu = p->relu && is_last,
                .positive = p->positive && is_last ? (const REAL *)p->positive + j : NULL,
            };
            const REAL *b_panel = b + first * p->b_depth + j * p->b_col;
            if (in_place) {
                s.panel = b_panel;
                s.panel_depth = p->b_depth;
            } else {
                NAME(pack_panel)(depth, cols, vectors, b_panel, p->b_depth, p->b_col,
                                 (REAL *)packed);
                s.panel = (const REAL *)packed;
                s.panel_depth = width;
            }
            if (start && block == 0) {
                NAME(pack_panel)(1, cols, vectors, start + j, 0, 1, (REAL *)start_panel);
                s.start = start_panel;
            }
            NAME(multiply_panel)(p->m, vectors, (width - cols) * 2 >= NAME(LANES), s);
            j += width;
        }
        first += depth;
    }
}

#if FASTBP_HALVES
/* How many vectors n columns take, times two: a half counts. */
static inline ptrdiff_t NAME(count_halves)(ptrdiff_t n)
{
    const ptrdiff_t unit = NAME(LANES) / 2;
    return (n + unit - 1) / unit;
}

/* Whether the transposed product fills the vectors better, so much that to transpose C pays. */
static inline int NAME(is_better_transposed)(const Product *p)
{
    return p->a_row == 1 && p->b_col == 1 && p->n <= ROWS_BESIDE_2 && p->m >= NAME(LANES) &&
           p->depth >= TRANSPOSED_DEPTH && !p->start && !p->relu && !p->positive &&
           10 * p->n * NAME(count_halves)(p->m) < 9 * p->m * NAME(count_halves)(p->n);
}

/* C' (+)= B' @ A', read where they are: for few columns, which would fill a vector badly. The sum of an
 * element is the same. */
static void NAME(multiply_transposed)(const Product *p)
{
    NAME(vec) packed[PANEL_BYTES / VECTOR_BYTES], product[ROWS_BESIDE_2 * 2];
    const ptrdiff_t n_blocks = NAME(count_depth_blocks)(p->n, p->depth);
    ptrdiff_t width;
    for (ptrdiff_t j = 0; j < p->m; j += width) {
        const ptrdiff_t left = p->m - j;
        const int vectors = left >= 2 * NAME(LANES) ? 2 : 1;
        width = vectors * NAME(LANES);
        const ptrdiff_t cols = left < width ? left : width;
        for (ptrdiff_t block = 0, first = 0; block < n_blocks; block++) {
            const ptrdiff_t depth = p->depth / n_blocks + (block < p->depth % n_blocks);
            NAME(strip) s = {
                .a = (const REAL *)p->b + first * p->b_depth,
                .a_row = 1,
                .a_depth = p->b_depth,
                .panel = (const REAL *)p->a + first * p->a_depth + j,
                .panel_depth = p->a_depth,
                .depth = depth,
                .c = (REAL *)product,
                .ldc = width,
            };
            if (cols < width) {
                NAME(pack_panel)(depth, cols, vectors, s.panel, p->a_depth, 1, (REAL *)packed);
                s.panel = (const REAL *)packed;
                s.panel_depth = width;
            }
            NAME(multiply_panel)(p->n, vectors, 2 * (width - cols) >= NAME(LANES), s);
            const REAL *from = (const REAL *)product;
            REAL *to = (REAL *)p->c + j * p->ldc;
            const int adds = p->accumulate || block > 0;
            for (ptrdiff_t r = 0; r < cols; r++, to += p->ldc, from++)
                for (ptrdiff_t k = 0; k < p->n; k++)
                    to[k] = adds ? to[k] + from[k * width] : from[k * width];
            first += depth;
        }
    }
}
#endif

#endif

#include "thin_template.h"

/* The product that p describes; see gemm.h. The rows of B are contiguous (b_col is 1), or those of A
 * and the columns of B are (a_depth and b_depth are 1). */
static void NAME(multiply)(const Product *p)
{
    if (p->n == 1 && p->ldc == 1 && p->b_depth == 1 && !p->relu && !p->positive) {
        if (p->a_depth == 1) {
            NAME(multiply_column)(p->m, p->depth, p->a, p->a_row, p->b, p->start,
                                  p->accumulate, p->c);
            return;
        }
        if (p->a_row == 1 && p->start == NULL) {
            /* c' = b' @ A' */
            NAME(multiply_row)(p->m, p->depth, p->b, 1, p->a, p->a_depth, NULL, p->accumulate,
                               p->c);
            return;
        }
    }
#if FASTBP_VECTORS
    if (p->depth == 1 && p->b_col == 1 && !p->start && !p->relu &&
        !(p->accumulate && p->positive)) {
        NAME(multiply_outer)(p);
        return;
    }
    if (p->whole_m > FEW_ROWS) {
#if FASTBP_HALVES
        if (NAME(is_better_transposed)(p)) {
            NAME(multiply_transposed)(p);
            return;
        }
#endif
        NAME(multiply_panels)(p);
        return;
    }
#endif
    NAME(multiply_rows)(p);
}
