/*
 * What this driver and tla-pdt say to each other: docs/driver.md, sections 3 and 8. Package ifd has the same in Go.
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

enum {
	PROTOCOL_VERSION = 1,
	HEADER_LEN = 9,
	MAX_PAYLOAD = 65552,
	MAX_APDU = 65548, /* what pcscd passes on, either way */
	MAX_COMMAND = 65544, /* the longest command that there is */
	MAX_VERSION = 64,
	LINK_LEN = 8,
	MIN_ATR = 2,
	MAX_ATR = 33,
};

enum frame_type {
	FRAME_HELLO = 0x01,
	FRAME_WELCOME = 0x02,
	FRAME_INSERTED = 0x10,
	FRAME_REMOVED = 0x11,
	FRAME_ASKED = 0x12,
	FRAME_POWER_UP = 0x20,
	FRAME_POWER_DOWN = 0x21,
	FRAME_RESET = 0x22,
	FRAME_TRANSMIT = 0x23,
	FRAME_VERIFY = 0x24,
	FRAME_ANSWER = 0x30,
	FRAME_WORKING = 0x31,
};

enum connection { CONN_EVENTS = 1, CONN_REQUESTS = 2 };

enum welcome { WELCOME = 0, WELCOME_OTHER_VERSION = 1, WELCOME_NO_SLOT = 2, WELCOME_TAKEN = 3, WELCOME_NO_LINK = 4 };

enum outcome { OUTCOME_DONE = 0, OUTCOME_GONE = 1, OUTCOME_FAILED = 2 };

/* Milliseconds. */
enum {
	WELCOME_WAIT = 2000,
	FIRST_LOOK = 4000,
	FIRST_POWER = 4000,
	FIRST_PAUSE = 100,
	LAST_PAUSE = 1000,
	SILENCE = 60000,
	WRITE_WAIT = 10000,
	ABSENCE = 100,
};

struct frame {
	uint8_t type;
	uint32_t number;
	const uint8_t *payload;
	size_t len;
};

struct answer {
	enum outcome outcome;
	const uint8_t *body;
	size_t len;
};

/* frame_header writes the header of a frame. */
void frame_header(uint8_t header[HEADER_LEN], uint8_t type, uint32_t number, size_t len);

/*
 * frame_parse takes the first frame of what was received. It returns how many octets it has, 0 if there are more to
 * come, -1 if it is none.
 */
long frame_parse(const uint8_t *in, size_t len, struct frame *f);

/* hello_write writes the payload of a hello, whose length it returns. */
size_t hello_write(uint8_t out[3 + LINK_LEN + MAX_VERSION], enum connection c, uint8_t slot,
	const uint8_t link[LINK_LEN], const char *version);

/* welcome_parse returns the status of a welcome, or -1 if it is none. */
int welcome_parse(const struct frame *f, uint8_t *version, uint8_t link[LINK_LEN]);

/* event_parse reports whether f is a well-formed inserted or removed. */
int event_parse(const struct frame *f);

/* answer_parse returns 1 for an answer to that request, 0 for a working, -1 for anything else. */
int answer_parse(const struct frame *f, uint32_t number, struct answer *a);

void put32(uint8_t *out, uint32_t v);
uint32_t get32(const uint8_t *in);

#endif
