#define _GNU_SOURCE
#include "conn.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

long long now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ready waits for a descriptor until a time, 0 = without end, and reports whether it is ready. */
static int ready(int fd, short events, long long end)
{
	struct pollfd p = {.fd = fd, .events = events};
	int n;

	do {
		long long left = end ? end - now() : -1;

		if (end && left <= 0)
			return 0;
		n = poll(&p, 1, (int)left);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

/* is_owner reports whether uid is the user whom an entry names, by name or number. */
static int is_owner(uid_t uid, const char *owner)
{
	struct passwd entry, *found = NULL;
	char *end, buf[4096];
	unsigned long number = strtoul(owner, &end, 10);

	if (*end == 0)
		return number == uid;
	return getpwnam_r(owner, &entry, buf, sizeof buf, &found) == 0 && found && found->pw_uid == uid;
}

static int listens(int fd, const struct device *d)
{
	struct ucred peer;
	socklen_t n = sizeof peer;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && is_owner(peer.uid, d->owner);
}

int conn_dial(const struct device *d, int *foreign)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct timeval wait = {WELCOME_WAIT / 1000, WELCOME_WAIT % 1000 * 1000};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*foreign = 0;
	if (fd < 0)
		return -1;
	memcpy(to.sun_path, d->socket, sizeof d->socket);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait); /* connect's, when its queue is full */
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) {
		if (listens(fd, d))
			return fd;
		*foreign = 1;
	}
	(void)close(fd);
	return -1;
}

int conn_send(int fd, const uint8_t *data, size_t n)
{
	long long end = now() + WRITE_WAIT;

	while (n > 0) {
		ssize_t sent = send(fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && (errno == EINTR || errno == EAGAIN)) {
			if (!ready(fd, POLLOUT, end))
				return 0;
			continue;
		}
		if (sent <= 0)
			return 0;
		data += sent;
		n -= (size_t)sent;
	}
	return 1;
}

/* receive reads what comes until a time, and reports whether anything did. */
static int receive(struct conn *c, long long end)
{
	ssize_t n;

	if (c->have == c->room)
		return 0; /* a frame that is longer than any that is expected here */
	if (!ready(c->fd, POLLIN, end))
		return 0;
	do
		n = recv(c->fd, c->buf + c->have, c->room - c->have, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return 0;
	c->have += (size_t)n;
	return 1;
}

int conn_next(struct conn *c, struct frame *f, long long milliseconds)
{
	long long end = milliseconds == FOREVER ? 0 : now() + milliseconds;

	c->have -= c->taken;
	memmove(c->buf, c->buf + c->taken, c->have);
	explicit_bzero(c->buf + c->have, c->taken); /* it may have been a card's answer */
	c->taken = 0;
	for (;;) {
		long n = frame_parse(c->buf, c->have, f);

		if (n > 0) {
			c->taken = (size_t)n;
			return 1;
		}
		if (n < 0 || !receive(c, end))
			return 0;
	}
}

int conn_greet(struct conn *c, enum connection which, uint8_t slot, uint8_t link[LINK_LEN])
{
	uint8_t out[HEADER_LEN + 3 + LINK_LEN + MAX_VERSION], theirs;
	size_t n = hello_write(out + HEADER_LEN, which, slot, link, TLAGATE_VERSION);
	struct frame f;

	frame_header(out, FRAME_HELLO, 0, n);
	if (!conn_send(c->fd, out, HEADER_LEN + n) || !conn_next(c, &f, WELCOME_WAIT))
		return -1;
	return welcome_parse(&f, &theirs, link);
}
