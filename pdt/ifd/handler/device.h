/*
 * DEVICENAME in reader.conf: ifd:SLOT:OWNER:SOCKET or ifd:none (docs/driver.md, section 1).
 */
#ifndef DEVICE_H
#define DEVICE_H

#include <stdint.h>

enum { MAX_OWNER = 32, MAX_SOCKET = 107 };

struct device {
	uint8_t slot;
	char owner[MAX_OWNER + 1];
	char socket[MAX_SOCKET + 1];
};

enum device_kind { DEVICE_READER, DEVICE_PLACEHOLDER, DEVICE_WRONG };

/* device_parse takes a DEVICENAME apart. */
enum device_kind device_parse(const char *name, struct device *d);

#endif
