/* Crews of simd/threads.h at work, for ThreadSanitizer: see `make tsan`.
 *
 * Phases write to memory that other phases, run by other threads, read and overwrite. Each piece
 * must be done once, before the phase ends, and without a race. Delays are injected. */
#include <stdio.h>

#include "simd/threads.h"

enum { PIECES = 37, PHASES = 400, CREWS = 30 };

typedef struct {
    int phase;
    long values[PIECES], done[PIECES];
} Task;

/* The values of the next phase from all of the last one: whoever sees an old one is found out. */
static void work(void *context, int member, ptrdiff_t piece)
{
    Task *task = context;
    (void)member;
    task->values[piece] += task->phase + piece;
    task->done[piece]++;
}

static int is_wrong(const Task *task, int phases)
{
    for (long piece = 0; piece < PIECES; piece++)
        if (task->done[piece] != phases ||
            task->values[piece] != (long)phases * (phases - 1) / 2 + phases * piece)
            return 1;
    return 0;
}

int main(void)
{
    for (int run = 0; run < CREWS; run++) {
        Task task = {0};
        int started;
        set_delays(run % 3 == 0 ? 0 : 7 + run);
        Crew *crew = hire_crew(run % 8, &started);
        for (task.phase = 0; task.phase < PHASES; task.phase++) {
            run_phase(crew, PIECES, work, &task);
            if (is_wrong(&task, task.phase + 1)) {
                printf("crew %d is wrong in phase %d\n", run, task.phase);
                return 1;
            }
        }
        dismiss_crew(crew);
        task.phase = -1; /* nobody may read it any more */
    }
    return 0;
}
