/* A sequence of launches as a CUDA graph: recorded once, then started with a single call. Where it
 * cannot be recorded it is launched piece by piece, with the same results. */
#include "kernels/cuda/plan.h"

/* Thread-local: what other threads do to the device meanwhile (another trial's cudaMalloc) neither
 * is recorded nor spoils the recording. */
static cudaGraphExec_t record(struct cu_plan *p, cu_launch_fn *fn)
{
    cudaGraph_t graph = NULL;
    cudaGraphExec_t exec = NULL;
    struct hpo_err err;
    bool ok;

    if (cudaStreamBeginCapture(p->stream, cudaStreamCaptureModeThreadLocal) != cudaSuccess)
        return NULL;
    ok = !fn(p, &err);
    /* Must be ended in any case, or the stream stays unusable. */
    ok = cudaStreamEndCapture(p->stream, &graph) == cudaSuccess && graph && ok;
    if (ok && cudaGraphInstantiate(&exec, graph, 0) != cudaSuccess)
        exec = NULL;
    if (graph)
        cudaGraphDestroy(graph);
    return exec;
}

int cu_graph_run(struct cu_plan *p, struct cu_graph *g, cu_launch_fn *fn, struct hpo_err *err)
{
    int rc;

    if (p->graphs && g->warm && !g->off && !g->exec) {
        g->exec = record(p, fn);
        g->off = !g->exec;
        if (g->off)
            cudaGetLastError(); /* that it failed is known; nothing was launched */
    }
    if (g->exec)
        return cu_check(cudaGraphLaunch(g->exec, p->stream), "a step", err);
    rc = fn(p, err);
    g->warm = !rc;
    return rc;
}

void cu_graph_release(struct cu_graph *g)
{
    if (g->exec)
        cudaGraphExecDestroy(g->exec);
    *g = (struct cu_graph){0};
}
