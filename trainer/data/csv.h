/* trainer/data/csv.h - RFC 4180, one record after the other. */
#ifndef HPO_TRAINER_DATA_CSV_H
#define HPO_TRAINER_DATA_CSV_H

#include <stddef.h>
#include <stdint.h>

#define CSV_MAX_FIELDS 16 /* kept; more are counted */

struct csv {
    const char *p, *end;
    size_t max_record; /* bytes */
    int64_t line;      /* of p, from 1 */
    char *buf;         /* max_record + 1 bytes, the caller's: holds the fields of one record */

    /* The record that csv_next found. */
    int64_t at;                        /* its first line */
    const char *field[CSV_MAX_FIELDS]; /* unquoted, NUL-terminated, in buf */
    size_t len[CSV_MAX_FIELDS];
    int n_fields;
    const char *wrong; /* CSV_WRONG: what */
};

enum csv_found { CSV_END, CSV_RECORD, CSV_WRONG };

/* Blank lines are skipped. After CSV_WRONG the next call goes on with the next line. */
enum csv_found csv_next(struct csv *c);

#endif
