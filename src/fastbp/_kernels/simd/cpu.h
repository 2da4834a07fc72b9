/* cpu_level() returns what this CPU and its operating system can run: 0 the baseline build only, 1 also
 * AVX2 with FMA, 2 also AVX-512. The features it asks for are exactly those that setup.py compiles the
 * builds with. */
#ifndef FASTBP_CPU_H
#define FASTBP_CPU_H

#if (defined(__x86_64__) || defined(__i386__)) && (defined(__GNUC__) || defined(__clang__))

static int cpu_level(void)
{
    __builtin_cpu_init();
    if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")))
        return 0;
    if (!(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
          __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
          __builtin_cpu_supports("avx512vl")))
        return 1;
    return 2;
}

#elif defined(_MSC_VER) && defined(_M_X64)

#include <immintrin.h>
#include <intrin.h>

static int cpu_level(void)
{
    int leaf1[4], leaf7[4];
    __cpuid(leaf1, 0);
    if (leaf1[0] < 7)
        return 0;
    __cpuid(leaf1, 1);
    __cpuidex(leaf7, 7, 0);
    if (!(leaf1[2] & (1 << 27))) /* the system saves the vector registers (OSXSAVE) */
        return 0;
    const unsigned long long saved = _xgetbv(0);
    const int fma = leaf1[2] & (1 << 12), avx2 = leaf7[1] & (1 << 5);
    if (!fma || !avx2 || (saved & 0x6) != 0x6)
        return 0;
    const unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
    if (((unsigned)leaf7[1] & avx512) != avx512 || (saved & 0xe6) != 0xe6)
        return 1;
    return 2;
}

#else

static int cpu_level(void) { return 0; }

#endif

#endif
