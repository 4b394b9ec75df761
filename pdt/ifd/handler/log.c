#include "log.h"

#include <debuglog.h>
#include <stdarg.h>
#include <stdio.h>

#pragma weak log_msg /* pcscd has it; a test that loads the driver need not */

void say(int level, const char *format, ...)
{
	char line[256];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(line, sizeof line, format, args);
	va_end(args);
	if (log_msg)
		log_msg(level, "libtlagate-ifd: %s", line);
}
