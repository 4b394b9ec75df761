/*
 * The driver as pcscd runs it, without pcscd: compiled with sanitizers and run by hostile_test.go.
 *
 *   live DEVICENAME   opens a reader, which pcscd's thread for it and a program's use until standard input ends
 */
#include <ifdhandler.h>
#include <pthread.h>
#include <reader.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../handler/pinpad.h"

enum { LUN = 0, LONG_RESPONSE = 65548 };

static pthread_mutex_t calls = PTHREAD_MUTEX_INITIALIZER; /* pcscd's of a reader: one call at a time, but to watch */
static atomic_int ending;
static atomic_int powered; /* the card was, by pcscd: no program uses it before that */
static RESPONSECODE (*watch)(DWORD, int);
static RESPONSECODE (*stop)(DWORD);

/* room is a buffer of its own size, so that the sanitizer sees what is written beyond it. */
static UCHAR *room(size_t n)
{
	UCHAR *p = malloc(n ? n : 1);

	if (!p)
		abort();
	return p;
}

static int present(void)
{
	RESPONSECODE is;

	(void)pthread_mutex_lock(&calls);
	is = IFDHICCPresence(LUN);
	(void)pthread_mutex_unlock(&calls);
	return is == IFD_ICC_PRESENT;
}

static void power(DWORD action)
{
	UCHAR *atr = room(MAX_ATR_SIZE);
	DWORD n = MAX_ATR_SIZE;

	(void)pthread_mutex_lock(&calls);
	if (IFDHPowerICC(LUN, action, atr, &n) == IFD_SUCCESS && n > MAX_ATR_SIZE)
		abort();
	(void)pthread_mutex_unlock(&calls);
	free(atr);
}

static void transmit(size_t space)
{
	static UCHAR command[300] = {0x00, 0xB0};
	SCARD_IO_HEADER pci = {0};
	UCHAR *response = room(space);
	DWORD n = space;

	(void)pthread_mutex_lock(&calls);
	if (IFDHTransmitToICC(LUN, pci, command, sizeof command, response, &n, &pci) == IFD_SUCCESS && n < 2)
		abort();
	(void)pthread_mutex_unlock(&calls);
	free(response);
}

static void verify(size_t space)
{
	UCHAR pin[23] = {[15] = 4, [20] = 0x20};
	UCHAR *response = room(space);
	DWORD n = 0;

	(void)pthread_mutex_lock(&calls);
	if (IFDHControl(LUN, CODE_VERIFY, pin, sizeof pin, response, space, &n) == IFD_SUCCESS && n != 2)
		abort();
	(void)pthread_mutex_unlock(&calls);
	free(response);
}

static void attribute(DWORD tag)
{
	UCHAR *value = room(MAX_ATR_SIZE);
	DWORD n = MAX_ATR_SIZE;

	(void)pthread_mutex_lock(&calls);
	(void)IFDHGetCapabilities(LUN, tag, &n, value);
	(void)pthread_mutex_unlock(&calls);
	free(value);
}

static void *pcscd(void *arg)
{
	int was = 0;

	while (!ending) {
		int is = present();

		if (is && !was)
			power(IFD_POWER_UP);
		powered = was = is;
		(void)watch(LUN, 1000);
	}
	return arg;
}

static void *program(void *arg)
{
	while (!ending) {
		if (!powered || !present()) {
			(void)usleep(1000);
			continue;
		}
		power(IFD_RESET);
		transmit(LONG_RESPONSE);
		transmit(2);
		verify(2);
		verify(0);
		attribute(SCARD_ATTR_ATR_STRING);
		attribute(SCARD_ATTR_VENDOR_IFD_SERIAL_NO);
		(void)stop(LUN);
		power(IFD_POWER_DOWN);
	}
	return arg;
}

static void function(DWORD tag, void *value)
{
	DWORD n = sizeof(void *);

	if (IFDHGetCapabilities(LUN, tag, &n, value) != IFD_SUCCESS)
		abort();
}

int main(int argc, char **argv)
{
	pthread_t threads[2];
	char octet;

	if (argc != 2 || IFDHCreateChannelByName(LUN, argv[1]) != IFD_SUCCESS)
		abort();
	function(TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, &watch);
	function(TAG_IFD_STOP_POLLING_THREAD, &stop);
	if (pthread_create(&threads[0], NULL, pcscd, NULL) || pthread_create(&threads[1], NULL, program, NULL))
		abort();
	while (read(STDIN_FILENO, &octet, 1) > 0)
		;
	ending = 1;
	(void)stop(LUN);
	for (int i = 0; i < 2; i++)
		(void)pthread_join(threads[i], NULL);
	return IFDHCloseChannel(LUN) == IFD_SUCCESS ? 0 : 1;
}
