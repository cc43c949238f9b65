/* hpo/cli/view.h - what a person or a program sees while a study runs. */
#ifndef HPO_CLI_VIEW_H
#define HPO_CLI_VIEW_H

#include <stdbool.h>

#include "hpo/controller.h"
#include "trainer/data/dataset.h"

struct view;

/* One way of showing; each in its own file. */
struct view_ops {
    /* Images are being decoded: done of total. Called often. */
    void (*decoding)(struct view *v, int64_t done, int64_t total);
    /* The data set is open. */
    void (*data)(struct view *v, const struct tr_dataset *d);
    void (*event)(struct view *v, const struct run_event *e, const struct run_view *r);
    /* Put the terminal back in order. Also called when the run failed. */
    void (*close)(struct view *v);
};

extern const struct view_ops view_live;  /* redraws the last lines of a terminal, on stderr */
extern const struct view_ops view_plain; /* a line an event, on stdout */
extern const struct view_ops view_json;  /* a JSON object an event, on stdout */

struct view {
    const struct view_ops *ops;
    bool color;
    double last_draw, started;
    int drawn; /* lines of the live part on the screen */
};

/* json: view_json; else live when stdout and stderr are a terminal that can, else plain. */
void view_init(struct view *v, bool json);

/* NO_COLOR, TERM=dumb and files are respected. */
bool terminal_color(int fd);
int terminal_width(int fd); /* 0: not a terminal */

/* Shared wording. "optimizer.lr=0.05 batch_size=64" */
void view_params(const struct study *s, const struct hpo_trial *t, struct str *ret);
/* "fold 2", or with several seeds "fold 2 seed 1"; into VIEW_FOLD bytes. */
#define VIEW_FOLD 48
const char *view_fold(char *buf, const struct study_config *c, int fold);
/* "accuracy 0.4512 +- 0.0100" */
void view_result(const struct study *s, const struct hpo_trial *t, struct str *ret);
/* "(rung 1, trial 3 promoted) "; nothing in a study without rungs. */
void view_rung(const struct study *s, const struct hpo_trial *t, struct str *ret);
/* The sentence after the last event: why it ended and what to do next. */
void view_summary(const struct study *s, enum run_end end, struct str *ret);
/* "trial 7 complete: accuracy 0.46 ..., best is trial 3 with 0.52" */
void view_trial_end(const struct study *s, const struct hpo_trial *t, struct str *ret);

#endif
