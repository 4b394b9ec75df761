/*
 * What the driver does with what others send it, without pcscd: compiled with sanitizers and run by handler_test.go.
 *
 *   harness vectors        reads frames.txt, and prints what the driver takes each frame for
 *   harness fuzz N SEED... feeds N inputs made from the seeds to everything that parses; the same ones each time
 *   harness slow           reads a frame that comes an octet now and then, and never to its end
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../handler/conn.h"
#include "../handler/device.h"
#include "../handler/pinpad.h"
#include "../handler/protocol.h"

static void fail(const char *why)
{
	fprintf(stderr, "harness: %s\n", why);
	exit(1);
}

/* exact returns a copy of its own size, so that the sanitizer sees what is read beyond it. */
static uint8_t *exact(const uint8_t *in, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		fail("no memory");
	if (n)
		memcpy(copy, in, n);
	return copy;
}

/* The vectors. */

static size_t unhex(const char *text, uint8_t *out, size_t room)
{
	size_t n = 0;
	unsigned int octet;

	while (n < room && sscanf(text, " %2x", &octet) == 1) {
		out[n++] = (uint8_t)octet;
		text += strspn(text, " ") + 2;
	}
	return n;
}

/* again prints whether the driver writes the same frame. */
static void again(const struct frame *f, const uint8_t *in, size_t n)
{
	uint8_t out[HEADER_LEN + 3 + LINK_LEN + MAX_VERSION], link[LINK_LEN];

	frame_header(out, f->type, f->number, f->len);
	if (memcmp(out, in, HEADER_LEN) != 0)
		fail("another header");
	if (f->type != FRAME_HELLO)
		return;
	memcpy(link, f->payload + 3, LINK_LEN);
	n -= HEADER_LEN + hello_write(out + HEADER_LEN, f->payload[1], f->payload[2], link, "1.2.3");
	if (n != 0 || memcmp(out, in, HEADER_LEN + f->len) != 0)
		fail("another hello");
}

static void print(const char *name, const struct frame *f)
{
	uint8_t version, link[LINK_LEN];
	struct answer a;

	printf("%s: type %02X number %u length %zu", name, f->type, f->number, f->len);
	if (f->type == FRAME_WELCOME)
		printf(" welcome %d", welcome_parse(f, &version, link));
	if (f->type == FRAME_INSERTED || f->type == FRAME_REMOVED)
		printf(" event %d", event_parse(f));
	if (f->type == FRAME_ANSWER || f->type == FRAME_WORKING) {
		int is = answer_parse(f, f->number, &a);

		printf(" answer %d", is);
		if (is == 1)
			printf(" outcome %d body %zu", a.outcome, a.len);
	}
	printf("\n");
}

static void vectors(void)
{
	char line[1024];

	while (fgets(line, sizeof line, stdin)) {
		char *colon = strchr(line, ':');
		uint8_t in[256], *copy;
		struct frame f;
		size_t n;

		if (line[0] == '#' || !colon)
			continue;
		*colon = 0;
		n = unhex(colon + 1, in, sizeof in);
		copy = exact(in, n);
		if (frame_parse(copy, n, &f) != (long)n)
			fail(line);
		again(&f, copy, n);
		print(line, &f);
		free(copy);
	}
}

/* Fuzzing. */

static uint32_t state = 1;

static uint32_t random_below(uint32_t most)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return most ? state % most : 0;
}

static volatile uint8_t last; /* of what was read, so that it is read */

/* as_stream has a connection read the input, as events or as answers. */
static void as_stream(const uint8_t *in, size_t n, size_t room)
{
	int ends[2];
	struct conn c = {.room = room};
	struct frame f;
	struct answer a;
	uint8_t version, link[LINK_LEN];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		fail("no sockets");
	c.fd = ends[0];
	c.buf = malloc(room);
	if (!conn_send(ends[1], in, n))
		fail("cannot send");
	(void)close(ends[1]);
	while (conn_next(&c, &f, FOREVER)) {
		(void)event_parse(&f);
		(void)welcome_parse(&f, &version, link);
		if (answer_parse(&f, f.number, &a) == 1 && a.len > 0)
			last = a.body[a.len - 1];
	}
	free(c.buf);
	(void)close(ends[0]);
}

static void as_device(const uint8_t *in, size_t n)
{
	struct device d;
	char *text = malloc(n + 1);

	memcpy(text, in, n);
	text[n] = 0;
	if (device_parse(text, &d) == DEVICE_READER && (d.socket[0] != '/' || d.slot > 9 || !d.owner[0]))
		fail("an odd device was taken");
	free(text);
}

static void as_pin(const uint8_t *in, size_t n)
{
	uint8_t header[4];

	if (pin_parse(in, n, header) == PIN_OK && (n < 23 || header[1] != 0x20 || memcmp(header, in + 19, 4) != 0))
		fail("an odd PIN structure was taken");
}

static void feed(const uint8_t *in, size_t n, int large)
{
	uint8_t *copy = exact(in, n);

	as_pin(copy, n);
	as_device(copy, n);
	as_stream(copy, n, large ? HEADER_LEN + MAX_PAYLOAD : 1024);
	free(copy);
}

/* mutate changes an input a little. */
static size_t mutate(uint8_t *in, size_t n, size_t room)
{
	for (uint32_t i = 1 + random_below(8); i > 0; i--) {
		uint32_t at = random_below((uint32_t)n);

		switch (random_below(5)) {
		case 0: /* an octet */
			if (n)
				in[at] = (uint8_t)random_below(256);
			break;
		case 1: /* a bit */
			if (n)
				in[at] ^= (uint8_t)(1 << random_below(8));
			break;
		case 2: /* the end is cut off */
			n = at;
			break;
		case 3: /* an octet is put in */
			if (n < room) {
				memmove(in + at + 1, in + at, n - at);
				in[at] = (uint8_t)random_below(256);
				n++;
			}
			break;
		case 4: /* the end comes twice */
			if (n > at && n + (n - at) <= room) {
				memcpy(in + n, in + at, n - at);
				n += n - at;
			}
		}
	}
	return n;
}

static void fuzz(long rounds, char **seeds, int count)
{
	static uint8_t input[4096], seed[1024];

	for (long i = 0; i < rounds; i++) {
		size_t n;
		FILE *f = fopen(seeds[i % count], "rb");

		if (!f)
			fail(seeds[i % count]);
		n = fread(seed, 1, sizeof seed, f);
		(void)fclose(f);
		memcpy(input, seed, n);
		if (i >= count)
			n = mutate(input, n, sizeof input);
		feed(input, n, i / count % 8 == 0);
	}
	printf("%ld inputs\n", rounds);
}

/* slow reads an endless frame, which another process sends until it is gone. */
static void slow(void)
{
	static uint8_t buf[1 << 16];
	int ends[2];
	struct conn c = {.buf = buf, .room = sizeof buf};
	struct frame f;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		fail("no sockets");
	if (fork() == 0) {
		uint8_t header[HEADER_LEN], zero = 0;

		(void)close(ends[0]);
		frame_header(header, FRAME_ANSWER, 1, MAX_PAYLOAD);
		for (int sent = conn_send(ends[1], header, HEADER_LEN); sent; sent = conn_send(ends[1], &zero, 1))
			(void)usleep(10000);
		_exit(0);
	}
	(void)close(ends[1]);
	c.fd = ends[0];
	if (conn_next(&c, &f, 200))
		fail("a frame that never ended");
	printf("given up\n");
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "vectors") == 0)
		vectors();
	else if (argc == 2 && strcmp(argv[1], "slow") == 0)
		slow();
	else if (argc > 3 && strcmp(argv[1], "fuzz") == 0)
		fuzz(atol(argv[2]), argv + 3, argc - 3);
	else
		fail("usage: harness vectors | harness fuzz N SEED... | harness slow");
	return 0;
}
