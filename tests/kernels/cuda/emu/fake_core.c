/* Failing on request, complaints, and what is alive. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/cuda/emu/fake_priv.h"

static const char *const kind_names[FAKE_KINDS] = {
    "cudaMalloc", "pinned memory", "registered memory", "stream",           "event",
    "graph",      "graph to run",  "cuDNN handle",      "cuDNN descriptor", "cuBLAS handle"};

static struct {
    pthread_mutex_t lock;
    pthread_once_t once;
    long calls, fail_at, break_at;
    char failed[64];
    long complaints;
    bool quiet, aborts, asked;
    cudaError_t lost;
    struct thing {
        enum fake_kind kind;
        const void *at;
    } * alive;
    size_t n, cap;
    char text[512];
} core = {.once = PTHREAD_ONCE_INIT};

static void init(void)
{
    pthread_mutexattr_t a;

    pthread_mutexattr_init(&a);
    pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&core.lock, &a);
    pthread_mutexattr_destroy(&a);
}

void fake_lock(void)
{
    pthread_once(&core.once, init);
    pthread_mutex_lock(&core.lock);
    if (!core.asked) {
        const char *options = getenv("FAKE_CUDA");

        core.asked = true;
        if (options)
            fake_options(options);
    }
}

void fake_unlock(void)
{
    pthread_mutex_unlock(&core.lock);
}

/* ---- failing ---- */

void fake_fail_at(long n)
{
    fake_lock();
    core.calls = 0;
    core.fail_at = n;
    core.break_at = 0;
    core.failed[0] = 0;
    core.lost = cudaSuccess;
    fake_unlock();
}

void fake_break_at(long n)
{
    fake_lock();
    fake_fail_at(0);
    core.break_at = n;
    fake_unlock();
}

bool fake_fails(const char *function)
{
    bool fails;

    fake_lock();
    core.calls++;
    fails = core.calls == core.fail_at || core.calls == core.break_at || core.lost;
    if (core.calls == core.break_at)
        fake_lose(cudaErrorIllegalAddress);
    if (fails && !core.failed[0])
        snprintf(core.failed, sizeof(core.failed), "%s", function);
    fake_unlock();
    return fails;
}

cudaError_t fake_may_fail(const char *function, cudaError_t with)
{
    cudaError_t e;

    fake_lock();
    e = !fake_fails(function) ? cudaSuccess : core.lost ? core.lost : with;
    fake_unlock();
    return e;
}

cudaError_t fake_lost(void)
{
    return core.lost;
}

void fake_lose(cudaError_t e)
{
    fake_lock();
    if (!core.lost)
        core.lost = e;
    fake_unlock();
}

long fake_calls(void)
{
    return core.calls;
}

const char *fake_failed(void)
{
    return core.failed;
}

/* ---- complaints ---- */

void fake_complain(const char *format, ...)
{
    va_list ap;

    fake_lock();
    core.complaints++;
    if (!core.quiet) {
        fputs("fake CUDA: ", stderr);
        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fputc('\n', stderr);
    }
    if (core.aborts)
        abort();
    fake_unlock();
}

void fake_aborts(bool aborts)
{
    core.aborts = aborts;
}

long fake_complaints(void)
{
    long n = core.complaints;

    core.complaints = 0;
    return n;
}

void fake_quiet(bool quiet)
{
    core.quiet = quiet;
}

/* ---- what is alive ---- */

void fake_born(enum fake_kind kind, const void *p)
{
    fake_lock();
    if (core.n == core.cap) {
        core.cap = core.cap ? 2 * core.cap : 64;
        core.alive = realloc(core.alive, core.cap * sizeof(*core.alive));
        if (!core.alive)
            abort();
    }
    core.alive[core.n++] = (struct thing){kind, p};
    fake_unlock();
}

static size_t find(enum fake_kind kind, const void *p)
{
    for (size_t i = core.n; i-- > 0;)
        if (core.alive[i].at == p && core.alive[i].kind == kind)
            return i;
    return core.n;
}

bool fake_known(enum fake_kind kind, const void *p, const char *function)
{
    bool known;

    fake_lock();
    known = find(kind, p) < core.n;
    fake_unlock();
    if (!known)
        fake_complain("%s: %p is no %s, or not any more", function, p, kind_names[kind]);
    return known;
}

bool fake_dies(enum fake_kind kind, const void *p, const char *function)
{
    bool known;

    fake_lock();
    known = fake_known(kind, p, function);
    if (known)
        core.alive[find(kind, p)] = core.alive[core.n - 1];
    core.n -= known;
    if (core.n == 0) { /* for leak checkers */
        free(core.alive);
        core.alive = NULL;
        core.cap = 0;
    }
    fake_unlock();
    return known;
}

long fake_alive(void)
{
    return (long)core.n;
}

const char *fake_alive_text(void)
{
    size_t at = 0;

    fake_lock();
    core.text[0] = 0;
    for (int k = 0; k < FAKE_KINDS; k++) {
        int n = 0;

        for (size_t i = 0; i < core.n; i++)
            n += core.alive[i].kind == (enum fake_kind)k;
        if (n && at < sizeof(core.text))
            at += (size_t)snprintf(core.text + at, sizeof(core.text) - at, "%s%d %s",
                                   at ? ", " : "", n, kind_names[k]);
    }
    fake_unlock();
    return core.text;
}

/* ---- numbers of 16 bits ---- */

static uint32_t bits_of(float f)
{
    uint32_t b;

    memcpy(&b, &f, sizeof(b));
    return b;
}

static float float_of(uint32_t b)
{
    float f;

    memcpy(&f, &b, sizeof(f));
    return f;
}

float fake_from_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, e = h >> 10 & 31, m = h & 1023;

    if (e == 31)
        return float_of(sign | 0x7f800000u | m << 13);
    if (e == 0) /* zero or subnormal: m 2^-24 */
        return float_of(sign | bits_of((float)m * 0x1p-24f));
    return float_of(sign | (e + 112) << 23 | m << 13);
}

uint16_t fake_to_half(float f)
{
    uint32_t b = bits_of(f), sign = b >> 16 & 0x8000u, a = b & 0x7fffffffu, r;

    if (a > 0x7f800000u)
        return 0x7fff;
    if (a >= 0x47800000u) /* 65536 and more */
        return (uint16_t)(sign | 0x7c00u);
    if (a < 0x38800000u) /* below 2^-14: the adder of 2^-1 rounds to multiples of 2^-24 */
        return (uint16_t)(sign | (bits_of(float_of(a) + 0.5f) - bits_of(0.5f)));
    r = a + 0xfffu + (a >> 13 & 1);
    return (uint16_t)(sign | (r - 0x38000000u) >> 13);
}

float fake_from_bf16(uint16_t b)
{
    return float_of((uint32_t)b << 16);
}

uint16_t fake_to_bf16(float f)
{
    uint32_t b = bits_of(f);

    if ((b & 0x7fffffffu) > 0x7f800000u)
        return 0x7fff;
    return (uint16_t)((b + 0x7fffu + (b >> 16 & 1)) >> 16);
}

/* 10 bits of mantissa, to nearest. */
float fake_to_tf32(float f)
{
    uint32_t b = bits_of(f);

    if ((b & 0x7f800000u) == 0x7f800000u)
        return f;
    return float_of((b + 0xfffu + (b >> 13 & 1)) & ~0x1fffu);
}

float fake_load(enum fake_type t, const void *p, int64_t i)
{
    if (t == FAKE_F32)
        return ((const float *)p)[i];
    return t == FAKE_BF16 ? fake_from_bf16(((const uint16_t *)p)[i])
                          : fake_from_half(((const uint16_t *)p)[i]);
}

void fake_store(enum fake_type t, void *p, int64_t i, float v)
{
    if (t == FAKE_F32)
        ((float *)p)[i] = v;
    else
        ((uint16_t *)p)[i] = t == FAKE_BF16 ? fake_to_bf16(v) : fake_to_half(v);
}
