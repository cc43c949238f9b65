/* hpo/worker.h - one process that owns one device: it is told what to train, trains it, and tells
 * how it went. It keeps device, data set and compiled plans from trial to trial.
 *
 * Each slot is a thread with a session of its own. The main thread reads the socket. The worker
 * ignores SIGINT and SIGTERM (the controller decides what a signal means) and is killed by the
 * kernel when the controller dies, whatever it was doing: checkpoints are replaced atomically. */
#ifndef HPO_WORKER_H
#define HPO_WORKER_H

#include "base/err.h"

/* Serve the controller on this socket until it says goodbye. Returns 0, or a code when the worker
 * could not even start (the controller was told why). */
int worker_main(int fd, struct hpo_err *err);

#endif
