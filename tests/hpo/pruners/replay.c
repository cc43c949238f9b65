/* Answers for parity_pruners.py: reads studies from stdin, asks a pruner of the registry after
 * every report, prints one line a study with '0' or '1' a question. Values come as a float's text,
 * steps as whole numbers:
 *
 *   study NAME PRUNER MAXIMIZE FOLDS FOLD_STEPS   then pairs "OPTION VALUE", ended by "end"
 *   trial STATE VALUE N   then N pairs "STEP VALUE"; STATE is COMPLETE, PRUNED, FAIL, RUNNING
 *   folds N               of the last trial: N pairs "VALUE EPOCH", fold 0 first
 *   ask N                 then N pairs: a trial in progress, asked after its last report alone
 *   bracket               prints the next trial's bracket and a blank
 *   done                  prints the line */
#include <stdio.h>

#include "curves.h"

static struct hpo_trial *read_trial(struct curves *c, enum hpo_trial_state state)
{
    struct hpo_trial *t;
    struct hpo_point *p;
    char value[64];
    long long step;
    int n;

    if (scanf("%d", &n) != 1)
        return NULL;
    t = past_add(&c->past, &c->space, NULL, state);
    p = ARENA_ARRAY(&c->arena, struct hpo_point, n + 1);
    for (int i = 0; i < n; i++) {
        if (scanf("%lld %63s", &step, value) != 2)
            return NULL;
        p[i] = (struct hpo_point){step, hpo_value_flip(strtod(value, NULL), c->pruner.maximize)};
    }
    t->points = p;
    t->n_points = n;
    return t;
}

static int read_past(struct curves *c)
{
    enum hpo_trial_state state;
    char name[64], value[64];
    struct hpo_trial *t;

    if (scanf("%63s %63s", name, value) != 2 || !hpo_trial_state_parse(name, &state) ||
        !(t = read_trial(c, state)))
        return 1;
    t->value = hpo_value_flip(strtod(value, NULL), c->pruner.maximize);
    return 0;
}

static int read_folds(struct curves *c)
{
    struct hpo_trial *t = (struct hpo_trial *)c->past.trials[c->past.h.n - 1];
    struct hpo_fold *folds;
    char value[64];
    int n, epoch;

    if (scanf("%d", &n) != 1)
        return 1;
    folds = ARENA_ARRAY(&c->arena, struct hpo_fold, n + 1);
    for (int i = 0; i < n; i++) {
        if (scanf("%63s %d", value, &epoch) != 2)
            return 1;
        folds[i] = (struct hpo_fold){.fold = i, .value = strtod(value, NULL), .epoch = epoch};
    }
    t->folds = folds;
    t->n_folds = n;
    return 0;
}

static int read_ask(struct curves *c)
{
    struct hpo_trial *t = read_trial(c, HPO_TRIAL_RUNNING);

    if (!t)
        return 1;
    putchar(curves_ask(c, t) ? '1' : '0');
    c->past.h.n--;
    return 0;
}

static int print_bracket(struct curves *c)
{
    printf("%d ", c->pruner.ops->bracket ? c->pruner.ops->bracket(&c->pruner, c->past.h.n) : 0);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct curves *c);
} commands[] = {
    {"trial", read_past},
    {"folds", read_folds},
    {"ask", read_ask},
    {"bracket", print_bracket},
};

static int read_options(const char **sets, char text[][2][64], int limit)
{
    for (int i = 0; i < limit; i++) {
        if (scanf("%63s", text[i][0]) != 1)
            return 1;
        if (!strcmp(text[i][0], "end")) {
            sets[2 * i] = NULL;
            return 0;
        }
        if (scanf("%63s", text[i][1]) != 1)
            return 1;
        sets[2 * i] = text[i][0];
        sets[2 * i + 1] = text[i][1];
    }
    return 1;
}

static int read_study(void)
{
    char study[64], name[64], word[64], text[16][2][64];
    int maximize, folds, fold_steps, rc = 0;
    const char *sets[33];
    struct curves c;

    if (scanf("%63s %63s %d %d %d", study, name, &maximize, &folds, &fold_steps) != 5 ||
        read_options(sets, text, 16))
        return 1;
    curves_open(&c, name, sets);
    c.pruner.study = study;
    c.pruner.maximize = maximize;
    c.pruner.folds = folds;
    c.pruner.fold_steps = fold_steps;
    while (!rc && scanf("%63s", word) == 1 && strcmp(word, "done")) {
        rc = 1;
        for (size_t i = 0; i < HPO_LEN(commands); i++)
            if (!strcmp(word, commands[i].name))
                rc = commands[i].run(&c);
    }
    putchar('\n');
    curves_close(&c);
    return rc || strcmp(word, "done");
}

int main(void)
{
    char word[64];

    while (scanf("%63s", word) == 1)
        if (strcmp(word, "study") || read_study()) {
            fprintf(stderr, "replay: cannot read this\n");
            return 2;
        }
    return 0;
}
