#define _GNU_SOURCE
#include "conn.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static void limit(int fd, int option, int milliseconds)
{
	struct timeval t = {milliseconds / 1000, milliseconds % 1000 * 1000};

	(void)setsockopt(fd, SOL_SOCKET, option, &t, sizeof t);
}

void conn_timeout(int fd, int milliseconds) { limit(fd, SO_RCVTIMEO, milliseconds); }

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
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*foreign = 0;
	if (fd < 0)
		return -1;
	memcpy(to.sun_path, d->socket, sizeof d->socket);
	limit(fd, SO_SNDTIMEO, WELCOME_WAIT);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) {
		if (listens(fd, d)) {
			limit(fd, SO_SNDTIMEO, WRITE_WAIT);
			return fd;
		}
		*foreign = 1;
	}
	(void)close(fd);
	return -1;
}

int conn_send(int fd, const uint8_t *data, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, data, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return 0;
		data += sent;
		n -= (size_t)sent;
	}
	return 1;
}

/* receive reads what is there, and reports whether anything was. */
static int receive(struct conn *c)
{
	ssize_t n;

	if (c->have == c->room)
		return 0; /* a frame that is longer than any that is expected here */
	do
		n = recv(c->fd, c->buf + c->have, c->room - c->have, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return 0;
	c->have += (size_t)n;
	return 1;
}

int conn_next(struct conn *c, struct frame *f)
{
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
		if (n < 0 || !receive(c))
			return 0;
	}
}

int conn_greet(struct conn *c, enum connection which, uint8_t slot, uint8_t link[LINK_LEN])
{
	uint8_t out[HEADER_LEN + 3 + LINK_LEN + MAX_VERSION], theirs;
	size_t n = hello_write(out + HEADER_LEN, which, slot, link, TLAGATE_VERSION);
	struct frame f;

	frame_header(out, FRAME_HELLO, 0, n);
	conn_timeout(c->fd, WELCOME_WAIT);
	if (!conn_send(c->fd, out, HEADER_LEN + n) || !conn_next(c, &f))
		return -1;
	return welcome_parse(&f, &theirs, link);
}
