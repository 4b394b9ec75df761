/*
 * An IFD handler in front of vpcd's that acts like a physical reader, for tests (world.Limits):
 *
 *   - a card that was swapped between two polls is reported absent once, as CCID drivers do: it has no power
 *   - READER_MAX=N: commands of more than N octets are declined
 *   - READER_T0=1: no T=1, and T=0 as bare transport: a case 4 command is declined, one without Le gets 61xx, and a wrong
 *     Le gets 6Cxx
 *
 * It serves one reader of one slot at a time, and forwards the rest.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ifdhandler.h>

static void *vpcd;

static void *symbol(const char *name)
{
	if (!vpcd)
		vpcd = dlopen(getenv("READER_VPCD"), RTLD_NOW | RTLD_LOCAL);
	if (!vpcd) {
		fprintf(stderr, "reader.c: %s\n", dlerror());
		abort();
	}
	return dlsym(vpcd, name);
}

#define REAL(name) ((RESPONSECODE (*)())symbol(name))
#define SLOTS 2
#define SLOT(lun) ((lun) % SLOTS)

/* What the reader of each slot remembers. */
static struct {
	int touched; /* a command came to nothing: the card may be another one */
	UCHAR kept[70000], header[4], sw[2];
	DWORD left, at;
	int exact; /* kept is for the same header with the right Le; else for GET RESPONSE */
} slots[SLOTS];

static RESPONSECODE say(PUCHAR rx, PDWORD rl, UCHAR sw1, UCHAR sw2)
{
	rx[0] = sw1;
	rx[1] = sw2;
	*rl = 2;
	return IFD_SUCCESS;
}

static DWORD wanted(UCHAR le) { return le ? le : 256; }

/* ask has the card execute a command, and keeps its whole answer. */
static RESPONSECODE ask(DWORD lun, SCARD_IO_HEADER pci, PUCHAR tx, DWORD tl)
{
	UCHAR rx[66000], more[5] = {tx[0] & 0x83, 0xC0, 0, 0, 0};
	SCARD_IO_HEADER back = pci;
	int s = SLOT(lun);

	slots[s].left = slots[s].at = 0;
	memcpy(slots[s].header, tx, 4);
	for (;;) {
		DWORD n = sizeof rx;
		RESPONSECODE rc = REAL("IFDHTransmitToICC")(lun, pci, tx, tl, rx, &n, &back);
		if (rc != IFD_SUCCESS || n < 2 || slots[s].left + n > sizeof slots[s].kept) {
			slots[s].touched = 1;
			return IFD_COMMUNICATION_ERROR;
		}
		memcpy(slots[s].kept + slots[s].left, rx, n - 2);
		slots[s].left += n - 2;
		memcpy(slots[s].sw, rx + n - 2, 2);
		if (slots[s].sw[0] != 0x61)
			return IFD_SUCCESS;
		tx = more;
		tl = sizeof more;
	}
}

/* give answers with up to n octets of what is kept. */
static RESPONSECODE give(int s, DWORD n, PUCHAR rx, PDWORD rl)
{
	DWORD left = slots[s].left;

	if (n > left && left > 0) {
		slots[s].exact = 1;
		return say(rx, rl, 0x6C, (UCHAR)left);
	}
	n = n < left ? n : left;
	memcpy(rx, slots[s].kept + slots[s].at, n);
	slots[s].at += n;
	slots[s].left -= n;
	left = slots[s].left;
	say(rx + n, rl, left ? 0x61 : slots[s].sw[0], left ? (left > 255 ? 0 : (UCHAR)left) : slots[s].sw[1]);
	*rl = n + 2;
	return IFD_SUCCESS;
}

/* t0 is the transport of T=0, which knows no command with both data and Le. */
static RESPONSECODE t0(DWORD lun, SCARD_IO_HEADER pci, PUCHAR tx, DWORD tl, PUCHAR rx, PDWORD rl)
{
	int s = SLOT(lun), fetches = tl == 5 && slots[s].left > 0 &&
		(tx[1] == 0xC0 || (slots[s].exact && !memcmp(tx, slots[s].header, 4)));
	UCHAR with_le[4 + 1 + 255 + 1];
	DWORD n = tl;

	if (tl > 5 && tl != 5u + tx[4])
		return IFD_COMMUNICATION_ERROR;
	if (fetches)
		return give(s, wanted(tx[4]), rx, rl);
	slots[s].exact = 0;
	memcpy(with_le, tx, tl);
	if (tl > 5)
		with_le[n++] = 0;
	if (ask(lun, pci, with_le, n) != IFD_SUCCESS)
		return IFD_COMMUNICATION_ERROR;
	if (tl == 5 && slots[s].left > 0)
		return give(s, wanted(tx[4]), rx, rl);
	if (slots[s].left > 0)
		return say(rx, rl, 0x61, slots[s].left > 255 ? 0 : (UCHAR)slots[s].left);
	return say(rx, rl, slots[s].sw[0], slots[s].sw[1]);
}

RESPONSECODE IFDHTransmitToICC(DWORD lun, SCARD_IO_HEADER pci, PUCHAR tx, DWORD tl, PUCHAR rx, PDWORD rl, PSCARD_IO_HEADER back)
{
	const char *max = getenv("READER_MAX");
	RESPONSECODE rc;

	if (max && tl > (DWORD)atoi(max)) {
		*rl = 0;
		return IFD_COMMUNICATION_ERROR;
	}
	if (getenv("READER_T0")) {
		rc = t0(lun, pci, tx, tl, rx, rl);
		if (rc != IFD_SUCCESS)
			*rl = 0;
		return rc;
	}
	rc = REAL("IFDHTransmitToICC")(lun, pci, tx, tl, rx, rl, back);
	if (rc != IFD_SUCCESS || *rl < 2)
		slots[SLOT(lun)].touched = 1;
	return rc;
}

RESPONSECODE IFDHSetProtocolParameters(DWORD lun, DWORD protocol, UCHAR flags, UCHAR a, UCHAR b, UCHAR c)
{
	if (getenv("READER_T0") && protocol == SCARD_PROTOCOL_T1)
		return IFD_PROTOCOL_NOT_SUPPORTED;
	return REAL("IFDHSetProtocolParameters")(lun, protocol, flags, a, b, c);
}

RESPONSECODE IFDHICCPresence(DWORD lun)
{
	if (slots[SLOT(lun)].touched) {
		slots[SLOT(lun)].touched = 0;
		return IFD_ICC_NOT_PRESENT;
	}
	return REAL("IFDHICCPresence")(lun);
}

RESPONSECODE IFDHPowerICC(DWORD lun, DWORD action, PUCHAR atr, PDWORD n)
{
	slots[SLOT(lun)].left = 0;
	return REAL("IFDHPowerICC")(lun, action, atr, n);
}

RESPONSECODE IFDHCreateChannelByName(DWORD lun, LPSTR name) { return REAL("IFDHCreateChannelByName")(lun, name); }
RESPONSECODE IFDHCreateChannel(DWORD lun, DWORD channel) { return REAL("IFDHCreateChannel")(lun, channel); }
RESPONSECODE IFDHCloseChannel(DWORD lun) { return REAL("IFDHCloseChannel")(lun); }
RESPONSECODE IFDHGetCapabilities(DWORD lun, DWORD tag, PDWORD n, PUCHAR value)
{
	return REAL("IFDHGetCapabilities")(lun, tag, n, value);
}
RESPONSECODE IFDHSetCapabilities(DWORD lun, DWORD tag, DWORD n, PUCHAR value)
{
	return REAL("IFDHSetCapabilities")(lun, tag, n, value);
}
RESPONSECODE IFDHControl(DWORD lun, DWORD code, PUCHAR tx, DWORD tl, PUCHAR rx, DWORD rl, LPDWORD n)
{
	return REAL("IFDHControl")(lun, code, tx, tl, rx, rl, n);
}
