#include "pinpad.h"

#include <string.h>

#include "protocol.h"

/* Features and properties by their numbers in PC/SC part 10. */
enum { FEATURE_VERIFY = 0x06, FEATURE_PROPERTIES = 0x0A, FEATURE_TLV = 0x12 };
enum { TAG_LCD = 1, TAG_VALIDATION = 2, TAG_TIMEOUT2 = 3, TAG_FIRMWARE = 8, TAG_PPDU = 9 };

/* The user of the terminal ends the entry with a key. */
enum { VALIDATION_KEY = 2 };

/* Where the fields of a PIN_VERIFY_STRUCTURE are. */
enum { AT_DATA_LENGTH = 15, AT_DATA = 19 };

enum { INS_VERIFY = 0x20 };

/* says_length reports whether the field is the length n, in either order of octets: programs differ. */
static int says_length(const uint8_t *field, size_t n)
{
	uint32_t little = (uint32_t)field[3] << 24 | (uint32_t)field[2] << 16 | (uint32_t)field[1] << 8 | field[0];

	return get32(field) == n || little == n;
}

/* is_template reports whether this is a header, alone or with Lc and as many octets. */
static int is_template(const uint8_t *apdu, size_t len)
{
	return len == 4 || (len > 4 && len == 5 + (size_t)apdu[4]);
}

enum pin_check pin_parse(const uint8_t *in, size_t len, uint8_t header[4])
{
	if (len < AT_DATA || !says_length(in + AT_DATA_LENGTH, len - AT_DATA) || !is_template(in + AT_DATA, len - AT_DATA))
		return PIN_MALFORMED;
	if (in[AT_DATA + 1] != INS_VERIFY)
		return PIN_NOT_VERIFY;
	memcpy(header, in + AT_DATA, 4);
	return PIN_OK;
}

static size_t feature(uint8_t *out, uint8_t tag, uint32_t code)
{
	out[0] = tag;
	out[1] = 4;
	put32(out + 2, code);
	return 6;
}

size_t features(uint8_t out[MAX_PROPERTIES])
{
	size_t n = feature(out, FEATURE_VERIFY, CODE_VERIFY);

	n += feature(out + n, FEATURE_PROPERTIES, CODE_PIN_PROPERTIES);
	return n + feature(out + n, FEATURE_TLV, CODE_TLV_PROPERTIES);
}

size_t pin_properties(uint8_t out[MAX_PROPERTIES])
{
	const uint8_t properties[] = {0, 0, VALIDATION_KEY, 0}; /* no display here, and no second timer */

	memcpy(out, properties, sizeof properties);
	return sizeof properties;
}

static size_t tlv(uint8_t *out, uint8_t tag, const void *value, size_t len)
{
	out[0] = tag;
	out[1] = (uint8_t)len;
	memcpy(out + 2, value, len);
	return 2 + len;
}

size_t tlv_properties(uint8_t out[MAX_PROPERTIES], const char *version)
{
	const uint8_t none[2] = {0, 0}, key = VALIDATION_KEY;
	size_t n = tlv(out, TAG_LCD, none, 2);

	n += tlv(out + n, TAG_VALIDATION, &key, 1);
	n += tlv(out + n, TAG_TIMEOUT2, none, 1);
	n += tlv(out + n, TAG_FIRMWARE, version, strnlen(version, MAX_VERSION));
	return n + tlv(out + n, TAG_PPDU, none, 1);
}
