/* Functions that turn a number into one that looks random: the finalizers of SplitMix64 (Steele, Lea
 * and Flood, "Fast splittable pseudorandom number generators", 2014) and of MurmurHash3 (Appleby). In C,
 * because they need unsigned arithmetic that wraps around. */
#ifndef FASTBP_MIX_H
#define FASTBP_MIX_H

#include <stdint.h>

static inline uint64_t mix64(uint64_t x)
{
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

/* Returns number `index` of the sequence that belongs to `seed`. */
static inline uint32_t mix32(uint32_t seed, uint32_t index)
{
    uint32_t x = seed + index * UINT32_C(0x9E3779B9);
    x = (x ^ (x >> 16)) * UINT32_C(0x85EBCA6B);
    x = (x ^ (x >> 13)) * UINT32_C(0xC2B2AE35);
    return x ^ (x >> 16);
}

#endif
