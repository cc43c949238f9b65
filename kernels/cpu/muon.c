/* Muon's orthogonalisation: Newton-Schulz iterations towards U V^T of a matrix U S V^T (Jordan et
 * al. 2024). A weight (o, i, k, k) is the matrix (o, i k k). In fp32, where PyTorch works in
 * bfloat16: the iterations are meant to need few digits. */
#include <math.h>
#include <string.h>

#include "kernels/cpu/plan.h"

struct matrix {
    int rows, cols; /* whole blocks */
    float *x, *y, *gram, *update;
};

static size_t align(size_t floats)
{
    return kn_align_up(floats * sizeof(float), 64) / sizeof(float);
}

/* The matrix twice, and what is squared: of the shorter side. Scratch of the reorders comes after.
 */
static size_t floats_of(const struct dn_shape *s, size_t *ret_short)
{
    size_t rows = (size_t)s->oc, taps = s->kernel ? (size_t)s->kernel * (size_t)s->kernel : 1;
    size_t cols = (s->depthwise ? 1 : (size_t)s->ic) * taps;

    *ret_short = rows < cols ? rows : cols;
    return rows * cols;
}

size_t cpu_muon_bytes(const struct cpu_plan *p)
{
    size_t bytes = 0;

    for (int i = 0; i < p->n_convs && p->base.optim == KN_MUON; i++) {
        const struct cpu_conv *c = &p->conv[i];
        size_t scratch = c->pack.scratch > c->unpack.scratch ? c->pack.scratch : c->unpack.scratch;
        size_t side, n = floats_of(&c->shape, &side);
        size_t need = sizeof(float) * (2 * align(n) + 2 * align(side * side)) + scratch;

        bytes = need > bytes ? need : bytes;
    }
    return bytes;
}

/* c = a b (or a b^T, a^T b) * alpha + c * beta, row-major. */
static int multiply(char ta, char tb, int m, int n, int k, float alpha, const float *a, int lda,
                    const float *b, int ldb, float beta, float *c, struct hpo_err *err)
{
    dnnl_status_t st = dnnl_sgemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, n);

    return st == dnnl_success ? HPO_OK : dn_fail(err, st, "a matrix product");
}

static void normalise(struct matrix *m)
{
    size_t n = (size_t)m->rows * (size_t)m->cols;
    double sum = 0;
    float f;

    for (size_t i = 0; i < n; i++)
        sum += (double)m->x[i] * (double)m->x[i];
    f = (float)(1.0 / fmax(sqrt(sum), 1e-7));
    for (size_t i = 0; i < n; i++)
        m->x[i] *= f;
}

/* A = X X^T of the shorter side, B = b A + c A A, X = a X + B X (or X B). */
static int iterate(struct matrix *m, struct hpo_err *err)
{
    bool wide = m->rows <= m->cols;
    int s = wide ? m->rows : m->cols, l = wide ? m->cols : m->rows;
    float *old = m->x;
    int rc = wide ? multiply('N', 'T', s, s, l, 1, m->x, l, m->x, l, 0, m->gram, err)
                  : multiply('T', 'N', s, s, l, 1, m->x, s, m->x, s, 0, m->gram, err);

    memcpy(m->update, m->gram, sizeof(float) * (size_t)s * (size_t)s);
    if (!rc)
        rc = multiply('N', 'N', s, s, s, KN_MUON_C, m->gram, s, m->gram, s, KN_MUON_B, m->update,
                      err);
    memcpy(m->y, m->x, sizeof(float) * (size_t)s * (size_t)l);
    if (!rc)
        rc = wide ? multiply('N', 'N', s, l, s, 1, m->update, s, m->x, l, KN_MUON_A, m->y, err)
                  : multiply('N', 'N', l, s, s, 1, m->x, s, m->update, s, KN_MUON_A, m->y, err);
    m->x = m->y;
    m->y = old;
    return rc;
}

int cpu_orthogonalize(struct cpu_runner *r, int param, float *matrix, int steps,
                      struct hpo_err *err)
{
    int which = r->p->param[param].conv, rc;
    const struct cpu_conv *c = &r->p->conv[which];
    const struct cpu_calls *calls = &r->calls[which];
    float *arena = (float *)r->arena; /* the step's activations are not needed any more */
    size_t side, n = floats_of(&c->shape, &side);
    struct matrix m = {.rows = c->shape.oc,
                       .cols = (int)(n / (size_t)c->shape.oc),
                       .x = arena,
                       .y = arena + align(n),
                       .gram = arena + 2 * align(n),
                       .update = arena + 2 * align(n) + align(side * side)};
    void *scratch = arena + 2 * align(n) + 2 * align(side * side);

    rc = dn_run_reorder(&c->unpack, &calls->unpack, r->stream, matrix, m.x, scratch, err);
    if (!rc)
        normalise(&m);
    for (int i = 0; i < steps && !rc; i++)
        rc = iterate(&m, err);
    return rc ? rc : dn_run_reorder(&c->pack, &calls->pack, r->stream, m.x, matrix, scratch, err);
}
