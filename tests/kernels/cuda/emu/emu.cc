/* The fibers under emu.h. A fiber runs one thread of a block after the other until one must wait at
 * a barrier; then that fiber is parked and another begins the threads that have not begun. */
#include "tests/kernels/cuda/emu/emu.h"
#include "tests/kernels/cuda/emu/fake_priv.h"

#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define STACK ((size_t)512 << 10)
#else
#define STACK ((size_t)128 << 10)
#endif

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#define MAX_THREADS 1024
#define WARP 32

struct emu_ids emu_id;

namespace
{

enum state { NEW, READY, AT_BLOCK, AT_WARP, ENDED };

/* A stack that can be left and come back to. */
struct fiber {
    char *stack;
#if defined(__x86_64__)
    void *sp;
#else
    ucontext_t context;
#endif
    size_t size;
    void *fake; /* the address sanitizer's */
};

struct thread {
    enum state state;
    struct fiber *fiber; /* that it waits on */
    uint3 id;
    const char *file; /* where it waits */
    int line;
};

struct warp {
    int arrived;
    unsigned phase; /* of the two sets of slots */
    uint64_t slot[2][WARP];
};

struct machine {
    unsigned order;
    bool strict, quiet;
    char said[512];

    const char *kernel;
    emu_entry entry;
    void *args;
    int n;                 /* threads of a block */
    int turn[MAX_THREADS]; /* the order they run in */
    int at;                /* position in turn */
    int now;               /* the thread that runs */
    int arrived;           /* at the block's barrier */
    int ended;
    bool failed;
    struct thread thread[MAX_THREADS];
    struct warp warp[MAX_THREADS / WARP];
    struct fiber *running;
    struct fiber *spare[MAX_THREADS + 1];
    int spares;
    struct fiber home; /* the caller's own stack */
};

struct machine m = {};
pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Lies where __shared__ variables do: in what the module or program has for each thread. That must
 * not hold anything else: the fakes keep what is a thread's own elsewhere. */
thread_local char marker;

void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

void complain(const char *format, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    if (!m.failed)
        snprintf(m.said, sizeof(m.said), "%.100s: %s", m.kernel, text);
    if (!m.failed && !m.quiet)
        fprintf(stderr, "emulated kernel %s\n", m.said);
    m.failed = true;
}

/* ---- switching stacks ---- */

#if defined(__x86_64__)
extern "C" void emu_swap(void **save, void *to);
asm(".text\n"
    ".p2align 4\n"
    ".type emu_swap, @function\n"
    "emu_swap:\n"
    "    pushq %rbp\n"
    "    pushq %rbx\n"
    "    pushq %r12\n"
    "    pushq %r13\n"
    "    pushq %r14\n"
    "    pushq %r15\n"
    "    movq %rsp, (%rdi)\n"
    "    movq %rsi, %rsp\n"
    "    popq %r15\n"
    "    popq %r14\n"
    "    popq %r13\n"
    "    popq %r12\n"
    "    popq %rbx\n"
    "    popq %rbp\n"
    "    retq\n"
    ".size emu_swap, .-emu_swap\n");
#endif

/* Fibers are entered from the caller's own stack, home, and leave to it. */
void go(struct fiber *from, struct fiber *to)
{
#if defined(__SANITIZE_ADDRESS__)
    const void *bottom;
    size_t size;

    __sanitizer_start_switch_fiber(&from->fake, to->stack, to->size);
#endif
#if defined(__x86_64__)
    emu_swap(&from->sp, to->sp);
#else
    swapcontext(&from->context, &to->context);
#endif
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(from->fake, &bottom, &size);
#endif
}

void fiber_main()
{
#if defined(__SANITIZE_ADDRESS__)
    const void *bottom;

    __sanitizer_finish_switch_fiber(NULL, &bottom, &m.home.size);
    m.home.stack = (char *)bottom;
#endif
    for (;;) {
        m.now = m.turn[m.at];
        emu_id.thread = m.thread[m.now].id;
        m.entry(m.args);
        m.thread[m.now].state = ENDED;
        m.ended++;
        /* Go on with the next thread, unless that one has begun and waits somewhere. */
        if (!m.failed && m.at + 1 < m.n && m.thread[m.turn[m.at + 1]].state == NEW) {
            m.at++;
            continue;
        }
        m.spare[m.spares++] = m.running;
        go(m.running, &m.home);
    }
}

struct fiber *fiber_new()
{
    struct fiber *f = (struct fiber *)calloc(1, sizeof(*f));
    char *base = (char *)mmap(NULL, STACK + 4096, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (!f || base == MAP_FAILED || mprotect(base, 4096, PROT_NONE))
        abort();
    f->stack = base + 4096;
    f->size = STACK;
    return f;
}

/* Set to begin with fiber_main. */
void fiber_reset(struct fiber *f)
{
#if defined(__x86_64__)
    void **top = (void **)(f->stack + STACK);

    *--top = NULL;               /* fiber_main never returns */
    *--top = (void *)fiber_main; /* emu_swap's return; the stack is then as after a call */
    for (int i = 0; i < 6; i++)
        *--top = NULL;
    f->sp = top;
#else
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK;
    f->context.uc_link = NULL;
    makecontext(&f->context, fiber_main, 0);
#endif
    f->fake = NULL;
}

/* The running thread waits until its state is READY. */
void park(enum state why, const char *file, int line)
{
    struct thread *t = &m.thread[m.now];
    int now = m.now;

    t->state = why;
    t->fiber = m.running;
    t->file = file;
    t->line = line;
    go(m.running, &m.home);
    m.now = now;
    emu_id.thread = t->id;
}

/* A failed launch never comes back to its threads. */
[[noreturn]] void give_up()
{
    m.thread[m.now].state = AT_BLOCK;
    m.thread[m.now].fiber = m.running;
    for (;;)
        go(m.running, &m.home);
}

/* ---- barriers ---- */

const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

void release(enum state from, int first, int last, const char *file, int line)
{
    for (int t = first; t < last; t++)
        if (m.thread[t].state == from) {
            if (m.thread[t].line != line || strcmp(m.thread[t].file, file))
                complain("thread %d waits at %s:%d, thread %d at %s:%d", t,
                         base_name(m.thread[t].file), m.thread[t].line, m.now, base_name(file),
                         line);
            m.thread[t].state = READY;
        }
}

int warp_size(int w)
{
    return m.n - w * WARP < WARP ? m.n - w * WARP : WARP;
}

void warp_wait(unsigned mask, const char *file, int line)
{
    int w = m.now / WARP;
    struct warp *p = &m.warp[w];

    if (mask != 0xffffffffu) {
        complain("%s:%d: mask %#x is not the whole warp", base_name(file), line, mask);
        give_up();
    }
    if (++p->arrived < warp_size(w)) {
        park(AT_WARP, file, line);
        return;
    }
    p->arrived = 0;
    p->phase ^= 1;
    release(AT_WARP, w * WARP, w * WARP + warp_size(w), file, line);
    if (m.failed)
        give_up();
}

} // namespace

extern "C" void emu_barrier(const char *file, int line)
{
    if (++m.arrived < m.n) {
        park(AT_BLOCK, file, line);
        return;
    }
    m.arrived = 0;
    release(AT_BLOCK, 0, m.n, file, line);
    if (m.failed)
        give_up();
}

extern "C" void emu_warp_barrier(unsigned mask, const char *file, int line)
{
    warp_wait(mask, file, line);
}

extern "C" void emu_shuffle(enum emu_shuffle how, unsigned mask, int lane, int width,
                            uint64_t *value, const char *file, int line)
{
    int self = m.now % WARP, w = m.now / WARP, from = self, first;
    struct warp *p = &m.warp[w];
    unsigned phase = p->phase;

    if (width < 1 || width > WARP || (width & (width - 1))) {
        complain("%s:%d: a shuffle of width %d", base_name(file), line, width);
        give_up();
    }
    p->slot[phase][self] = *value;
    warp_wait(mask, file, line);
    first = self & ~(width - 1);
    switch (how) {
    case EMU_FROM:
        from = first + (lane & (width - 1));
        break;
    case EMU_XOR: /* of a lower group a lane may read, of a higher one not */
        from = (self ^ lane) < first + width ? self ^ lane : self;
        break;
    case EMU_DOWN:
        from = self + lane < first + width ? self + lane : self;
        break;
    case EMU_UP:
        from = self - lane >= first ? self - lane : self;
        break;
    }
    if (from >= warp_size(w) || from < 0) {
        complain("%s:%d: thread %d reads lane %d, which is not there", base_name(file), line, m.now,
                 from);
        give_up();
    }
    /* The slots of this phase are not written again before all lanes have come to the next wait. */
    *value = p->slot[phase][from];
}

namespace
{

/* ---- launches ---- */

uint32_t mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ (x >> 16);
}

/* i-th of n in the order asked for: a permutation (an affine one, when shuffled). */
uint64_t ordered(uint64_t i, uint64_t n, uint64_t *step)
{
    if (m.order == 0)
        return i;
    if (m.order == 1)
        return n - 1 - i;
    if (*step == 0) {
        uint64_t a, b, t;

        *step = mix(m.order) % n + 1;
        for (;; (*step)++) {
            for (a = n, b = *step; b; t = a % b, a = b, b = t)
                ;
            if (a == 1)
                break;
        }
    }
    return (i * *step + mix(m.order + 1)) % n;
}

int fill_module(struct dl_phdr_info *info, size_t size, void *data)
{
    const char *here = (const char *)data;

    for (int i = 0; i < info->dlpi_phnum; i++) {
        char *at = (char *)info->dlpi_tls_data;
        size_t n = info->dlpi_phdr[i].p_memsz;

        if (info->dlpi_phdr[i].p_type == PT_TLS && at && at <= here && here < at + n)
            memset(at, 0xff, n);
    }
    return 0;
}

void run_block()
{
    m.at = m.ended = m.arrived = 0;
    for (int t = 0; t < m.n; t++)
        m.thread[t].state = NEW;
    for (int w = 0; w < MAX_THREADS / WARP; w++)
        m.warp[w].arrived = 0;
    for (bool any = true; any && m.ended < m.n;) {
        any = false;
        for (m.at = 0; m.at < m.n && !m.failed; m.at++) {
            struct thread *t = &m.thread[m.turn[m.at]];

            if (t->state == NEW) {
                if (m.spares == 0)
                    m.spare[m.spares++] = fiber_new();
                m.running = m.spare[--m.spares];
                fiber_reset(m.running);
            } else if (t->state == READY) {
                m.running = t->fiber;
            } else {
                continue;
            }
            any = true;
            go(&m.home, m.running);
        }
        if (m.failed)
            return;
    }
    if (m.ended < m.n) {
        int waits = 0, other = 0;

        while (m.thread[waits].state != AT_BLOCK && m.thread[waits].state != AT_WARP)
            waits++;
        while (m.thread[other].state == m.thread[waits].state)
            other++;
        complain("block %u,%u,%u: thread %d waits at %s:%d for thread %d, which %s", emu_id.block.x,
                 emu_id.block.y, emu_id.block.z, waits, base_name(m.thread[waits].file),
                 m.thread[waits].line, other,
                 m.thread[other].state == ENDED ? "has ended" : "waits elsewhere");
    }
}

/* After a failure the fibers that were left lie idle: their stacks begin anew next time. */
void collect()
{
    for (int t = 0; t < m.n; t++) {
        bool known = m.thread[t].state == ENDED || m.thread[t].state == NEW;

        for (int s = 0; s < m.spares && !known; s++)
            known = m.spare[s] == m.thread[t].fiber;
        if (known)
            continue;
        m.spare[m.spares++] = m.thread[t].fiber;
#if defined(__SANITIZE_ADDRESS__)
        __asan_unpoison_memory_region(m.thread[t].fiber->stack, STACK);
#endif
    }
}

bool fits(dim3 grid, dim3 block)
{
    return block.x >= 1 && block.y >= 1 && block.z >= 1 && block.x <= 1024 && block.y <= 1024 &&
           block.z <= 64 && (uint64_t)block.x * block.y * block.z <= MAX_THREADS && grid.x >= 1 &&
           grid.y >= 1 && grid.z >= 1 && grid.x <= 0x7fffffffu && grid.y <= 65535 &&
           grid.z <= 65535;
}

cudaError_t run_grid(const char *name, dim3 grid, dim3 block, emu_entry entry, void *args)
{
    uint64_t blocks = (uint64_t)grid.x * grid.y * grid.z, step = 0, thread_step = 0;

    m.kernel = name;
    m.failed = false;
    m.entry = entry;
    m.args = args;
    m.n = (int)(block.x * block.y * block.z);
    emu_id.grid = grid;
    emu_id.block_size = block;
    for (int t = 0; t < m.n; t++) {
        m.turn[t] = (int)ordered((uint64_t)t, (uint64_t)m.n, &thread_step);
        m.thread[t].fiber = NULL;
        m.thread[t].id.x = (unsigned)t % block.x;
        m.thread[t].id.y = (unsigned)t / block.x % block.y;
        m.thread[t].id.z = (unsigned)t / block.x / block.y;
    }
    for (uint64_t i = 0; i < blocks && !m.failed; i++) {
        uint64_t b = ordered(i, blocks, &step);

        if (i == 0 || m.strict)
            dl_iterate_phdr(fill_module, &marker); /* which makes it be there */
        emu_id.block.x = (unsigned)(b % grid.x);
        emu_id.block.y = (unsigned)(b / grid.x % grid.y);
        emu_id.block.z = (unsigned)(b / grid.x / grid.y);
        run_block();
    }
    if (m.failed)
        collect();
    return m.failed ? cudaErrorLaunchFailure : cudaSuccess;
}

} // namespace

extern "C" cudaError_t emu_check(const char *name, dim3 grid, dim3 block)
{
    bool ok = fits(grid, block);

    if (!ok) {
        pthread_mutex_lock(&lock);
        m.kernel = name;
        m.failed = false;
        complain("a grid of %u x %u x %u blocks of %u x %u x %u threads", grid.x, grid.y, grid.z,
                 block.x, block.y, block.z);
        pthread_mutex_unlock(&lock);
    }
    return fake_error(ok ? cudaSuccess : cudaErrorInvalidConfiguration);
}

extern "C" cudaError_t emu_run(const char *name, dim3 grid, dim3 block, emu_entry entry, void *args)
{
    cudaError_t e;

    pthread_mutex_lock(&lock);
    e = run_grid(name, grid, block, entry, args);
    pthread_mutex_unlock(&lock);
    return e;
}

extern "C" void emu_order(unsigned order)
{
    m.order = order;
}

extern "C" void emu_strict(bool strict)
{
    m.strict = strict;
}

extern "C" const char *emu_said(bool quiet)
{
    static char said[sizeof(m.said)];

    memcpy(said, m.said, sizeof(said));
    m.said[0] = 0;
    m.quiet = quiet;
    return said;
}
