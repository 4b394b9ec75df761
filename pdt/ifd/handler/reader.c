#define _GNU_SOURCE
#include "ifd_reader.h"

#include <debuglog.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "conn.h"
#include "log.h"

enum { EVENTS_ROOM = 1024 };

static const long long AS_LONG_AS_IT_WORKS = LLONG_MAX / 2;

/* What was last said of tla-pdt in the log. */
enum said { SAID_NOTHING, SAID_AWAY, SAID_FOREIGN, SAID_REFUSED, SAID_FOUND };

static struct reader {
	struct device device;
	int exists, has_thread;
	pthread_t thread; /* has the link, and reads events */
	enum said said;

	pthread_mutex_t asking; /* of who uses requests; taken before mu */
	struct conn requests;
	uint32_t number; /* of the last request */
	uint8_t in[HEADER_LEN + MAX_PAYLOAD], out[HEADER_LEN + MAX_PAYLOAD];

	pthread_mutex_t mu; /* of the rest */
	pthread_cond_t changed;
	int events_fd, requests_fd; /* -1 = none */
	int up, looked, closing;
	uint32_t card; /* its insertion, 0 = none */
	uint8_t atr[MAX_ATR];
	size_t atr_len;
	int powered;
	uint32_t asked;     /* the insertion that a program is known to have asked for */
	int absent;         /* a removal that pcscd has not noticed yet */
	long long returns;  /* when the next card may be seen, in milliseconds */
	int watched;        /* by watcher, pcscd's thread for this reader */
	pthread_t watcher;
	int stop;           /* a stop that it has not noticed yet */
	int told;           /* the last thing that it was told: present? */
	int looks, presents; /* how often it looked since its last wait, and saw a card */
} readers[MAX_READERS];

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare(void)
{
	pthread_condattr_t monotonic;

	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	for (int i = 0; i < MAX_READERS; i++) {
		(void)pthread_mutex_init(&readers[i].asking, NULL);
		(void)pthread_mutex_init(&readers[i].mu, NULL);
		(void)pthread_cond_init(&readers[i].changed, &monotonic);
		readers[i].events_fd = readers[i].requests_fd = readers[i].requests.fd = -1;
	}
	(void)pthread_condattr_destroy(&monotonic);
}

static void lock(struct reader *r) { (void)pthread_mutex_lock(&r->mu); }
static void unlock(struct reader *r) { (void)pthread_mutex_unlock(&r->mu); }
static void notify(struct reader *r) { (void)pthread_cond_broadcast(&r->changed); }

/* wait_until waits for a change, or for a time. The caller has mu. */
static void wait_until(struct reader *r, long long end)
{
	struct timespec t = {(time_t)(end / 1000), (long)(end % 1000 * 1000000)};

	(void)pthread_cond_timedwait(&r->changed, &r->mu, &t);
}

/* The card. The caller of these has mu. */

static int present(const struct reader *r) { return r->up && r->card && !r->absent && now() >= r->returns; }

/* lose latches the removal of the card, if it is that one. */
static void lose(struct reader *r, uint32_t insertion)
{
	if (!r->card || r->card != insertion)
		return;
	r->card = 0;
	r->absent = 1;
	r->powered = 0;
	explicit_bzero(r->atr, sizeof r->atr);
	r->atr_len = 0;
	notify(r);
}

static void insert(struct reader *r, const struct frame *f)
{
	lose(r, r->card);
	r->card = f->number;
	memcpy(r->atr, f->payload, f->len);
	r->atr_len = f->len;
	notify(r);
}

/* has_news reports whether pcscd's thread is to look again. */
static int has_news(const struct reader *r) { return r->stop || r->closing || r->absent || present(r) != r->told; }

/*
 * noticed ends the latch if pcscd's thread saw nothing but an absence in its last round. One that saw a card first may
 * have been about to give power to that, and takes the absence for a failure of it.
 */
static void noticed(struct reader *r)
{
	if (r->absent && r->looks > 0 && r->presents == 0) {
		r->absent = 0;
		r->returns = now() + ABSENCE;
	}
	r->looks = r->presents = 0;
}

int reader_present(int i)
{
	struct reader *r = &readers[i];
	int is;

	lock(r);
	is = present(r);
	if (!r->watched || pthread_equal(r->watcher, pthread_self())) {
		r->told = is;
		r->looks++;
		r->presents += is;
	}
	unlock(r);
	return is;
}

void reader_watch(int i, int milliseconds)
{
	struct reader *r = &readers[i];
	long long end = now() + milliseconds;

	lock(r);
	noticed(r);
	r->watcher = pthread_self();
	r->watched = 1;
	while (!has_news(r) && now() < end)
		wait_until(r, r->card && r->returns > now() && r->returns < end ? r->returns : end);
	r->stop = 0;
	unlock(r);
}

void reader_stop(int i)
{
	struct reader *r = &readers[i];

	lock(r);
	r->stop = 1;
	notify(r);
	unlock(r);
}

/* The link. */

/* hang_up has both connections end; the thread of the link notices. The caller has mu. */
static void hang_up(struct reader *r)
{
	if (r->events_fd >= 0)
		(void)shutdown(r->events_fd, SHUT_RDWR);
	if (r->requests_fd >= 0)
		(void)shutdown(r->requests_fd, SHUT_RDWR);
}

/* publish makes a descriptor known to hang_up, and reports whether to go on. */
static int publish(struct reader *r, int *where, int fd)
{
	int go_on;

	lock(r);
	*where = fd;
	go_on = !r->closing;
	unlock(r);
	return go_on;
}

/* tell logs how it stands with tla-pdt, when that is another than before. */
static void tell(struct reader *r, enum said what, int level, const char *sentence)
{
	if (r->said != what)
		say(level, "reader of slot %d: %s (%s)", r->device.slot, sentence, r->device.socket);
	r->said = what;
}

/* dial makes one of the two connections, and reports whether tla-pdt welcomes it. */
static int dial(struct reader *r, struct conn *c, int *where, enum connection which, uint8_t link[LINK_LEN])
{
	int foreign, status;

	c->have = c->taken = 0;
	c->fd = conn_dial(&r->device, &foreign);
	if (foreign)
		tell(r, SAID_FOREIGN, PCSC_LOG_CRITICAL,
			"another user than the owner named in DEVICENAME listens; nothing is sent to it");
	else if (c->fd < 0)
		tell(r, SAID_AWAY, PCSC_LOG_INFO, "tla-pdt is away");
	if (c->fd < 0 || !publish(r, where, c->fd))
		return 0;
	status = conn_greet(c, which, r->device.slot, link);
	if (status != WELCOME && r->said != SAID_REFUSED)
		say(PCSC_LOG_ERROR, "tla-pdt refuses this driver: status %d", status);
	r->said = status == WELCOME ? r->said : SAID_REFUSED;
	return status == WELCOME;
}

/* join makes the whole link. */
static int join(struct reader *r, struct conn *events)
{
	uint8_t link[LINK_LEN] = {0};

	if (!dial(r, events, &r->events_fd, CONN_EVENTS, link))
		return 0;
	r->requests.buf = r->in;
	r->requests.room = sizeof r->in;
	if (!dial(r, &r->requests, &r->requests_fd, CONN_REQUESTS, link))
		return 0;
	tell(r, SAID_FOUND, PCSC_LOG_INFO, "tla-pdt found");
	lock(r);
	r->number = r->asked = 0;
	r->up = 1;
	unlock(r);
	return 1;
}

/* serve takes events until the link ends. */
static void serve(struct reader *r, struct conn *events)
{
	struct frame f;

	while (conn_next(events, &f, FOREVER) && event_parse(&f)) {
		lock(r);
		if (f.type == FRAME_INSERTED)
			insert(r, &f);
		else
			lose(r, f.number);
		r->looked = 1;
		notify(r);
		unlock(r);
	}
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* part ends the link: the card is gone, and so is a request that is under way. */
static void part(struct reader *r)
{
	lock(r);
	lose(r, r->card);
	r->up = 0;
	hang_up(r);
	unlock(r);
	(void)pthread_mutex_lock(&r->asking);
	lock(r);
	close_fd(&r->events_fd);
	close_fd(&r->requests_fd);
	r->requests.fd = -1;
	r->looked = 1;
	notify(r);
	unlock(r);
	(void)pthread_mutex_unlock(&r->asking);
}

/* rest waits before the next attempt, and reports whether there is to be one. */
static int rest(struct reader *r, int milliseconds)
{
	long long end = now() + milliseconds;
	int go_on;

	lock(r);
	while (!r->closing && now() < end)
		wait_until(r, end);
	go_on = !r->closing;
	unlock(r);
	return go_on;
}

static void *live(void *arg)
{
	struct reader *r = arg;
	uint8_t buf[EVENTS_ROOM];
	struct conn events = {.fd = -1, .buf = buf, .room = sizeof buf};
	int pause = FIRST_PAUSE;

	do {
		int joined = join(r, &events);

		if (joined)
			serve(r, &events);
		part(r);
		pause = joined ? FIRST_PAUSE : 2 * pause < LAST_PAUSE ? 2 * pause : LAST_PAUSE;
	} while (rest(r, pause));
	return NULL;
}

/* start starts the thread of the link, which leaves signals to pcscd, and waits for its first look. */
static void start(struct reader *r)
{
	long long end = now() + FIRST_LOOK;
	sigset_t all, before;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r->has_thread = pthread_create(&r->thread, NULL, live, r) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!r->has_thread)
		say(PCSC_LOG_CRITICAL, "cannot start a thread: the reader stays empty");
	lock(r);
	while (r->has_thread && !r->looked && now() < end)
		wait_until(r, end);
	unlock(r);
}

/* Opening and closing. */

int reader_exists(int i) { return i >= 0 && i < MAX_READERS && readers[i].exists; }

void reader_open(int i, const char *device)
{
	struct reader *r = &readers[i];

	(void)pthread_once(&once, prepare);
	if (r->exists)
		reader_close(i);
	r->exists = 1;
	r->said = SAID_NOTHING;
	r->closing = r->looked = r->watched = r->stop = r->told = r->looks = r->presents = 0;
	switch (device_parse(device, &r->device)) {
	case DEVICE_READER:
		start(r);
		break;
	case DEVICE_PLACEHOLDER:
		break;
	case DEVICE_WRONG:
		say(PCSC_LOG_CRITICAL, "cannot use this DEVICENAME, want ifd:SLOT:OWNER:SOCKET: %s", device);
	}
}

void reader_close(int i)
{
	struct reader *r = &readers[i];

	lock(r);
	r->closing = 1;
	hang_up(r);
	notify(r);
	unlock(r);
	if (r->has_thread)
		(void)pthread_join(r->thread, NULL);
	r->has_thread = r->exists = 0;
}

/* Requests. */

/*
 * patience returns how long a request may take. pcscd lets no program begin before the first power-up of each reader
 * has ended; any other request takes as long as tla-pdt says that it works.
 */
static long long patience(struct reader *r, enum frame_type type)
{
	int opening;

	lock(r);
	opening = !r->watched;
	unlock(r);
	return opening && type == FRAME_POWER_UP ? FIRST_POWER : AS_LONG_AS_IT_WORKS;
}

/* answered waits for the answer to the last request, so long at most. The caller has asking. */
static int answered(struct reader *r, long long most, struct answer *a)
{
	long long end = now() + most;
	struct frame f;
	int is = 0;

	while (is == 0) {
		long long left = end - now();

		is = left > 0 && conn_next(&r->requests, &f, left < SILENCE ? left : SILENCE) ?
			answer_parse(&f, r->number, a) : -1;
	}
	return is > 0;
}

/* is_body reports whether a request can have such an answer. */
static int is_body(enum frame_type type, const struct answer *a)
{
	if (a->outcome != OUTCOME_DONE)
		return 1;
	switch (type) {
	case FRAME_POWER_UP:
	case FRAME_RESET:
		return a->len >= MIN_ATR && a->len <= MAX_ATR;
	case FRAME_TRANSMIT:
		return a->len >= 2 && a->len <= MAX_APDU;
	case FRAME_VERIFY:
		return a->len == 2;
	default:
		return a->len == 0;
	}
}

/* exchange sends a request and waits for its answer. The caller has asking. */
static int exchange(struct reader *r, enum frame_type type, uint32_t insertion, const uint8_t *data, size_t n,
	struct answer *a)
{
	size_t len = HEADER_LEN + 4 + n;
	int sent;

	frame_header(r->out, type, ++r->number, 4 + n);
	put32(r->out + HEADER_LEN, insertion);
	if (n > 0)
		memcpy(r->out + HEADER_LEN + 4, data, n);
	sent = conn_send(r->requests.fd, r->out, len);
	explicit_bzero(r->out, len);
	return sent && answered(r, patience(r, type), a) && is_body(type, a);
}

/* keep remembers what the answer says of the card. The caller has mu. */
static void keep(struct reader *r, enum frame_type type, const struct answer *a)
{
	if (type == FRAME_POWER_UP || type == FRAME_RESET) {
		memcpy(r->atr, a->body, a->len);
		r->atr_len = a->len;
		r->powered = 1;
	} else if (type == FRAME_POWER_DOWN) {
		r->powered = 0;
	}
}

/* conclude draws the consequences of an answer, or of none. */
static void conclude(struct reader *r, int ok, enum frame_type type, uint32_t insertion, const struct answer *a)
{
	lock(r);
	if (!ok)
		hang_up(r);
	if (!ok || a->outcome == OUTCOME_GONE)
		lose(r, insertion);
	else if (a->outcome == OUTCOME_DONE && r->card == insertion)
		keep(r, type, a);
	unlock(r);
}

static uint32_t current(struct reader *r)
{
	uint32_t insertion;

	lock(r);
	insertion = present(r) ? r->card : 0;
	unlock(r);
	return insertion;
}

enum outcome reader_ask(int i, enum frame_type type, const uint8_t *data, size_t n, uint8_t *out, size_t *len)
{
	struct reader *r = &readers[i];
	struct answer a = {OUTCOME_GONE, NULL, 0};
	uint32_t insertion;

	if (n > MAX_APDU)
		return OUTCOME_FAILED;
	(void)pthread_mutex_lock(&r->asking);
	insertion = current(r);
	if (insertion) {
		if (!exchange(r, type, insertion, data, n, &a)) {
			a = (struct answer){OUTCOME_GONE, NULL, 0};
			conclude(r, 0, type, insertion, &a);
		} else {
			conclude(r, 1, type, insertion, &a);
		}
		if (a.len > 0 && a.len <= *len)
			memcpy(out, a.body, a.len);
		explicit_bzero(r->in, r->requests.have);
		r->requests.have = r->requests.taken = 0;
	}
	*len = a.len;
	(void)pthread_mutex_unlock(&r->asking);
	return a.outcome;
}

void reader_asked(int i)
{
	struct reader *r = &readers[i];
	uint8_t frame[HEADER_LEN];

	lock(r);
	if (present(r) && r->asked != r->card) {
		r->asked = r->card;
		frame_header(frame, FRAME_ASKED, r->card, 0);
		(void)send(r->events_fd, frame, sizeof frame, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	unlock(r);
}

/* What programs may know of it. */

size_t reader_atr(int i, uint8_t out[MAX_ATR])
{
	struct reader *r = &readers[i];
	size_t n;

	lock(r);
	n = present(r) ? r->atr_len : 0;
	memcpy(out, r->atr, n);
	unlock(r);
	return n;
}

int reader_powered(int i)
{
	struct reader *r = &readers[i];
	int is;

	lock(r);
	is = present(r) && r->powered;
	unlock(r);
	return is;
}

void reader_serial(int i, char *out, size_t room)
{
	const struct device *d = &readers[i].device;

	(void)snprintf(out, room, "%s:%d", d->owner, d->slot);
}
