/* hpo data synth | info | pack | preview: data sets. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "hpo/cli/args.h"
#include "hpo/cli/command.h"
#include "hpo/cli/data_preview.h"
#include "hpo/cli/data_print.h"
#include "trainer/data/synth.h"

struct data_args {
    int classes, images, size, seed, limit;
    double noise;
    const char *cache;
    bool skip, stretch, json;
    struct preview_args preview;
};

static const struct arg synth_table[] = {
    {"--classes", ARG_INT, offsetof(struct data_args, classes)},
    {"--images", ARG_INT, offsetof(struct data_args, images)},
    {"--size", ARG_INT, offsetof(struct data_args, size)},
    {"--seed", ARG_INT, offsetof(struct data_args, seed)},
    {"--noise", ARG_REAL, offsetof(struct data_args, noise)},
    {NULL, ARG_FLAG, 0},
};

static const struct arg open_table[] = {
    {"--size", ARG_INT, offsetof(struct data_args, size)},
    {"--limit", ARG_INT, offsetof(struct data_args, limit)},
    {"--seed", ARG_INT, offsetof(struct data_args, seed)},
    {"--cache", ARG_TEXT, offsetof(struct data_args, cache)},
    {"--skip", ARG_FLAG, offsetof(struct data_args, skip)},
    {"--stretch", ARG_FLAG, offsetof(struct data_args, stretch)},
    {"--json", ARG_FLAG, offsetof(struct data_args, json)},
    {NULL, ARG_FLAG, 0},
};

static int synth(const struct data_args *a, const char *dir, struct hpo_err *err)
{
    struct tr_synth_spec spec = {a->classes, a->images, a->size, a->noise, (uint64_t)a->seed};
    int rc;

    if (a->classes < 2 || a->classes > 10)
        return hpo_fail(err, HPO_ECONFIG, "data synth: --classes is from 2 to 10");
    if (a->images < 1 || a->images > 100000)
        return hpo_fail(err, HPO_ECONFIG, "data synth: --images (of a class) is from 1 to 100000");
    if (a->size < 8 || a->size > 1024)
        return hpo_fail(err, HPO_ECONFIG, "data synth: --size is from 8 to 1024 pixels");
    if (!(a->noise >= 0 && a->noise <= 1))
        return hpo_fail(err, HPO_ECONFIG, "data synth: --noise is from 0 to 1");
    rc = tr_synth(dir, &spec, err);
    if (!rc)
        printf("%s: %d classes of %d JPEG images, %d x %d pixels\n", dir, a->classes, a->images,
               a->size, a->size);
    return rc;
}

static int open_data(const struct data_args *a, const char *path, struct tr_dataset *ret,
                     struct hpo_err *err)
{
    struct tr_data_spec spec = {
        .path = path,
        .cache = a->cache,
        .image_size = a->size,
        .limit = a->limit,
        .seed = (uint64_t)a->seed,
        .resize = a->stretch ? TR_RESIZE_STRETCH : TR_RESIZE_CROP,
        .on_error = a->skip ? TR_ON_ERROR_SKIP : TR_ON_ERROR_FAIL,
    };

    if (a->size < 8 || a->size > 1024)
        return hpo_fail(err, HPO_ECONFIG, "data: --size is from 8 to 1024 pixels");
    return tr_dataset_open(ret, &spec, NULL, NULL, err);
}

static int info(const struct data_args *a, const char *path, struct hpo_err *err)
{
    struct tr_dataset d = {0};
    struct str text = {0};
    int rc = open_data(a, path, &d, err);

    if (!rc && a->json) {
        cJSON *j = data_json(&d, NULL);

        json_write(j, &text);
        str_addc(&text, '\n');
        cJSON_Delete(j);
    } else if (!rc) {
        data_print(&d, NULL, &text);
    }
    fputs(str_c(&text), stdout);
    str_release(&text);
    tr_dataset_close(&d);
    return rc;
}

static int pack(const struct data_args *a, const char *path, struct hpo_err *err)
{
    struct tr_dataset d = {0};
    int rc = open_data(a, path, &d, err);

    if (!rc && d.decoded)
        printf("%" PRId64 " images decoded in %.2f s (%.0f a second) into %s\n", d.decoded,
               d.decode_seconds, (double)d.decoded / d.decode_seconds, d.cache_file);
    else if (!rc)
        printf("%" PRId64 " images are in the cache already: %s\n", d.images.n, d.cache_file);
    tr_dataset_close(&d);
    return rc;
}

static const struct arg preview_table[] = {
    {"--set", ARG_TEXTS, offsetof(struct data_args, preview.sets)},
    {"--dir", ARG_TEXT, offsetof(struct data_args, preview.runs)},
    {"--out", ARG_TEXT, offsetof(struct data_args, preview.out)},
    {"--fold", ARG_INT, offsetof(struct data_args, preview.fold)},
    {"--epochs", ARG_INT, offsetof(struct data_args, preview.epochs)},
    {"--images", ARG_INT, offsetof(struct data_args, preview.images)},
    {NULL, ARG_FLAG, 0},
};

static int preview(const struct data_args *a, const char *study, struct hpo_err *err)
{
    return data_preview(&a->preview, study, err);
}

struct verb {
    const char *name;
    const struct arg *table;
    int (*run)(const struct data_args *a, const char *path, struct hpo_err *err);
};

static const struct verb verbs[] = {
    {"synth", synth_table, synth}, {"info", open_table, info}, {"pack", open_table, pack},
    {"preview", preview_table, preview}};

static int run(int argc, char **argv, struct hpo_err *err)
{
    struct data_args a = {.classes = 4, .images = 250, .size = 32, .noise = 0.3,
                          .preview = {.epochs = 6, .images = 10}};
    const struct verb *v = NULL;
    const char **rest;
    char name[32];
    int n, rc;

    for (size_t i = 0; argc > 1 && i < HPO_LEN(verbs); i++)
        if (!strcmp(argv[1], verbs[i].name))
            v = &verbs[i];
    if (!v) {
        hpo_fail(err, HPO_ECONFIG,
                 argc > 1 ? "data: unknown word '%s': synth, info, pack or preview (hpo data --help)"
                          : "data: synth, info, pack or preview? (hpo data --help)%s",
                 argc > 1 ? argv[1] : "");
        return EXIT_MISTAKE;
    }
    rest = xcalloc((size_t)argc, sizeof(*rest));
    snprintf(name, sizeof(name), "data %s", v->name); /* what messages call it */
    argv[1] = name;
    rc = args_parse(v->table, &a, argc - 1, argv + 1, 1, rest, &n, err);
    if (!rc && n != 1)
        rc = hpo_fail(err, HPO_ECONFIG, "data %s: which %s?", v->name,
                      v->run == synth     ? "folder"
                      : v->run == preview ? "study"
                                          : "folder or manifest");
    if (!rc)
        rc = v->run(&a, rest[0], err);
    free(rest);
    return !rc ? EXIT_DONE : rc == HPO_ECONFIG || rc == HPO_EMISSING ? EXIT_MISTAKE : EXIT_FAILED;
}

const struct command_ops command_data = {
    .plugin = {.name = "data", .help = "Make a small data set, look at one, pack one; what a network sees of one."},
    .usage = "data synth DIR [--classes N] [--images N] [--size PIXELS] [--noise X] [--seed N]\n"
             "       hpo data info PATH [--size PIXELS] [--limit N] [--skip] [--stretch] [--json]\n"
             "       hpo data pack PATH [--size PIXELS] [--limit N] [--skip] [--stretch]\n"
             "       info and pack also: [--seed N] [--cache DIR]\n"
             "       hpo data preview STUDY [--out FILE.png] [--images N] [--epochs N] [--fold N]\n"
             "                              [--set KEY=VALUE]... [--dir DIR]\n\n"
             "  synth   draw a set of labelled JPEGs: 4 classes of 250 images, 32 x 32 pixels\n"
             "  info    classes, counts, mean and deviation, images that cannot be used\n"
             "  pack    decode now, so that a study starts at once\n"
             "  preview a sheet of training images as the network sees them, augmented and mixed:\n"
             "          a column an image (10), a row an epoch (6), into NAME-preview.png\n"
             "  PATH    a folder with a folder a class, or a CSV manifest:\n"
             "          path,label[,group][,fold][,x,y,w,h]\n"
             "  --size PIXELS  of a square's side (32), --limit N  a stratified subset of N images\n"
             "  --seed N   what synth draws, or --limit picks (0)\n"
             "  --skip     leave out images that cannot be read, instead of failing\n"
             "  --stretch  squash to a square, instead of cutting its middle out\n"
             "  --cache DIR  where decoded sets are kept\n",
    .main = run,
};
