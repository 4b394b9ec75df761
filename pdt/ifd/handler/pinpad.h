/*
 * PC/SC part 10: a reader whose PIN pad is the terminal (docs/driver.md, section 5).
 */
#ifndef PINPAD_H
#define PINPAD_H

#include <stddef.h>
#include <stdint.h>

enum {
	CODE_GET_FEATURES = 0x42000D48, /* SCARD_CTL_CODE(3400) */
	CODE_VERIFY = 0x42330006,
	CODE_PIN_PROPERTIES = 0x4233000A,
	CODE_TLV_PROPERTIES = 0x42330012,
};

enum pin_check { PIN_OK, PIN_MALFORMED, PIN_NOT_VERIFY };

/* pin_parse takes the header of the command that a PIN_VERIFY_STRUCTURE asks for, if the whole holds together. */
enum pin_check pin_parse(const uint8_t *in, size_t len, uint8_t header[4]);

/* The largest of what the next three write. */
enum { MAX_PROPERTIES = 128 };

size_t features(uint8_t out[MAX_PROPERTIES]);
size_t pin_properties(uint8_t out[MAX_PROPERTIES]);
size_t tlv_properties(uint8_t out[MAX_PROPERTIES], const char *version);

#endif
