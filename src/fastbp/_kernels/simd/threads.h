/* A team of threads that exists for one call, and a barrier between its members.
 *
 * Plain threads rather than OpenMP: GNU OpenMP keeps its threads, and deadlocks in a forked child
 * once the parent has run a parallel region. Without POSIX threads, a team has one member. */
#ifndef FASTBP_THREADS_H
#define FASTBP_THREADS_H

#if defined(__unix__) || defined(__APPLE__)

#include <pthread.h>
#include <sched.h>

enum { MAX_TEAM = 256 };

typedef struct {
    int members, arrived, phase;
} Barrier;

static inline void pause_spinning(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* Each member waits until all have arrived. What any wrote before, all see afterwards. */
static inline void wait_for_team(Barrier *barrier)
{
    if (barrier->members == 1)
        return;
    const int phase = __atomic_load_n(&barrier->phase, __ATOMIC_RELAXED);
    if (__atomic_add_fetch(&barrier->arrived, 1, __ATOMIC_ACQ_REL) == barrier->members) {
        __atomic_store_n(&barrier->arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&barrier->phase, phase + 1, __ATOMIC_RELEASE);
        return;
    }
    for (int spins = 0; __atomic_load_n(&barrier->phase, __ATOMIC_ACQUIRE) == phase; spins++) {
        if (spins < 2000)
            pause_spinning();
        else
            sched_yield(); /* the others may need this processor */
    }
}

static inline int read_flag(const int *flag) { return __atomic_load_n(flag, __ATOMIC_RELAXED); }
static inline void raise_flag(int *flag) { __atomic_store_n(flag, 1, __ATOMIC_RELAXED); }

typedef struct {
    void (*work)(void *context, int member);
    void *context;
    int member;
    int *go; /* 0: wait, 1: work, -1: the team is not complete */
} TeamMember;

static inline void *run_member(void *argument)
{
    const TeamMember *self = argument;
    int go;
    while ((go = __atomic_load_n(self->go, __ATOMIC_ACQUIRE)) == 0)
        sched_yield();
    if (go > 0)
        self->work(self->context, self->member);
    return NULL;
}

/* Runs work(context, 0..members - 1), member 0 in the calling thread. Returns -1, with no work
 * done, when a thread cannot be started. */
static inline int run_team(int members, void (*work)(void *, int), void *context)
{
    pthread_t threads[MAX_TEAM];
    TeamMember team[MAX_TEAM];
    int go = 0, started = 1;
    for (; started < members; started++) {
        team[started] = (TeamMember){work, context, started, &go};
        if (pthread_create(&threads[started], NULL, run_member, &team[started]) != 0)
            break;
    }
    const int complete = started == members;
    __atomic_store_n(&go, complete ? 1 : -1, __ATOMIC_RELEASE);
    if (complete)
        work(context, 0);
    while (--started > 0)
        pthread_join(threads[started], NULL);
    return complete ? 0 : -1;
}

#else

enum { MAX_TEAM = 1 };

typedef struct {
    int members, arrived, phase;
} Barrier;

static inline void wait_for_team(Barrier *barrier) { (void)barrier; }
static inline int read_flag(const int *flag) { return *flag; }
static inline void raise_flag(int *flag) { *flag = 1; }

static inline int run_team(int members, void (*work)(void *, int), void *context)
{
    (void)members;
    work(context, 0);
    return 0;
}

#endif

#endif
