/* docs/study-file.md from the tables. */
#include <string.h>

#include "hpo/config_impl.h"
#include "trainer/metric.h"

static const char intro[] =
    "# The study file\n"
    "\n"
    "<!-- Made by `hpo schema --docs`. Change the option tables, not this file. -->\n"
    "\n"
    "A study is one YAML file. `hpo check STUDY.yaml` reads it and runs nothing; all its mistakes\n"
    "are listed at once, as `file:line:column: what is wrong, what is allowed`. `hpo schema` "
    "prints\n"
    "a JSON Schema of it for editors: save that as `study.schema.json` beside your studies and "
    "begin\n"
    "them with `# yaml-language-server: $schema=study.schema.json`.\n"
    "\n"
    "```yaml\n"
    "data: {path: photos/train}        # photos/train/CLASS/IMAGE.jpg\n"
    "study: {metric: balanced_accuracy, trials: 40}\n"
    "trainer:\n"
    "  model: {type: convnet, width: 32}\n"
    "  epochs: 10\n"
    "space:\n"
    "  optimizer.lr:  {type: float, low: 1e-3, high: 1.0, log: true}\n"
    "  model.dropout: {type: float, low: 0.0, high: 0.5, step: 0.1}\n"
    "  batch_size:    {type: categorical, choices: [64, 128, 256]}\n"
    "```\n"
    "\n"
    "Only `data.path` is required, or where no network is trained `objective` and `space`. What is "
    "left\n"
    "out takes the default of the tables below; a section without keys is the same as none. A key "
    "that is\n"
    "not listed is a mistake, never ignored. Numbers are plain decimals (`0.1`, `5e-4`), and "
    "without\n"
    "quotes; booleans are `true` and `false`, not `yes` or `on`; times are `90s`, `15m`, `2h`, "
    "`1h30m`.\n"
    "`null` unsets what has no default. The file is UTF-8 and at most 1 MiB, one document, without "
    "tags; an\n"
    "anchor may name a single value, not a mapping or a list.\n"
    "\n"
    "Where a section picks something by its `type`, the other keys are the options of that type, "
    "and\n"
    "`sampler: random` is short for `sampler: {type: random}`.\n"
    "\n"
    "`--set KEY=VALUE` on the command line, as often as needed, replaces any key before the file "
    "is\n"
    "checked: `--set study.trials=4`, `--set trainer.model=resnet`,\n"
    "`--set 'data.folds={k: 3, run: 1}'`, `--set space.optimizer.lr.high=0.5`. The value is YAML.\n"
    "A relative path in the file starts at the file's folder; in a `--set`, at the working "
    "directory.\n";

static const char objective_text[] =
    "\nUnless the type is `training`, the sections `trainer` and `data` are mistakes, `space` is "
    "needed,\n"
    "and its parameters may have any names (letters, digits, `-`, `_`, `.`). A GPU in "
    "`devices.use` is\n"
    "then any that the machine has, whatever this build can train on.\n\n";

static const char enqueue_row[] =
    "| `enqueue` | a list of mappings from parameters to values | | tried first, in this order: "
    "`[{optimizer.lr: 0.1, batch_size: 64}]`; what a row leaves open the sampler draws |\n";

static const char nested_text[] =
    "\nA part within a part is written in the same way: `{type: TYPE, wrapped: {type: OTHER, KEY: "
    "VALUE}}`,\nor `wrapped: OTHER` for short; at most 8 levels deep.\n";

static const char space_text[] =
    "\n## space\n"
    "\n"
    "What is searched: a dotted path into `trainer` (or `image_size` of `data`), or, where no "
    "network is\n"
    "trained, any name; and its distribution, in Optuna's words. A value that a trial draws takes "
    "the\n"
    "place of the one in the file. Without `space` the study is a single trial.\n"
    "\n"
    "| key | for | meaning |\n"
    "|---|---|---|\n"
    "| `type` | all | `float`, `int` or `categorical` |\n"
    "| `low`, `high` | float, int | the bounds; both are included (a float reaches `high` only "
    "with a "
    "`step`) |\n"
    "| `step` | float, int | only `low`, `low + step`, ...; `high` is lowered to the last of them; "
    "an "
    "int has 1 |\n"
    "| `log` | float, int | uniform in the logarithm; needs `low` above 0 and excludes `step` |\n"
    "| `choices` | categorical | 1 to 1000 different values |\n"
    "| `when` | all | active only while other parameters have these values: `{optimizer.type: "
    "sgd}`, "
    "`{model.type: [convnet, mlp]}` |\n"
    "\n"
    "Bounds and choices must be allowed for the option itself. A whole number is searched with "
    "`int`\n"
    "or `categorical`, a word or a boolean with `categorical`.\n"
    "\n"
    "A parameter that is not active is not drawn, and the trial uses the value of the file. "
    "`when`\n"
    "names other searched parameters that are categorical or int; all of its lines must hold; "
    "circles\n"
    "are mistakes. When the type of a section is searched (`optimizer.type`), the file's section "
    "may\n"
    "hold options of every type that can come up, each trial takes those of its own, and a "
    "parameter\n"
    "that only some of the types have is active for these types alone, without a `when`.\n"
    "\n"
    "A row of `study.enqueue` may give a parameter only where it is active; the value of another "
    "that it\n"
    "is active for is filled in when there is but one.\n"
    "\n"
    "Can be searched:";

static const char fidelity_text[] =
    "\n## fidelity\n"
    "\n"
    "Rungs, from cheap to expensive, each a mapping; without the key there are none, and every "
    "trial is one\n"
    "of the study as it is written. `study.trials` run on the first rung; when all have ended, its "
    "best go\n"
    "on to the next, with the same values, and so on. [fidelity.md](fidelity.md) says more.\n"
    "\n"
    "| key | value | default | meaning |\n"
    "|---|---|---|---|\n";

static const char fidelity_end[] =
    "| `promote` | a number above 0 | `0.25` | to the next rung: below 1 a share of the trials "
    "that finished, at least one; from 1 how many |\n"
    "| `explore` | a whole number, at least 0 | `0` | others, drawn at random, that go on too: "
    "they show how far the rung can be trusted |\n"
    "\n"
    "`trainer.epochs` and so on may be written in full. What a rung leaves out is as in the rest "
    "of "
    "the file;\n"
    "what `space` searches a rung cannot set; the last one has no `promote`.\n";

static void put_table_head(struct str *ret)
{
    str_add(ret, "\n| key | value | default | meaning |\n|---|---|---|---|\n");
}

static void put_row(const struct hpo_section *s, const struct hpo_opt *o, struct arena *a,
                    struct str *ret)
{
    struct words w = {.a = a};

    str_addf(ret, "| `%s` | ", o->name);
    if (s && config_names_of(s, o, &w))
        str_addf(ret, "one of %s", words_join(&w));
    else
        str_add(ret, hpo_opt_allowed(o, a));
    if (o->flags & HPO_OPT_REQUIRED)
        str_add(ret, " | required | ");
    else if (o->def && *o->def)
        str_addf(ret, " | `%s` | ", o->def);
    else
        str_add(ret, " | | ");
    str_addf(ret, "%s |\n", o->help);
}

static void put_metrics(struct str *ret)
{
    str_add(ret, "\nAll of the following are recorded in each epoch of each fold "
                 "([metrics.md](metrics.md) has "
                 "the\nformulas). A trial can be judged by those that say what is better.\n\n"
                 "| metric | better is | classes | meaning |\n|---|---|---|---|\n");
    for (int i = 0; metric_registry[i]; i++) {
        const struct metric_ops *m = metric_registry[i];

        str_addf(ret, "| `%s` | %s | ", m->plugin.name,
                 m->describes  ? ""
                 : m->maximize ? "larger"
                               : "smaller");
        if (m->min_classes)
            str_addf(ret, "%d%s ", m->min_classes, m->max_classes ? "" : " or more");
        str_addf(ret, "| %s |\n", m->plugin.help);
    }
}

static bool has_parts(const struct hpo_section *s)
{
    for (const void *const *k = s->kinds; *k; k++)
        for (const struct hpo_opt *o = hpo_plugin_of(*k)->opts; o && o->name; o++)
            if (o->type == HPO_OPT_PART)
                return true;
    return false;
}

static void put_types(const struct hpo_section *s, struct arena *a, struct str *ret)
{
    str_addf(ret, "`type` is one of the following; without it, `%s`.\n", s->def_type);
    if (has_parts(s))
        str_add(ret, nested_text);
    if (s->opts) {
        str_add(ret, "\nBeside the options of each type:\n");
        put_table_head(ret);
        for (const struct hpo_opt *o = s->opts; o->name; o++)
            put_row(s, o, a, ret);
    }
    for (const void *const *k = s->kinds; *k; k++) {
        const struct hpo_plugin *p = hpo_plugin_of(*k);

        str_addf(ret, "\n### %s: %s\n\n%s.\n", s->path, p->name, p->help);
        if (!p->opts || !p->opts->name)
            continue;
        put_table_head(ret);
        for (const struct hpo_opt *o = p->opts; o->name; o++)
            put_row(NULL, o, a, ret);
    }
}

static void put_section(const struct hpo_section *s, struct arena *a, struct str *ret)
{
    str_addf(ret, "\n## %s\n\n%s.\n", s->path, s->help);
    if (!strcmp(s->path, "objective"))
        str_add(ret, objective_text + 1);
    if (s->kinds) {
        put_types(s, a, ret);
        return;
    }
    put_table_head(ret);
    for (const struct hpo_opt *o = s->opts; o && o->name; o++)
        put_row(s, o, a, ret);
    if (!strcmp(s->path, "study")) {
        str_add(ret, enqueue_row);
        put_metrics(ret);
    }
}

/* "What is looked for." begins a sentence; the tables' help does not. */
static void capitalise(struct str *ret, size_t from)
{
    for (size_t i = from; i + 2 < ret->n; i++)
        if (ret->s[i] == '\n' && ret->s[i + 1] == '\n' && ret->s[i + 2] >= 'a' &&
            ret->s[i + 2] <= 'z')
            ret->s[i + 2] = (char)(ret->s[i + 2] - 'a' + 'A');
}

static void put_path(const char *path, bool *first, struct str *ret)
{
    str_addf(ret, "%s\n`%s`", *first ? "" : ",", path);
    *first = false;
}

/* Those of a table that may change, though the section as a whole may not. */
static void put_changeable(const char *section, const struct hpo_opt *opts, bool *first,
                           struct arena *a, struct str *ret)
{
    for (; opts && opts->name; opts++) {
        const char *path = arena_printf(a, "%s.%s", section, opts->name);

        if (config_may_change(path) || opts->flags & HPO_OPT_PATH)
            put_path(path, first, ret);
    }
}

/* What a study may be run with again. */
static void put_may_change(const struct hpo_section *all, struct arena *a, struct str *ret)
{
    bool first = true;

    str_add(ret,
            "\n`hpo run` with the same file again goes on where the study stopped. In between, "
            "these may\nchange:");
    for (; all->path; all++) {
        if (config_may_change(all->path)) {
            put_path(all->path, &first, ret);
            continue;
        }
        put_changeable(all->path, all->opts, &first, a, ret);
        for (const void *const *k = all->kinds; k && *k; k++)
            put_changeable(all->path, hpo_plugin_of(*k)->opts, &first, a, ret);
        if (!strcmp(all->path, "study"))
            put_path("study.enqueue", &first, ret);
    }
    str_add(ret, ".\n(Another `study.name` is another study; elsewhere, the images must be the "
                 "same.) A parameter\nof `space` may get wider bounds on the same grid, and new "
                 "choices behind the old ones. Anything else\nwould mix results that cannot be "
                 "compared, and is refused with the differences listed.\n");
}

static void put_fidelity(const struct hpo_section *all, struct arena *a, struct str *ret)
{
    str_add(ret, fidelity_text);
    for (int i = 0; config_fidelity_settings[i]; i++) {
        struct config_target t = config_target_of(all, config_fidelity_settings[i]);
        const struct hpo_opt *o = hpo_opt_find(t.section->opts, t.key);

        str_addf(ret, "| `%s` | %s | `%s.%s` of the study | %s |\n", config_fidelity_settings[i],
                 hpo_opt_allowed(o, a), t.section->path, t.key, o->help);
    }
    str_add(ret, fidelity_end);
}

void study_docs_write(struct str *ret)
{
    struct arena a = {0};
    const struct hpo_section *all = study_sections(&a);
    struct words searchable = {.a = &a};
    size_t from;

    str_add(ret, intro);
    put_may_change(all, &a, ret);
    from = ret->n;
    for (const struct hpo_section *s = all; s->path; s++)
        put_section(s, &a, ret);
    capitalise(ret, from);
    put_fidelity(all, &a, ret);
    str_add(ret, space_text);
    config_add_searchable(all, &searchable);
    for (int i = 0; i < searchable.n; i++)
        str_addf(ret, "%s`%s`", i ? ",\n" : "\n", searchable.w[i]);
    str_add(ret, ".\n");
    arena_release(&a);
}
