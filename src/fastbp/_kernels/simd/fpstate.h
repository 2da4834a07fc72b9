/* Denormal numbers are flushed to zero while a training call runs.
 *
 * Adam's moments decay into denormals, on which arithmetic is 4-14 times slower. The control word
 * is the thread's own, and every path out of the call must restore it: also the ways into the
 * user's Python, a loss or a signal handler (stop_flushing). */
#ifndef FASTBP_FPSTATE_H
#define FASTBP_FPSTATE_H

#if defined(__SSE2__) || defined(_M_X64)

#include <xmmintrin.h>

static inline unsigned long long read_fpstate(void) { return _mm_getcsr(); }

static inline unsigned long long flush_denormals(void)
{
    const unsigned int before = _mm_getcsr();
    _mm_setcsr(before | 0x8040); /* FTZ | DAZ */
    return before;
}

static inline unsigned long long stop_flushing(void)
{
    const unsigned int before = _mm_getcsr();
    _mm_setcsr(before & ~0x8040u);
    return before;
}

static inline void restore_denormals(unsigned long long before)
{
    _mm_setcsr((unsigned int)before);
}

#elif defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))

static inline unsigned long long read_fpstate(void)
{
    unsigned long long state;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(state));
    return state;
}

static inline unsigned long long flush_denormals(void)
{
    const unsigned long long before = read_fpstate();
    __asm__ __volatile__("msr fpcr, %0" : : "r"(before | (1ULL << 24))); /* FZ */
    return before;
}

static inline unsigned long long stop_flushing(void)
{
    const unsigned long long before = read_fpstate();
    __asm__ __volatile__("msr fpcr, %0" : : "r"(before & ~(1ULL << 24)));
    return before;
}

static inline void restore_denormals(unsigned long long before)
{
    __asm__ __volatile__("msr fpcr, %0" : : "r"(before));
}

#else

static inline unsigned long long read_fpstate(void) { return 0; }
static inline unsigned long long flush_denormals(void) { return 0; }
static inline unsigned long long stop_flushing(void) { return 0; }
static inline void restore_denormals(unsigned long long before) { (void)before; }

#endif

#endif
