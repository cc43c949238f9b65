/* The emulator and the fake CUDA runtime themselves: what they compute, and what they catch. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/cuda/emu/emu.h"
#include "tests/kernels/cuda/emu/fake.h"
#include "tests/kernels/cuda/emu/fake_priv.h"
#include "tests/kernels/cuda/emu/test_emu.h"

#define OK(call) assert_int_equal(call, cudaSuccess)
#define FAILS(call, with) assert_int_equal(call, with)

static int setup(void **s)
{
    (void)s;
    fake_fail_at(0);
    fake_quiet(true);
    fake_complaints();
    emu_said(true);
    cudaGetLastError();
    return 0;
}

/* Every test leaves nothing behind. */
static int teardown(void **s)
{
    (void)s;
    fake_fail_at(0);
    emu_order(0);
    emu_strict(false);
    fake_eager(false);
    fake_devices(1);
    if (fake_alive())
        fail_msg("%s", fake_alive_text());
    return 0;
}

static void *device(size_t n)
{
    void *p = NULL;

    OK(cudaMalloc(&p, n));
    return p;
}

static void *pinned(size_t n)
{
    void *p = NULL;

    OK(cudaHostAlloc(&p, n, cudaHostAllocDefault));
    return p;
}

static cudaStream_t stream(void)
{
    cudaStream_t s = NULL;

    OK(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    return s;
}

static void fetch(void *to, const void *from, size_t n)
{
    OK(cudaMemcpy(to, from, n, cudaMemcpyDeviceToHost));
}

/* ---- kernels ---- */

static void test_sums(void **state)
{
    enum { ROWS = 5, N = 1000 };
    float *x = malloc(sizeof(float) * ROWS * N), got[ROWS];
    float *dx = device(sizeof(float) * ROWS * N), *sum = device(sizeof(got));

    (void)state;
    for (int i = 0; i < ROWS * N; i++)
        x[i] = (float)(i % 17);
    OK(cudaMemcpy(dx, x, sizeof(float) * ROWS * N, cudaMemcpyHostToDevice));
    for (unsigned order = 0; order < 5; order++) {
        emu_order(order);
        emu_strict(order & 1);
        OK(t_row_sums(dx, sum, ROWS, N, NULL));
        fetch(got, sum, sizeof(got));
        for (int r = 0; r < ROWS; r++) {
            float want = 0;

            for (int i = 0; i < N; i++)
                want += x[r * N + i];
            assert_true(got[r] == want);
        }
    }
    OK(cudaFree(dx));
    OK(cudaFree(sum));
    free(x);
    assert_int_equal(fake_complaints(), 0);
}

static void test_shuffles(void **state)
{
    int got[4][64], *y = device(sizeof(got));

    (void)state;
    for (unsigned order = 0; order < 4; order++) {
        emu_order(order);
        OK(t_shuffles(y, NULL));
        fetch(got, y, sizeof(got));
        for (int t = 0; t < 64; t++) {
            assert_int_equal(got[0][t], t ^ 5);
            assert_int_equal(got[1][t], t % 32 + 3 < 32 ? t + 3 : t);
            assert_int_equal(got[2][t], t % 8 >= 3 ? t - 3 : t);
            assert_int_equal(got[3][t], t / 16 * 16 + 7);
        }
    }
    OK(cudaFree(y));
}

static void test_indices(void **state)
{
    int got[24 * 30], *y = device(sizeof(got));

    (void)state;
    for (unsigned order = 0; order < 4; order++) {
        emu_order(order);
        OK(cudaMemset(y, 0, sizeof(got)));
        OK(t_indices(y, NULL));
        fetch(got, y, sizeof(got));
        for (int i = 0; i < 24 * 30; i++)
            assert_int_equal(got[i], i);
    }
    OK(cudaFree(y));
}

static void test_divergence(void **state)
{
    static const char *const said[T_KINDS] = {[T_ENDS] = "has ended",
                                              [T_TWO_LINES] = "waits at",
                                              [T_HALF_WARP] = "waits at",
                                              [T_MASK] = "not the whole warp",
                                              [T_MIXED] = "waits"};
    int *y = device(64 * sizeof(int));

    (void)state;
    for (int how = 0; how < T_KINDS; how++) {
        OK(t_divergent(how, y, NULL));
        FAILS(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
        if (!strstr(emu_said(true), said[how]))
            fail_msg("kind %d said something else", how);
        /* The device is lost, and everything says so. */
        FAILS(cudaGetLastError(), cudaErrorLaunchFailure);
        FAILS(cudaGetLastError(), cudaErrorLaunchFailure);
        FAILS(t_divergent(T_KINDS, y, NULL), cudaErrorLaunchFailure);
        fake_fail_at(0);
        OK(t_divergent(T_KINDS, y, NULL));
        OK(cudaDeviceSynchronize());
        assert_string_equal(emu_said(true), "");
    }
    FAILS(t_no_grid(NULL), cudaErrorInvalidConfiguration);
    FAILS(cudaGetLastError(), cudaErrorInvalidConfiguration);
    FAILS(cudaGetLastError(), cudaSuccess);
    OK(cudaFree(y));
}

static void test_race(void **state)
{
    int a, b, *y = device(sizeof(int));

    (void)state;
    OK(t_race(y, NULL));
    fetch(&a, y, sizeof(a));
    emu_order(1);
    OK(t_race(y, NULL));
    fetch(&b, y, sizeof(b));
    assert_int_equal(a, 149);
    assert_int_equal(b, 0);
    OK(cudaFree(y));
}

static void test_shared_garbage(void **state)
{
    float got[2], *y = device(sizeof(got));

    (void)state;
    OK(t_unset(y, NULL));
    fetch(got, y, sizeof(got));
    assert_true(got[0] != got[0] && got[1] == 1);
    emu_strict(true);
    OK(t_unset(y, NULL));
    fetch(got, y, sizeof(got));
    assert_true(got[0] != got[0] && got[1] != got[1]);
    OK(cudaFree(y));
}

/* Our own rounding is that of CUDA's headers. */
static void test_rounding(void **state)
{
    enum { N = 512 };
    float x[N], half[N], bf16[N];
    float *dx = device(sizeof(x)), *dh = device(sizeof(x)), *db = device(sizeof(x));
    uint32_t bits = 1;

    (void)state;
    for (int round = 0; round < 64; round++) {
        for (int i = 0; i < N; i++) {
            bits = bits * 1664525u + 1013904223u;
            uint32_t b = i % 4 ? bits : (bits & 0x8fffffffu) | 0x30000000u; /* small ones */
            b = i % 16 == 1 ? bits & 0xffffe000u : b; /* ties and exact ones */
            memcpy(&x[i], &b, sizeof(b));
        }
        OK(cudaMemcpy(dx, x, sizeof(x), cudaMemcpyHostToDevice));
        OK(t_rounded(dx, dh, db, N, NULL));
        fetch(half, dh, sizeof(x));
        fetch(bf16, db, sizeof(x));
        for (int i = 0; i < N; i++) {
            float h = fake_from_half(fake_to_half(x[i])), b = fake_from_bf16(fake_to_bf16(x[i]));

            assert_true(x[i] != x[i] ? h != h && b != b : h == half[i] && b == bf16[i]);
        }
    }
    assert_true(fake_to_tf32(1.0f + 0x1p-11f) == 1.0f && fake_to_tf32(1.0f + 0x1p-10f) > 1.0f);
    OK(cudaFree(dx));
    OK(cudaFree(dh));
    OK(cudaFree(db));
}

/* ---- streams ---- */

static void test_late(void **state)
{
    float *host = pinned(4 * sizeof(float)), got[4] = {0};
    float *x = device(4 * sizeof(float));
    cudaStream_t s = stream();
    cudaEvent_t v;
    long waits = fake_waits();

    (void)state;
    OK(cudaEventCreateWithFlags(&v, cudaEventDisableTiming));
    host[0] = 1;
    OK(cudaMemcpyAsync(x, host, 4, cudaMemcpyHostToDevice, s));
    OK(cudaEventRecord(v, s));
    OK(cudaMemcpyAsync(x + 1, host, 4, cudaMemcpyHostToDevice, s));
    FAILS(cudaStreamQuery(s), cudaErrorNotReady);
    FAILS(cudaEventQuery(v), cudaErrorNotReady);
    host[0] = 2; /* a mistake that must show */
    OK(cudaEventSynchronize(v));
    OK(cudaEventQuery(v));
    FAILS(cudaStreamQuery(s), cudaErrorNotReady);
    host[0] = 3;
    OK(cudaStreamSynchronize(s));
    assert_int_equal(fake_waits() - waits, 2);
    fetch(got, x, sizeof(got));
    assert_true(got[0] == 2 && got[1] == 3);
    assert_true(got[2] != got[2]); /* nobody wrote it */
    fake_eager(true);
    host[0] = 4;
    OK(cudaMemcpyAsync(x, host, 4, cudaMemcpyHostToDevice, s));
    OK(cudaEventRecord(v, s));
    host[0] = 5;
    OK(cudaEventQuery(v));
    OK(cudaStreamSynchronize(s));
    fetch(got, x, sizeof(got));
    assert_true(got[0] == 4);
    OK(cudaEventDestroy(v));
    OK(cudaStreamDestroy(s));
    OK(cudaFree(x));
    OK(cudaFreeHost(host));
    assert_int_equal(fake_complaints(), 0);
}

/* The default stream waits for streams that block, not for the others. */
static void test_default_stream(void **state)
{
    float *host = pinned(sizeof(float)), got[2];
    float *x = device(2 * sizeof(float));
    cudaStream_t own = stream(), blocking;

    (void)state;
    OK(cudaStreamCreate(&blocking));
    OK(cudaMemset(x, 0, 2 * sizeof(float)));
    *host = 1;
    OK(cudaMemcpyAsync(x, host, 4, cudaMemcpyHostToDevice, own));
    OK(cudaMemcpyAsync(x + 1, host, 4, cudaMemcpyHostToDevice, blocking));
    fetch(got, x, sizeof(got));
    assert_true(got[0] == 0 && got[1] == 1);
    OK(cudaStreamDestroy(own)); /* its work is done all the same */
    fetch(got, x, sizeof(got));
    assert_true(got[0] == 1);
    OK(cudaStreamDestroy(blocking));
    OK(cudaFree(x));
    OK(cudaFreeHost(host));
}

static void test_wait_event(void **state)
{
    float *host = pinned(2 * sizeof(float)), *x = device(sizeof(float));
    cudaStream_t a = stream(), b = stream();
    cudaEvent_t v, w;
    float ms = -1;

    (void)state;
    OK(cudaEventCreate(&v));
    OK(cudaEventCreate(&w));
    host[0] = 7;
    FAILS(cudaEventElapsedTime(&ms, v, w), cudaErrorInvalidResourceHandle);
    OK(cudaMemcpyAsync(x, host, 4, cudaMemcpyHostToDevice, a));
    OK(cudaEventRecord(v, a));
    OK(cudaStreamWaitEvent(b, v, 0));
    OK(cudaMemcpyAsync(host + 1, x, 4, cudaMemcpyDeviceToHost, b));
    OK(cudaEventRecord(w, b));
    FAILS(cudaEventElapsedTime(&ms, v, w), cudaErrorNotReady);
    OK(cudaStreamSynchronize(b));
    assert_true(host[1] == 7);
    OK(cudaEventElapsedTime(&ms, v, w));
    assert_true(ms > 0);
    OK(cudaEventDestroy(v));
    OK(cudaEventDestroy(w));
    OK(cudaStreamDestroy(a));
    OK(cudaStreamDestroy(b));
    OK(cudaFree(x));
    OK(cudaFreeHost(host));
}

/* ---- graphs ---- */

static void test_graph(void **state)
{
    float *host = pinned(4 * sizeof(float)), got[4];
    float *x = device(sizeof(got)), *y = device(sizeof(got)), *a = device(sizeof(float));
    cudaStream_t s = stream();
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    long launches = fake_launches(), graphs = fake_graph_launches();

    (void)state;
    for (int i = 0; i < 4; i++)
        host[i] = (float)i;
    OK(cudaMemsetAsync(y, 0, sizeof(got), s));
    OK(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal));
    OK(cudaMemcpyAsync(x, host, sizeof(got), cudaMemcpyHostToDevice, s));
    OK(t_axpy(x, y, a, 4, s));
    OK(cudaStreamEndCapture(s, &graph));
    OK(cudaGraphInstantiate(&exec, graph, 0));
    OK(cudaGraphDestroy(graph));
    OK(cudaStreamSynchronize(s));
    assert_int_equal(fake_launches(), launches); /* recorded, not done */
    /* What the device's memory holds at each launch is what counts. */
    for (int i = 1; i <= 3; i++) {
        float scale = (float)(10 * i);

        OK(cudaMemcpyAsync(a, &scale, sizeof(scale), cudaMemcpyHostToDevice, s));
        OK(cudaGraphLaunch(exec, s));
        OK(cudaStreamSynchronize(s));
        host[0]++;
    }
    OK(cudaMemcpyAsync(got, y, sizeof(got), cudaMemcpyDeviceToHost, s));
    assert_true(got[0] == 0 * 10 + 1 * 20 + 2 * 30);
    assert_true(got[3] == 3 * (10 + 20 + 30));
    assert_int_equal(fake_graph_launches() - graphs, 3);
    assert_int_equal(fake_launches() - launches, 3);
    OK(cudaGraphExecDestroy(exec));
    OK(cudaStreamDestroy(s));
    OK(cudaFree(x));
    OK(cudaFree(y));
    OK(cudaFree(a));
    OK(cudaFreeHost(host));
    assert_int_equal(fake_complaints(), 0);
}

struct other {
    cudaStream_t s;
    cudaError_t malloced, ended;
};

static void *other_thread(void *arg)
{
    struct other *o = arg;
    cudaGraph_t g;
    void *p = NULL;

    o->malloced = cudaMalloc(&p, 4);
    cudaFree(p);
    o->ended = cudaStreamEndCapture(o->s, &g);
    return NULL;
}

/* Whatever a capture forbids spoils it, and the stream can be used again after its end. */
static void test_capture_rules(void **state)
{
    float host = 1, *x = device(sizeof(host));
    cudaStream_t s = stream(), blocking;
    cudaEvent_t v;
    void *p = NULL;

    (void)state;
    OK(cudaEventCreate(&v));
    for (int rule = 0; rule < 9; rule++) {
        cudaGraph_t graph = (cudaGraph_t)&graph;
        struct other o = {.s = s};
        pthread_t id;

        OK(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal));
        switch (rule) {
        case 0:
            FAILS(cudaStreamSynchronize(s), cudaErrorStreamCaptureUnsupported);
            break;
        case 1:
            FAILS(cudaMalloc(&p, 4), cudaErrorStreamCaptureUnsupported);
            break;
        case 2:
            FAILS(cudaMemcpy(x, &host, 4, cudaMemcpyHostToDevice),
                  cudaErrorStreamCaptureUnsupported);
            break;
        case 3: /* the host's memory is not pinned */
            FAILS(cudaMemcpyAsync(x, &host, 4, cudaMemcpyHostToDevice, s),
                  cudaErrorStreamCaptureUnsupported);
            break;
        case 4:
            FAILS(cudaDeviceSynchronize(), cudaErrorStreamCaptureUnsupported);
            break;
        case 5: /* the event is a place in the graph */
            OK(cudaEventRecord(v, s));
            FAILS(cudaEventSynchronize(v), cudaErrorStreamCaptureUnsupported);
            break;
        case 6: /* another thread may do what it likes, but not end it */
            assert_int_equal(pthread_create(&id, NULL, other_thread, &o), 0);
            pthread_join(id, NULL);
            OK(o.malloced);
            FAILS(o.ended, cudaErrorStreamCaptureWrongThread);
            break;
        case 7:
            FAILS(cudaStreamQuery(s), cudaErrorStreamCaptureUnsupported);
            break;
        case 8:
            FAILS(cudaFree(x), cudaErrorStreamCaptureUnsupported);
            break;
        }
        FAILS(t_axpy(x, x, x, 1, s), cudaErrorStreamCaptureInvalidated);
        FAILS(cudaStreamEndCapture(s, &graph), cudaErrorStreamCaptureInvalidated);
        assert_null(graph);
        OK(t_axpy(x, x, x, 1, s));
        OK(cudaStreamSynchronize(s));
    }
    FAILS(cudaEventSynchronize(v), cudaErrorCapturedEvent);
    /* The default stream would have to be captured with a stream that blocks. */
    OK(cudaStreamCreate(&blocking));
    OK(cudaStreamBeginCapture(blocking, cudaStreamCaptureModeRelaxed));
    FAILS(t_axpy(x, x, x, 1, NULL), cudaErrorStreamCaptureImplicit);
    FAILS(cudaStreamEndCapture(blocking, &(cudaGraph_t){0}), cudaErrorStreamCaptureInvalidated);
    FAILS(cudaStreamBeginCapture(NULL, cudaStreamCaptureModeRelaxed),
          cudaErrorStreamCaptureUnsupported);
    OK(cudaStreamDestroy(blocking));
    OK(cudaEventDestroy(v));
    OK(cudaStreamDestroy(s));
    OK(cudaFree(x));
}

/* ---- misuse and failure ---- */

static void test_complaints(void **state)
{
    char *x = device(100), *host = pinned(100), *other = device(100);
    cudaStream_t s = stream(), elsewhere;

    (void)state;
    FAILS(cudaMemcpy(x, host, 101, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    assert_int_equal(fake_complaints(), 1);
    FAILS(cudaMemcpy(x, host, 1, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
    assert_int_equal(fake_complaints(), 1);
    FAILS(cudaMemset(host + 50, 0, 51), cudaErrorInvalidValue);
    assert_int_equal(fake_complaints(), 1);
    OK(cudaMemcpyAsync(x, host, 100, cudaMemcpyHostToDevice, s)); /* and then it is not there */
    OK(cudaFreeHost(host)); /* which waits, as it does on a device */
    OK(cudaStreamSynchronize(s));
    assert_int_equal(fake_complaints(), 0);
    OK(cudaMemcpyAsync(x, x + 50, 50, cudaMemcpyDeviceToDevice, s));
    OK(cudaStreamSynchronize(s));
    assert_int_equal(fake_complaints(), 0);
    OK(cudaMemcpyAsync(x, x + 40, 50, cudaMemcpyDeviceToDevice, s));
    OK(cudaStreamSynchronize(s));
    assert_int_equal(fake_complaints(), 1);
    FAILS(cudaMemcpy2DAsync(x, 4, other, 8, 8, 2, cudaMemcpyDeviceToDevice, s),
          cudaErrorInvalidPitchValue);
    OK(cudaMemcpy2DAsync(x, 50, other, 90, 10, 2, cudaMemcpyDeviceToDevice, s));
    FAILS(cudaMemcpy2DAsync(x, 50, other, 91, 10, 2, cudaMemcpyDeviceToDevice, s),
          cudaErrorInvalidValue);
    assert_int_equal(fake_complaints(), 1);
    /* A byte beyond the end that a kernel wrote is found when the memory is freed. */
    fake_device_begin();
    x[100] = 1;
    fake_device_end();
    OK(cudaFree(x));
    assert_int_equal(fake_complaints(), 1);
    FAILS(cudaFree(x), cudaErrorInvalidValue);
    assert_int_equal(fake_complaints(), 1);
    OK(cudaFree(other));
    fake_devices(2);
    OK(cudaSetDevice(1));
    OK(cudaStreamCreate(&elsewhere));
    OK(cudaSetDevice(0));
    FAILS(cudaSetDevice(2), cudaErrorInvalidDevice);
    FAILS(t_race(NULL, elsewhere), cudaErrorInvalidResourceHandle);
    assert_int_equal(fake_complaints(), 1);
    OK(cudaStreamDestroy(elsewhere));
    OK(cudaStreamDestroy(s));
    FAILS(cudaStreamDestroy(s), cudaErrorInvalidResourceHandle);
    assert_int_equal(fake_complaints(), 1);
}

static void test_memory(void **state)
{
    size_t free_bytes, total;
    void *p = NULL, *x;

    (void)state;
    fake_memory_total(1 << 20);
    x = device(1000);
    OK(cudaMemGetInfo(&free_bytes, &total));
    assert_true(total == 1 << 20 && free_bytes == (1 << 20) - 1024);
    FAILS(cudaMalloc(&p, 1 << 20), cudaErrorMemoryAllocation);
    OK(cudaFree(x));
    x = device(1 << 20);
    assert_true(fake_memory_peak() == 1 << 20 && fake_memory_used() == 1 << 20);
    OK(cudaFree(x));
    assert_true(fake_memory_used() == 0);
    fake_memory_total((size_t)4 << 30);
}

/* Memory, a stream, two copies and a wait: each call fails once, and then all from it on. */
static cudaError_t try_all(void)
{
    float host = 1, back = 0, *x = NULL;
    cudaStream_t s = NULL;
    cudaError_t e = cudaMalloc((void **)&x, 4);

    if (!e)
        e = cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);
    if (!e)
        e = cudaMemcpyAsync(x, &host, 4, cudaMemcpyHostToDevice, s);
    if (!e)
        e = (cudaError_t)t_axpy(x, x, x, 1, s);
    if (!e)
        e = cudaMemcpyAsync(&back, x, 4, cudaMemcpyDeviceToHost, s);
    if (!e)
        e = cudaStreamSynchronize(s);
    if (!e)
        assert_true(back == 2);
    if (s)
        OK(cudaStreamDestroy(s));
    if (x)
        OK(cudaFree(x));
    return e;
}

static void test_failing(void **state)
{
    static const char *const names[] = {"cudaMalloc",      "cudaStreamCreateWithFlags",
                                        "cudaMemcpyAsync", "axpy",
                                        "cudaMemcpyAsync", "cudaStreamSynchronize"};

    (void)state;
    fake_fail_at(0);
    OK(try_all());
    assert_int_equal(fake_calls(), 6);
    for (long n = 1; n <= 6; n++) {
        fake_fail_at(n);
        assert_int_not_equal(try_all(), cudaSuccess);
        assert_string_equal(fake_failed(), names[n - 1]);
        assert_int_not_equal(cudaGetLastError(), cudaSuccess);
        OK(cudaGetLastError());
        OK(try_all());
        fake_break_at(n);
        FAILS(try_all(), cudaErrorIllegalAddress);
        FAILS(try_all(), cudaErrorIllegalAddress);
        FAILS(cudaGetLastError(), cudaErrorIllegalAddress);
    }
    fake_fail_at(0);
    cudaGetLastError();
    OK(try_all());
    assert_int_equal(fake_complaints(), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_sums),       TEST(test_shuffles), TEST(test_indices),
        TEST(test_divergence), TEST(test_race),     TEST(test_shared_garbage),
        TEST(test_rounding),   TEST(test_late),     TEST(test_default_stream),
        TEST(test_wait_event), TEST(test_graph),    TEST(test_capture_rules),
        TEST(test_complaints), TEST(test_memory),   TEST(test_failing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
