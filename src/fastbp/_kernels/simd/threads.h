/* A crew of threads that exists for one call and works on what the calling thread hands out.
 *
 * The calling thread runs one phase after another. A phase is a number of pieces, work(context,
 * member, piece), which any thread may claim, the caller among them. The caller goes on when all
 * pieces of a phase are done. No thread waits for another to arrive: one that the system has put
 * aside without a piece delays nobody, and the caller finishes alone if no helper turns up.
 *
 *     unclaimed   how many pieces of the phase nobody has claimed; DISMISSED at the end
 *     done        how many are finished
 *
 * The caller describes the phase and then sets `unclaimed` (release). A helper claims a piece by
 * compare-and-swap of `unclaimed` (acquire), and reads the description only then: the phase cannot
 * end, nor its description change, while it has the piece. What the work of a piece wrote is
 * visible to the caller when it has read the sum in `done` (acquire), and from there to all who
 * claim a piece of a later phase. Helpers are detached, since one that never ran would have to be
 * waited for otherwise; the last thread to leave a crew frees it.
 *
 * Plain threads rather than OpenMP: GNU OpenMP keeps its threads, and deadlocks in a forked child
 * once the parent has run a parallel region. Without POSIX threads, the caller works alone. */
#ifndef FASTBP_THREADS_H
#define FASTBP_THREADS_H

#include <stddef.h>
#include <stdlib.h>

#include "fpstate.h"

typedef void (*PieceWork)(void *context, int member, ptrdiff_t piece);

#if defined(__unix__) || defined(__APPLE__)

#include <pthread.h>
#include <sched.h>
#include <time.h>

enum {
    MAX_TEAM = 256,
    DISMISSED = -1,
    SPINS = 2000,   /* some 30 microseconds: longer than most phases of one thread */
    YIELDS = 100,
    APART = 128,    /* bytes: what different threads write lies in different cache lines */
    NAP = 50000,    /* nanoseconds */
};

typedef struct {
    int unclaimed;
    char apart_1[APART];
    int done;
    char apart_2[APART];
    int references; /* threads that have not left */
    int next_member;
    char apart_3[APART];
    int n_pieces; /* the description of the phase */
    PieceWork work;
    void *context;
    unsigned long long fpstate; /* of the caller: it rounds and flushes as the helpers must */
} Crew;

/* --- delays, which tests inject at every point where a thread can wait or be late ------------- */

static unsigned delay_seed; /* 0: none */
static unsigned n_delays;

static inline void set_delays(unsigned seed)
{
    __atomic_store_n(&delay_seed, seed, __ATOMIC_RELAXED);
}

static void nap(long nanoseconds)
{
    const struct timespec duration = {0, nanoseconds};
    nanosleep(&duration, NULL);
}

static __attribute__((noinline)) void delay(unsigned seed)
{
    unsigned x = seed + 0x9e3779b9u * __atomic_add_fetch(&n_delays, 1, __ATOMIC_RELAXED);
    x = (x ^ (x >> 16)) * 0x21f0aaadu;
    x = (x ^ (x >> 15)) * 0x735a2d97u;
    x ^= x >> 15;
    if (x % 64 == 0)
        nap(1000000);
    else if (x % 64 < 8)
        nap(1000);
    else if (x % 64 < 24)
        sched_yield();
}

static inline void may_be_late(void)
{
    const unsigned seed = __atomic_load_n(&delay_seed, __ATOMIC_RELAXED);
    if (__builtin_expect(seed != 0, 0))
        delay(seed);
}

/* --- time ------------------------------------------------------------------------------------- */

/* Of a clock that no one sets. */
static inline double read_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* --- waiting ---------------------------------------------------------------------------------- */

static inline void pause_spinning(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

/* --- the crew --------------------------------------------------------------------------------- */

static inline void leave_crew(Crew *crew)
{
    if (__atomic_sub_fetch(&crew->references, 1, __ATOMIC_ACQ_REL) == 0)
        free(crew);
}

/* Claims a piece, if there is one: its number, or -1 (none now) or -2 (none ever). */
static inline ptrdiff_t claim_piece(Crew *crew)
{
    int unclaimed = __atomic_load_n(&crew->unclaimed, __ATOMIC_RELAXED);
    while (unclaimed > 0) {
        may_be_late();
        if (__atomic_compare_exchange_n(&crew->unclaimed, &unclaimed, unclaimed - 1, 0,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return crew->n_pieces - unclaimed;
    }
    return unclaimed == DISMISSED ? -2 : -1;
}

static inline void work_on_piece(Crew *crew, int member, ptrdiff_t piece)
{
    may_be_late();
    crew->work(crew->context, member, piece);
    may_be_late();
    __atomic_add_fetch(&crew->done, 1, __ATOMIC_RELEASE);
}

static void *help(void *argument)
{
    Crew *crew = argument;
    const int member = __atomic_add_fetch(&crew->next_member, 1, __ATOMIC_RELAXED);
    int idle = 0, placed = 0;
    for (;;) {
        may_be_late();
        const ptrdiff_t piece = claim_piece(crew);
        if (piece >= 0) {
            if (!placed)
                restore_denormals(crew->fpstate);
            placed = 1;
            work_on_piece(crew, member, piece);
            idle = 0;
        } else if (piece == -2) {
            break;
        } else if (idle < SPINS) {
            pause_spinning();
            idle++;
        } else if (idle < SPINS + YIELDS) {
            sched_yield(); /* the others may need this processor */
            idle++;
        } else {
            nap(NAP);
        }
    }
    leave_crew(crew);
    return NULL;
}

/* A crew of the caller and n_helpers more, or as many as can be started: how many are stored.
 * NULL, and 0 stored, where there is no memory. */
static inline Crew *hire_crew(int n_helpers, int *started)
{
    pthread_attr_t attributes;
    pthread_t thread;
    *started = 0;
    Crew *crew = calloc(1, sizeof *crew);
    if (crew == NULL)
        return NULL;
    crew->references = 1;
    crew->fpstate = read_fpstate();
    if (pthread_attr_init(&attributes) != 0)
        return crew;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (; *started < n_helpers; ++*started) {
        __atomic_add_fetch(&crew->references, 1, __ATOMIC_RELAXED);
        if (pthread_create(&thread, &attributes, help, crew) != 0) {
            __atomic_sub_fetch(&crew->references, 1, __ATOMIC_RELAXED);
            break;
        }
    }
    pthread_attr_destroy(&attributes);
    return crew;
}

/* No thread of the crew does anything more with what the caller has handed out. */
static inline void dismiss_crew(Crew *crew)
{
    if (crew == NULL)
        return;
    __atomic_store_n(&crew->unclaimed, DISMISSED, __ATOMIC_RELEASE);
    leave_crew(crew);
}

/* A phase: work(context, member, 0..n_pieces - 1), each once; the caller is member 0. */
static inline void run_phase(Crew *crew, ptrdiff_t n_pieces, PieceWork work, void *context)
{
    ptrdiff_t piece;
    if (crew == NULL || n_pieces == 1) {
        for (piece = 0; piece < n_pieces; piece++)
            work(context, 0, piece);
        return;
    }
    crew->work = work;
    crew->context = context;
    crew->n_pieces = (int)n_pieces;
    __atomic_store_n(&crew->done, 0, __ATOMIC_RELAXED);
    may_be_late();
    __atomic_store_n(&crew->unclaimed, (int)n_pieces, __ATOMIC_RELEASE);
    may_be_late();
    while ((piece = claim_piece(crew)) >= 0)
        work_on_piece(crew, 0, piece);
    may_be_late();
    for (int spins = 0; __atomic_load_n(&crew->done, __ATOMIC_ACQUIRE) < n_pieces; spins++) {
        if (spins < SPINS)
            pause_spinning();
        else
            sched_yield();
    }
}

static inline int read_flag(const int *flag) { return __atomic_load_n(flag, __ATOMIC_RELAXED); }
static inline void raise_flag(int *flag) { __atomic_store_n(flag, 1, __ATOMIC_RELAXED); }

#else

enum { MAX_TEAM = 1 };

typedef struct {
    int unused;
} Crew;

static inline void set_delays(unsigned seed) { (void)seed; }

static inline double read_seconds(void) { return 0; }

static inline Crew *hire_crew(int n_helpers, int *started)
{
    (void)n_helpers;
    *started = 0;
    return NULL;
}

static inline void dismiss_crew(Crew *crew) { (void)crew; }

static inline void run_phase(Crew *crew, ptrdiff_t n_pieces, PieceWork work, void *context)
{
    (void)crew;
    for (ptrdiff_t piece = 0; piece < n_pieces; piece++)
        work(context, 0, piece);
}

static inline int read_flag(const int *flag) { return *flag; }
static inline void raise_flag(int *flag) { *flag = 1; }

#endif

#endif
