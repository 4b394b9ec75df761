/*
 * One reader: its link with tla-pdt, the card in it, and what pcscd has been told of that.
 */
#ifndef IFD_READER_H
#define IFD_READER_H

#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

enum { MAX_READERS = 16 }; /* of a pcscd */

/* reader_open makes the reader of a DEVICENAME. It waits for a first look at tla-pdt, and never fails. */
void reader_open(int i, const char *device);
void reader_close(int i);

/* reader_exists reports whether there is such a reader. */
int reader_exists(int i);

/* reader_present says whether there is a card, to pcscd's own thread or to a program's. */
int reader_present(int i);

/* reader_watch waits for news of that, or for reader_stop. pcscd has one thread for each reader to do so. */
void reader_watch(int i, int milliseconds);
void reader_stop(int i);

/*
 * reader_ask has tla-pdt execute a request for the card that is present. *len is the room in out, then the length of
 * what was answered, which is in out if there was room.
 */
enum outcome reader_ask(int i, enum frame_type type, const uint8_t *data, size_t n, uint8_t *out, size_t *len);

/* reader_asked tells tla-pdt that a program has asked for the card. */
void reader_asked(int i);

/* reader_atr copies the ATR of the card that is present, and returns its length, or 0. */
size_t reader_atr(int i, uint8_t out[MAX_ATR]);

/* reader_powered reports whether that card has power. */
int reader_powered(int i);

/* reader_serial writes OWNER:SLOT. */
void reader_serial(int i, char *out, size_t room);

#endif
