/*
 * A connection with tla-pdt. Every wait ends, whatever comes in it: by the times given here, or by shutdown(2) from
 * another thread.
 */
#ifndef CONN_H
#define CONN_H

#include <stddef.h>
#include <stdint.h>

#include "device.h"
#include "protocol.h"

struct conn {
	int fd; /* -1 = none */
	uint8_t *buf;
	size_t room, have, taken; /* of buf: all of it, received, taken by the last frame */
};

/* conn_dial connects, and returns the descriptor, or -1. *foreign says that somebody else than the owner listens. */
int conn_dial(const struct device *d, int *foreign);

/* conn_send writes all of it within WRITE_WAIT, and reports whether it did. */
int conn_send(int fd, const uint8_t *data, size_t n);

enum { FOREVER = -1 };

/*
 * conn_next waits so many milliseconds for the whole of the next frame, which is valid until the next call, and reports
 * whether there is one.
 */
int conn_next(struct conn *c, struct frame *f, long long milliseconds);

/* conn_greet sends a hello and returns the status of the welcome, or -1. */
int conn_greet(struct conn *c, enum connection which, uint8_t slot, uint8_t link[LINK_LEN]);

/* now returns a time in milliseconds that never goes back. */
long long now(void);

#endif
