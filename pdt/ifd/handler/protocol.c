#include "protocol.h"

#include <string.h>

void put32(uint8_t *out, uint32_t v)
{
	out[0] = (uint8_t)(v >> 24);
	out[1] = (uint8_t)(v >> 16);
	out[2] = (uint8_t)(v >> 8);
	out[3] = (uint8_t)v;
}

uint32_t get32(const uint8_t *in)
{
	return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

void frame_header(uint8_t header[HEADER_LEN], uint8_t type, uint32_t number, size_t len)
{
	header[0] = type;
	put32(header + 1, number);
	put32(header + 5, (uint32_t)len);
}

long frame_parse(const uint8_t *in, size_t len, struct frame *f)
{
	uint32_t want;

	if (len < HEADER_LEN)
		return 0;
	want = get32(in + 5);
	if (want > MAX_PAYLOAD)
		return -1;
	if (len - HEADER_LEN < want)
		return 0;
	f->type = in[0];
	f->number = get32(in + 1);
	f->payload = in + HEADER_LEN;
	f->len = want;
	return (long)(HEADER_LEN + want);
}

size_t hello_write(uint8_t out[3 + LINK_LEN + MAX_VERSION], enum connection c, uint8_t slot,
	const uint8_t link[LINK_LEN], const char *version)
{
	size_t n = strnlen(version, MAX_VERSION);

	out[0] = PROTOCOL_VERSION;
	out[1] = (uint8_t)c;
	out[2] = slot;
	memcpy(out + 3, link, LINK_LEN);
	memcpy(out + 3 + LINK_LEN, version, n);
	return 3 + LINK_LEN + n;
}

int welcome_parse(const struct frame *f, uint8_t *version, uint8_t link[LINK_LEN])
{
	if (f->type != FRAME_WELCOME || f->number != 0 || f->len != 2 + LINK_LEN || f->payload[0] > WELCOME_NO_LINK)
		return -1;
	*version = f->payload[1];
	memcpy(link, f->payload + 2, LINK_LEN);
	return f->payload[0];
}

int event_parse(const struct frame *f)
{
	if (f->type == FRAME_INSERTED)
		return f->number != 0 && f->len >= MIN_ATR && f->len <= MAX_ATR;
	return f->type == FRAME_REMOVED && f->len == 0;
}

int answer_parse(const struct frame *f, uint32_t number, struct answer *a)
{
	if (f->number != number)
		return -1;
	if (f->type == FRAME_WORKING)
		return f->len == 0 ? 0 : -1;
	if (f->type != FRAME_ANSWER || f->len < 1 || f->payload[0] > OUTCOME_FAILED)
		return -1;
	a->outcome = (enum outcome)f->payload[0];
	a->body = f->payload + 1;
	a->len = f->len - 1;
	if (a->outcome != OUTCOME_DONE && a->len != 0)
		return -1;
	return 1;
}
