#include "trainer/data/synth.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/rng.h"

#define QUALITY 90
#define FINE 3 /* samples a pixel, along each side */
#define MAX_SIZE 1024

/* Is the point of the shape? Coordinates of the shape: its extent is about [-1, 1]. */
typedef bool shape_fn(double x, double y);

static bool circle(double x, double y)
{
    return x * x + y * y < 0.85;
}

static bool square(double x, double y)
{
    return fabs(x) < 0.8 && fabs(y) < 0.8;
}

static bool triangle(double x, double y)
{
    return y < 0.75 && y > 1.9 * fabs(x) - 0.95;
}

static bool cross(double x, double y)
{
    return (fabs(x) < 0.28 && fabs(y) < 0.95) || (fabs(y) < 0.28 && fabs(x) < 0.95);
}

static bool ring(double x, double y)
{
    double r = x * x + y * y;

    return r < 0.9 && r > 0.35;
}

static bool stripes(double x, double y)
{
    return fabs(x) < 0.95 && fabs(y) < 0.95 && fmod(y + 8.0, 0.633) < 0.317;
}

static bool checker(double x, double y)
{
    return fabs(x) < 0.95 && fabs(y) < 0.95 &&
           (((int)floor((x + 0.95) / 0.475) + (int)floor((y + 0.95) / 0.475)) & 1);
}

static bool star(double x, double y)
{
    double angle = atan2(x, -y) * 5 / 6.283185307179586, r = sqrt(x * x + y * y);

    return r < 0.4 + 0.6 * fabs(2 * (angle - floor(angle)) - 1);
}

static bool diamond(double x, double y)
{
    return fabs(x) * 1.5 + fabs(y) < 1;
}

static bool dots(double x, double y)
{
    double u = fabs(x) - 0.5, v = fabs(y) - 0.5;

    return u * u + v * v < 0.09;
}

static const struct {
    const char *name;
    shape_fn *inside;
} shapes[] = {
    {"circle", circle},   {"cross", cross}, {"stripes", stripes}, {"triangle", triangle},
    {"square", square},   {"ring", ring},   {"checker", checker}, {"star", star},
    {"diamond", diamond}, {"dots", dots},
};

/* One picture's draws, in this order. */
struct scene {
    shape_fn *inside;
    double x, y, scale, cos_a, sin_a; /* where the shape is, in units of the picture */
    double back[3], fore[3];          /* 0 .. 255 */
    double slope[2];                  /* the light falls from one side */
    double noise;                     /* deviation of each byte */
};

static double between(struct hpo_rng *r, double low, double high)
{
    return low + (high - low) * hpo_rng_uniform(r);
}

/* Colours say nothing of the class; shape and ground differ in lightness, less so with noise. */
static struct scene draw_scene(struct hpo_rng *r, shape_fn *inside, double noise)
{
    double angle = between(r, -1, 1) * (0.15 + 0.35 * noise), contrast, sign;
    struct scene s = {.inside = inside};

    s.scale = between(r, 0.42 - 0.14 * noise, 0.42);
    s.x = 0.5 + between(r, -1, 1) * (0.04 + 0.14 * noise);
    s.y = 0.5 + between(r, -1, 1) * (0.04 + 0.14 * noise);
    s.cos_a = cos(angle);
    s.sin_a = sin(angle);
    sign = hpo_rng_uniform(r) < 0.5 ? -1 : 1;
    contrast = between(r, 80 - 45 * noise, 120 - 45 * noise);
    for (int c = 0; c < 3; c++) {
        double middle = between(r, 95, 160);

        s.back[c] = middle - sign * contrast / 2 + between(r, -25, 25);
        s.fore[c] = middle + sign * contrast / 2 + between(r, -25, 25);
    }
    s.slope[0] = between(r, -1, 1) * 40 * noise;
    s.slope[1] = between(r, -1, 1) * 40 * noise;
    s.noise = 6 + 54 * noise;
    return s;
}

/* The share of the pixel that the shape covers. */
static double cover(const struct scene *s, int size, int px, int py)
{
    int hits = 0;

    for (int i = 0; i < FINE * FINE; i++) {
        double x = (px + (i % FINE + 0.5) / FINE) / size - s->x;
        double y = (py + (i / FINE + 0.5) / FINE) / size - s->y;

        hits += s->inside((x * s->cos_a + y * s->sin_a) / s->scale,
                          (y * s->cos_a - x * s->sin_a) / s->scale);
    }
    return (double)hits / (FINE * FINE);
}

static void paint(const struct scene *s, struct hpo_rng *r, int size, uint8_t *to)
{
    for (int py = 0; py < size; py++) {
        for (int px = 0; px < size; px++) {
            double share = cover(s, size, px, py);
            double light =
                s->slope[0] * ((px + 0.5) / size - 0.5) + s->slope[1] * ((py + 0.5) / size - 0.5);

            for (int c = 0; c < 3; c++) {
                double v = s->back[c] + share * (s->fore[c] - s->back[c]) + light +
                           s->noise * hpo_rng_normal(r);

                *to++ = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v + 0.5);
            }
        }
    }
}

static int write_jpeg(tjhandle tj, const uint8_t *pixels, int size, const char *path,
                      struct hpo_err *err)
{
    unsigned char *jpeg = NULL;
    unsigned long n = 0;
    int fd = -1, rc = 0;

    if (tjCompress2(tj, pixels, size, 0, size, TJPF_RGB, &jpeg, &n, TJSAMP_420, QUALITY,
                    TJFLAG_ACCURATEDCT))
        rc = hpo_fail(err, HPO_EIO, "%s: %s", path, tjGetErrorStr2(tj));
    if (!rc)
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (!rc && fd < 0)
        rc = hpo_fail(err, HPO_EIO, "%s: %s", path, strerror(errno));
    if (!rc)
        rc = file_write_all(fd, jpeg, n, path, err);
    if (fd >= 0 && close(fd) && !rc)
        rc = hpo_fail(err, HPO_EIO, "%s: %s", path, strerror(errno));
    tjFree(jpeg);
    return rc;
}

static int write_class(tjhandle tj, const char *dir, const struct tr_synth_spec *spec, int class,
                       uint8_t *pixels, struct hpo_err *err)
{
    struct arena a = {0};
    int rc = file_mkdirs(arena_printf(&a, "%s/%s", dir, shapes[class].name), err);

    for (int i = 0; i < spec->per_class && !rc; i++) {
        /* The number of classes and of images is no part of a picture's name: a larger set holds
         * the smaller one. */
        struct hpo_rng r = hpo_rng_for(spec->seed, class, -1, "synth", (uint64_t)i);
        struct scene s = draw_scene(&r, shapes[class].inside, spec->noise);

        paint(&s, &r, spec->size, pixels);
        rc = write_jpeg(tj, pixels, spec->size,
                        arena_printf(&a, "%s/%s/%04d.jpg", dir, shapes[class].name, i), err);
    }
    arena_release(&a);
    return rc;
}

static int check(const char *dir, const struct tr_synth_spec *spec, struct hpo_err *err)
{
    DIR *d;
    struct dirent *e;
    bool empty = true;

    if (spec->classes < 2 || spec->classes > (int)HPO_LEN(shapes))
        return hpo_fail(err, HPO_ECONFIG, "%d classes, allowed is 2 to %d", spec->classes,
                        (int)HPO_LEN(shapes));
    if (spec->per_class < 1 || spec->per_class > 1000000)
        return hpo_fail(err, HPO_ECONFIG, "%d images a class, allowed is 1 to 1000000",
                        spec->per_class);
    if (spec->size < 8 || spec->size > MAX_SIZE)
        return hpo_fail(err, HPO_ECONFIG, "size %d, allowed is 8 to %d", spec->size, MAX_SIZE);
    if (!(spec->noise >= 0 && spec->noise <= 1))
        return hpo_fail(err, HPO_ECONFIG, "noise %g, allowed is 0 to 1", spec->noise);
    d = opendir(dir);
    if (!d && errno == ENOENT)
        return 0;
    if (!d)
        return hpo_fail(err, HPO_ECONFIG, "%s: %s", dir, strerror(errno));
    while ((e = readdir(d)))
        empty = empty && (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."));
    closedir(d);
    return empty ? 0 : hpo_fail(err, HPO_ECONFIG, "%s: exists and is not empty", dir);
}

int tr_synth(const char *dir, const struct tr_synth_spec *spec, struct hpo_err *err)
{
    tjhandle tj = NULL;
    uint8_t *pixels = NULL;
    struct arena a = {0};
    int rc = check(dir, spec, err);

    if (!rc)
        rc = file_mkdirs(dir, err);
    if (rc)
        return rc;
    tj = tjInitCompress();
    pixels = malloc((size_t)spec->size * (size_t)spec->size * 3);
    if (!tj || !pixels)
        rc = hpo_fail(err, HPO_ENOMEM, "out of memory");
    for (int c = 0; c < spec->classes && !rc; c++)
        rc = write_class(tj, dir, spec, c, pixels, err);
    /* Half a set would be taken for a whole one, and keep the next call from making it. */
    for (int c = 0; c < spec->classes && rc; c++)
        file_remove_tree(arena_printf(&a, "%s/%s", dir, shapes[c].name), NULL);
    arena_release(&a);
    tjDestroy(tj);
    free(pixels);
    return rc;
}
