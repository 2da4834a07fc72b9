/* Red zones in memory that holds several arrays: AddressSanitizer reports whoever touches one.
 *
 * Without AddressSanitizer they take no memory and no time. */
#ifndef FASTBP_REDZONES_H
#define FASTBP_REDZONES_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__) /* GCC */
#define FASTBP_RED_ZONE 128
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) /* Clang */
#define FASTBP_RED_ZONE 128
#endif
#endif

#ifdef FASTBP_RED_ZONE

#include <sanitizer/asan_interface.h>

static inline void make_red(const char *start, size_t n_bytes)
{
    ASAN_POISON_MEMORY_REGION(start, n_bytes);
}

#else

#define FASTBP_RED_ZONE 0

static inline void make_red(const char *start, size_t n_bytes)
{
    (void)start;
    (void)n_bytes;
}

#endif

#endif
