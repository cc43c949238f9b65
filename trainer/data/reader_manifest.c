/* A CSV manifest: path,label[,group][,fold][,x,y,w,h]; see manifest.h. */
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "trainer/data/manifest.h"

static bool manifest_accepts(const char *path)
{
    size_t n = strlen(path);

    return n >= 4 && !strcasecmp(path + n - 4, ".csv") && !file_is_dir(path);
}

static int manifest_list(const char *path, struct tr_list *ret, struct hpo_err *err)
{
    char *text = NULL, *copy;
    size_t n = 0;
    int rc = file_read(path, TR_MANIFEST_MAX_BYTES, &text, &n, err);

    if (rc)
        return rc;
    copy = xstrdup(path);
    rc = tr_manifest_parse(text, n, path, dirname(copy), ret, err);
    free(copy);
    free(text);
    return rc;
}

const struct reader_ops reader_manifest = {
    .plugin = {.name = "manifest", .help = "a .csv manifest: path,label[,group][,fold][,x,y,w,h]"},
    .accepts = manifest_accepts,
    .list = manifest_list,
};
