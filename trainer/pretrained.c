#include "trainer/pretrained.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "trainer/session.h"
#include "trainer/trainer.h"

/* Names in a message. */
#define SHOWN 3

static bool same_shape(const struct kn_param *p, const struct st_tensor *t)
{
    bool same = t->n_dims == p->n_dims && t->dtype != ST_OTHER;

    for (int i = 0; same && i < p->n_dims; i++)
        same = t->dims[i] == p->dims[i];
    return same;
}

/* Under its own name, which is torchvision's, or the one that it has in timm. */
static const struct st_tensor *find(const struct st_file *f, const struct model_ops *model,
                                    const char *prefix, const char *name)
{
    char buf[2 * KN_NAME], other[KN_NAME];
    const struct st_tensor *t;

    snprintf(buf, sizeof(buf), "%s%s", prefix, name);
    t = st_find(f, buf);
    if (t || !model->timm_name || !model->timm_name(name, other))
        return t;
    snprintf(buf, sizeof(buf), "%s%s", prefix, other);
    return st_find(f, buf);
}

/* How many tensors of the backbone fit; into p->tensor. */
static int match(struct tr_pretrained *p, const struct model_ops *model, const struct kn_net *net,
                 const char *prefix)
{
    int head = kn_net_head(net), fit = 0;

    for (int i = 0; i < net->n_params; i++) {
        const struct st_tensor *t = find(&p->file, model, prefix, net->param[i].name);

        p->tensor[i] = t && same_shape(&net->param[i], t) ? t : NULL;
        fit += p->tensor[i] && net->param[i].op < head;
    }
    return fit;
}

static int nothing_fits(const struct tr_pretrained *p, const struct model_ops *model,
                        const struct kn_net *net, struct hpo_err *err)
{
    struct str theirs = {0}, ours = {0};

    for (int i = 0; i < p->file.n && i < SHOWN; i++)
        str_addf(&theirs, "%s'%.40s'", i ? ", " : "", p->file.tensor[i].name);
    for (int i = 0; i < net->n_params && i < SHOWN; i++)
        str_addf(&ours, "%s'%s'", i ? ", " : "", net->param[i].name);
    hpo_fail(err, HPO_ECONFIG,
             "%s: none of its %d tensors (%s ...) fits model %s, which begins with %s", p->path,
             p->file.n, str_c(&theirs), model->plugin.name, str_c(&ours));
    str_release(&theirs);
    str_release(&ours);
    return HPO_ECONFIG;
}

/* The path itself, or in a folder of weights the file of this type of model. */
static const char *file_of(const struct tr_config *c, struct arena *a)
{
    const char *path = c->model.pretrained;
    struct stat st;

    if (stat(path, &st) || !S_ISDIR(st.st_mode))
        return arena_strdup(a, path);
    return arena_printf(a, "%s/%s.safetensors", path, hpo_plugin_of(c->model.part.ops)->name);
}

static int open_file(struct tr_pretrained *p, const char *path, struct hpo_err *err)
{
    struct hpo_err why = {0};
    int rc = st_open(&p->file, path, &why);

    /* Its name and its content are the user's to put right. */
    if (rc == HPO_EFORMAT || rc == HPO_EMISSING)
        rc = HPO_ECONFIG;
    return rc ? hpo_fail(err, rc, "%s", why.msg) : 0;
}

int tr_pretrained_open(struct tr_pretrained *ret, const struct tr_config *c,
                       const struct kn_net *net, struct hpo_err *err)
{
    static const char *const prefixes[] = {"",           "module.",   "model.",
                                           "_orig_mod.", "backbone.", "module.model."};
    const struct model_ops *model = c->model.part.ops;
    struct tr_pretrained p = {.n_params = net->n_params};
    XXH128_canonical_t sum;
    struct arena a = {0};
    int rc, best = 0, which = 0;

    if (!c->model.pretrained)
        return 0;
    rc = open_file(&p, file_of(c, &a), err);
    if (!rc) {
        p.path = arena_strdup(&p.file.arena, file_of(c, &a));
        p.tensor = ARENA_ARRAY(&p.file.arena, const struct st_tensor *, net->n_params);
        for (size_t i = 0; i < HPO_LEN(prefixes); i++) {
            int fit = match(&p, model, net, prefixes[i]);

            which = fit > best ? (int)i : which;
            best = fit > best ? fit : best;
        }
        match(&p, model, net, prefixes[which]);
        /* A network of nothing but a head has no backbone to fill. */
        if (!best && net->param[0].op < kn_net_head(net))
            rc = nothing_fits(&p, model, net, err);
    }
    arena_release(&a);
    if (rc) {
        tr_pretrained_close(&p);
        return hpo_fail_at(err, "model.pretrained"), rc;
    }
    XXH128_canonicalFromHash(&sum, XXH3_128bits(p.file.map.p, p.file.map.n));
    memcpy(p.digest, sum.digest, sizeof(p.digest));
    *ret = p;
    return 0;
}

void tr_pretrained_close(struct tr_pretrained *p)
{
    st_close(&p->file);
    *p = (struct tr_pretrained){0};
}

void tr_pretrained_load(const struct tr_pretrained *p, const struct kn_net *net,
                        struct kn_state *state)
{
    for (int i = 0; i < p->n_params; i++) {
        const struct kn_param *q = &net->param[i];

        if (p->tensor[i])
            st_read(p->tensor[i], (q->trained ? state->weights : state->buffers) + q->offset);
    }
}

/* ---------------------------------------------------------------- for people */

static void add_missing(const struct tr_pretrained *p, const struct kn_net *net, struct str *ret)
{
    int missing = 0, head = kn_net_head(net);

    for (int i = 0; i < net->n_params; i++) {
        if (p->tensor[i] || net->param[i].op >= head)
            continue;
        if (missing++ < SHOWN)
            str_addf(ret, "%s%s",
                     missing > 1 ? ", " : "; not in it, or of another shape: ", net->param[i].name);
    }
    if (missing > SHOWN)
        str_addf(ret, " and %d more", missing - SHOWN);
    if (missing)
        str_add(ret, missing > 1 ? ", which begin at random" : ", which begins at random");
}

/* A file that holds more than the network is, as a rule, another network's. Counters of batches are
 * no weights, and a head of another shape or name is what was to be expected. */
static void add_unused(const struct tr_pretrained *p, bool head_taken, struct str *ret)
{
    int unused = 0, expected = head_taken ? 0 : 2;
    size_t at = ret->n;

    for (int i = 0; i < p->file.n; i++) {
        const struct st_tensor *t = &p->file.tensor[i];
        bool used = t->dtype == ST_OTHER;

        for (int k = 0; k < p->n_params && !used; k++)
            used = p->tensor[k] == t;
        if (!used && unused++ < SHOWN)
            str_addf(ret, "%s%.60s",
                     unused > 1 ? ", " : "; of the file's are not in the network: ", t->name);
    }
    if (unused > SHOWN)
        str_addf(ret, " and %d more", unused - SHOWN);
    if (unused <= expected) { /* the other head */
        ret->n = at;
        ret->s[at] = 0;
    }
}

int tr_pretrained_report(const struct tr_config *c, const struct tr_dataset *data, struct str *ret,
                         bool *ret_whole, struct hpo_err *err)
{
    struct tr_pretrained p = {0};
    struct kn_net net = {0};
    int rc = tr_build_net(c, &data->images, &net, err), head, taken = 0, all = 0;
    bool whole = true, head_taken = true;

    if (!rc)
        rc = tr_pretrained_open(&p, c, &net, err);
    if (!rc && p.path) {
        head = kn_net_head(&net);
        for (int i = 0; i < net.n_params; i++) {
            all += net.param[i].op < head;
            taken += net.param[i].op < head && p.tensor[i];
        }
        whole = taken == all;
        str_addf(ret, "%d of %d tensors from %s", taken, all, p.path);
        add_missing(&p, &net, ret);
        for (int i = 0; i < net.n_params; i++)
            head_taken = head_taken && (net.param[i].op != head || p.tensor[i]);
        add_unused(&p, head_taken, ret);
        if (!head_taken)
            str_addf(ret, "; the last layer, %s, begins at random", net.op[head].name);
    }
    if (!rc)
        *ret_whole = whole;
    tr_pretrained_close(&p);
    kn_net_release(&net);
    return rc;
}

/* Contents of one file, or in a folder of those that models would be looked up as. */
static int add_file(XXH3_state_t *state, const char *path, bool optional, struct hpo_err *err)
{
    struct file_map map = {0};
    int rc = file_map_open(&map, path, err);

    if (rc)
        return optional && rc == HPO_EMISSING ? 0 : rc;
    XXH3_128bits_update(state, map.p, map.n);
    file_map_close(&map);
    return 0;
}

int tr_pretrained_digest(const char *path, char ret[33], struct hpo_err *err)
{
    XXH3_state_t *state = XXH3_createState();
    struct arena a = {0};
    struct stat st;
    XXH128_canonical_t sum;
    int rc = 0;

    XXH3_128bits_reset(state);
    if (stat(path, &st) || !S_ISDIR(st.st_mode)) {
        rc = add_file(state, path, false, err);
    } else {
        for (int i = 0; model_registry[i] && !rc; i++)
            rc = add_file(
                state, arena_printf(&a, "%s/%s.safetensors", path, model_registry[i]->plugin.name),
                true, err);
    }
    XXH128_canonicalFromHash(&sum, XXH3_128bits_digest(state));
    for (int i = 0; i < 16 && !rc; i++)
        snprintf(ret + 2 * i, 3, "%02x", sum.digest[i]);
    XXH3_freeState(state);
    arena_release(&a);
    return rc;
}
