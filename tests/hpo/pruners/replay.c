/* Answers for parity_pruners.py: reads studies from stdin, asks a pruner of the registry after
 * every report, prints one line a study with '0' or '1' a question. Values come as a float's text,
 * steps as whole numbers:
 *
 *   study PRUNER MAXIMIZE      then pairs "OPTION VALUE", ended by "end"
 *   trial STATE N              then N pairs "STEP VALUE"; STATE is COMPLETE, PRUNED, FAIL, RUNNING
 *   ask N                      then N pairs: a trial in progress, asked after its last report alone
 *   done                       prints the line */
#include <stdio.h>

#include "curves.h"

static struct hpo_trial *read_trial(struct curves *c, enum hpo_trial_state state, int n)
{
    struct hpo_trial *t = past_add(&c->past, &c->space, NULL, state);
    struct hpo_point *p = ARENA_ARRAY(&c->arena, struct hpo_point, n + 1);
    char value[64];
    long long step;

    for (int i = 0; i < n; i++) {
        if (scanf("%lld %63s", &step, value) != 2)
            return NULL;
        p[i] = (struct hpo_point){step, hpo_value_flip(strtod(value, NULL), c->pruner.maximize)};
    }
    t->points = p;
    t->n_points = n;
    return t;
}

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
    char name[64], word[64], text[16][2][64];
    const char *sets[33];
    enum hpo_trial_state state;
    struct hpo_trial *t;
    struct curves c;
    int maximize, n, rc = 1;

    if (scanf("%63s %d", name, &maximize) != 2 || read_options(sets, text, 16))
        return 1;
    curves_open(&c, name, sets);
    c.pruner.maximize = maximize;
    while (scanf("%63s", word) == 1) {
        if (!strcmp(word, "done")) {
            putchar('\n');
            rc = 0;
            break;
        }
        if (!strcmp(word, "trial")) {
            if (scanf("%63s %d", word, &n) != 2 || !hpo_trial_state_parse(word, &state) ||
                !read_trial(&c, state, n))
                break;
        } else if (!strcmp(word, "ask")) {
            if (scanf("%d", &n) != 1 || !(t = read_trial(&c, HPO_TRIAL_RUNNING, n)))
                break;
            putchar(curves_ask(&c, t) ? '1' : '0');
            c.past.h.n--;
        } else {
            break;
        }
    }
    curves_close(&c);
    return rc;
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
