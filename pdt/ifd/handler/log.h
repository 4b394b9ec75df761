/*
 * pcscd's log. Never an APDU, an ATR or anything else of a card.
 */
#ifndef LOG_H
#define LOG_H

/* say writes a line; level is one of debuglog.h. */
void say(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
