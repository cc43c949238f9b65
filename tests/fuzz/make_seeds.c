/* make_seeds DIR: seed corpora for the fuzz targets of the data pipeline, in DIR/image,
 * DIR/manifest, DIR/cache and DIR/oof. Made when they are needed instead of being kept as files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include <png.h>

#include "base/arena.h"
#include "base/file.h"
#include "trainer/data/pack.h"
#include "trainer/oof_file.h"

static const char *dir;

static void die(const char *what)
{
    fprintf(stderr, "make_seeds: %s\n", what);
    exit(1);
}

static void put(const char *folder, const char *name, const void *bytes, size_t n)
{
    struct arena a = {0};
    struct hpo_err err;

    if (file_mkdirs(arena_printf(&a, "%s/%s", dir, folder), &err) ||
        file_replace(arena_printf(&a, "%s/%s/%s", dir, folder, name), bytes, n, &err))
        die(err.msg);
    arena_release(&a);
}

static void jpegs(const uint8_t *p)
{
    static const struct {
        const char *name;
        int format, subsampling, flags;
    } kind[] = {{"rgb.jpg", TJPF_RGB, TJSAMP_420, 0},
                {"gray.jpg", TJPF_GRAY, TJSAMP_GRAY, 0},
                {"progressive.jpg", TJPF_RGB, TJSAMP_444, TJFLAG_PROGRESSIVE},
                {"cmyk.jpg", TJPF_CMYK, TJSAMP_444, 0}};
    static const uint8_t exif[] = {0xff, 0xe1, 0, 34, 'E', 'x', 'i', 'f', 0,    0, 'I', 'I',
                                   '*',  0,    8, 0,  0,   0,   1,   0,   0x12, 1, 3,   0,
                                   1,    0,    0, 0,  6,   0,   0,   0,   0,    0, 0,   0};
    tjhandle tj = tjInitCompress();

    for (size_t k = 0; k < HPO_LEN(kind); k++) {
        unsigned char *jpeg = NULL, *turned;
        unsigned long n = 0;

        if (tjCompress2(tj, p, 33, 0, 21, kind[k].format, &jpeg, &n, kind[k].subsampling, 60,
                        kind[k].flags))
            die(tjGetErrorStr2(tj));
        put("image", kind[k].name, jpeg, n);
        turned = xmalloc(n + sizeof(exif));
        memcpy(turned, jpeg, 2);
        memcpy(turned + 2, exif, sizeof(exif));
        memcpy(turned + 2 + sizeof(exif), jpeg + 2, n - 2);
        if (k == 0)
            put("image", "turned.jpg", turned, n + sizeof(exif));
        free(turned);
        tjFree(jpeg);
    }
    tjDestroy(tj);
}

static void pngs(const uint8_t *p)
{
    static const struct {
        const char *name;
        png_uint_32 format;
    } kind[] = {{"rgb.png", PNG_FORMAT_RGB},          {"rgba.png", PNG_FORMAT_RGBA},
                {"gray.png", PNG_FORMAT_GRAY},        {"ga.png", PNG_FORMAT_GA},
                {"rgb16.png", PNG_FORMAT_LINEAR_RGB}, {"palette.png", PNG_FORMAT_RGB_COLORMAP}};

    for (size_t k = 0; k < HPO_LEN(kind); k++) {
        png_image image = {.version = PNG_IMAGE_VERSION,
                           .width = 13,
                           .height = 9,
                           .format = kind[k].format,
                           .colormap_entries = 256};
        png_alloc_size_t n = 1 << 16;
        uint8_t *out = xmalloc(n);

        if (!png_image_write_to_memory(&image, out, &n, 0, p, 0, p))
            die(image.message);
        put("image", kind[k].name, out, n);
        free(out);
    }
}

static void manifests(void)
{
    static const char *const text[] = {
        "path,label\na/1.jpg,cat\nb/2.jpg,dog\n",
        "\xef\xbb\xbfgroup,\"path\",label\r\np1,\"a,\"\"b\"\".jpg\",\"two\nlines\"\r\n\r\n",
        "path,label\n1.jpg,10\n2.jpg,-9\n",
        "label,path,fold,group,h,w,y,x\na,1.jpg,0,p,5,5,0,0\nb,1.jpg,-1,q,5,5,0,1\nb,2.jpg,,q,,,,\n",
        "path,label,fold,x,y,w,h\na,1,64,-1,2,0,9\nb,2,x,1,2,3\nc,1,2,1.5,,,\n",
        "path,label,group\n../x,1,2\n/x,1,2\nx,,\n\"x\"y,1,2\nx,1\n",
    };

    for (size_t i = 0; i < HPO_LEN(text); i++) {
        char name[32];

        snprintf(name, sizeof(name), "%zu.csv", i);
        put("manifest", name, text[i], strlen(text[i]));
    }
}

static void safetensors(void)
{
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"a.weight\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
        "\"b\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[8,16]},"
        "\"c\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[16,22]},"
        "\"d\":{\"dtype\":\"F16\",\"shape\":[0],\"data_offsets\":[22,22]}}";
    uint8_t file[8 + sizeof(header) - 1 + 22] = {0};

    for (int i = 0; i < 8; i++)
        file[i] = (uint8_t)((sizeof(header) - 1) >> 8 * i);
    memcpy(file + 8, header, sizeof(header) - 1);
    put("safetensors", "0.safetensors", file, sizeof(file));
    put("safetensors", "1.safetensors", file, sizeof(file) - 3);
}

static void packs(const uint8_t *pixels)
{
    static const int32_t labels[3] = {0, 1, 1}, groups[3] = {0, 1, 0};
    static const uint64_t sums[18];
    static const struct pack_bad bad[2] = {{1, "is empty"}, {3, "is cut off"}};
    struct arena a = {0};
    struct hpo_err err;

    for (int k = 0; k < 4; k++) {
        struct pack p = {.n = 3,
                         .n_bad = k & 1 ? 2 : 0,
                         .size = 4,
                         .classes = 2,
                         .labels = labels,
                         .groups = k & 2 ? groups : NULL,
                         .sums = sums,
                         .bad = bad};
        const char *path = arena_printf(&a, "%s/cache/%d.pack", dir, k);
        struct pack_writer w;

        if (file_mkdirs(arena_printf(&a, "%s/cache", dir), &err) ||
            pack_create(&w, path, 3, 4, &err))
            die(err.msg);
        memcpy(w.pixels, pixels, 3 * 4 * 4 * 3);
        p.pixels = w.pixels;
        if (pack_commit(&w, &p, path, &err))
            die(err.msg);
    }
    arena_release(&a);
}

static void predictions(void)
{
    static const int32_t labels[70], index[2] = {3, 69};
    static const int classes[] = {3, OOF_DENSE + 3};
    static const char list[] = "images\t1\tdigest\t2\t2\nclass\tcat\nclass\ta\\tb\n0\tx/1.jpg\n1\ty\n";

    for (int k = 0; k < 2; k++) {
        struct oof_shape s = {.digest = "digest", .n = 70, .classes = classes[k]};
        size_t n = oof_part_bytes(&s, 2);
        float probs[2 * (OOF_DENSE + 3)] = {0};
        uint8_t *bytes = xmalloc(n);

        probs[1] = probs[classes[k] + 2] = 0.75f;
        probs[0] = probs[classes[k]] = 0.25f;
        oof_part_encode(&s, labels, 1, 2, index, 2, probs, bytes);
        put("oof", k ? "sparse.oof" : "dense.oof", bytes, n);
        free(bytes);
    }
    put("oof", "images.tsv", list, sizeof(list) - 1);
}

int main(int argc, char **argv)
{
    uint8_t *p = xmalloc(40 * 40 * 8);

    if (argc != 2)
        die("which folder?");
    dir = argv[1];
    for (int i = 0; i < 40 * 40 * 8; i++)
        p[i] = (uint8_t)(i * 7 + i / 120 * 31);
    jpegs(p);
    pngs(p);
    manifests();
    safetensors();
    packs(p);
    predictions();
    free(p);
    return 0;
}
