#include "device.h"

#include <string.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* take copies the run of allowed characters at *in, and reports whether it ends at stop and is 1..most long. */
static int take(const char **in, char *out, size_t most, const char *allowed, char stop)
{
	size_t n = strspn(*in, allowed);

	if (n < 1 || n > most || (*in)[n] != stop)
		return 0;
	memcpy(out, *in, n);
	out[n] = 0;
	*in += n + (stop != 0);
	return 1;
}

enum device_kind device_parse(const char *name, struct device *d)
{
	char slot[2];

	if (strcmp(name, "ifd:none") == 0)
		return DEVICE_PLACEHOLDER;
	if (strncmp(name, "ifd:", 4) != 0)
		return DEVICE_WRONG;
	name += 4;
	if (!take(&name, slot, 1, "0123456789", ':') || !take(&name, d->owner, MAX_OWNER, LETTERS "._-", ':') ||
		!take(&name, d->socket, MAX_SOCKET, LETTERS "._-@=/", 0) || d->socket[0] != '/')
		return DEVICE_WRONG;
	d->slot = (uint8_t)(slot[0] - '0');
	return DEVICE_READER;
}
