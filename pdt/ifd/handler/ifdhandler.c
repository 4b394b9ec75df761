/*
 * libtlagate-ifd.so: readers of a Poste de Travail, for pcscd (docs/driver.md). These are the functions of an IFD
 * handler, version 3. pcscd calls those of one reader one at a time, but for the two that watch; those of several
 * readers at once.
 */
#pragma GCC visibility push(default) /* of what this declares, and of nothing else */
#include <ifdhandler.h>
#pragma GCC visibility pop
#include <reader.h>
#include <string.h>

#include "ifd_reader.h"
#include "pinpad.h"
#include "protocol.h"

static int index_of(DWORD lun) { return lun & 0xFFFF ? -1 : (int)(lun >> 16); }

static int exists(DWORD lun) { return lun >> 16 < MAX_READERS && reader_exists(index_of(lun)); }

RESPONSECODE IFDHCreateChannelByName(DWORD Lun, LPSTR DeviceName)
{
	int i = index_of(Lun);

	if (i < 0 || i >= MAX_READERS)
		return IFD_NO_SUCH_DEVICE;
	reader_open(i, DeviceName);
	return IFD_SUCCESS;
}

/* IFDHCreateChannel is for an entry without DEVICENAME: a reader that stays empty. */
RESPONSECODE IFDHCreateChannel(DWORD Lun, DWORD Channel)
{
	char none[] = "";

	(void)Channel;
	return IFDHCreateChannelByName(Lun, none);
}

RESPONSECODE IFDHCloseChannel(DWORD Lun)
{
	if (!exists(Lun))
		return IFD_NO_SUCH_DEVICE;
	reader_close(index_of(Lun));
	return IFD_SUCCESS;
}

/* give copies what a tag asks for. */
static RESPONSECODE give(PDWORD length, PUCHAR value, const void *what, size_t n)
{
	if (*length < n) {
		*length = n;
		return IFD_ERROR_INSUFFICIENT_BUFFER;
	}
	memcpy(value, what, n);
	*length = n;
	return IFD_SUCCESS;
}

static RESPONSECODE give_octet(PDWORD length, PUCHAR value, UCHAR octet) { return give(length, value, &octet, 1); }

static RESPONSECODE give_number(PDWORD length, PUCHAR value, uint32_t number)
{
	return give(length, value, &number, sizeof number);
}

static RESPONSECODE give_text(PDWORD length, PUCHAR value, const char *text)
{
	return give(length, value, text, strlen(text) + 1);
}

static RESPONSECODE watch(DWORD Lun, int timeout)
{
	if (exists(Lun))
		reader_watch(index_of(Lun), timeout);
	return IFD_SUCCESS;
}

static RESPONSECODE stop(DWORD Lun)
{
	if (exists(Lun))
		reader_stop(index_of(Lun));
	return IFD_SUCCESS;
}

static RESPONSECODE give_atr(int i, PDWORD length, PUCHAR value)
{
	uint8_t atr[MAX_ATR];
	size_t n = reader_atr(i, atr);

	return give(length, value, atr, n);
}

static RESPONSECODE give_serial(int i, PDWORD length, PUCHAR value)
{
	char serial[64];

	reader_serial(i, serial, sizeof serial);
	return give_text(length, value, serial);
}

/* driver answers what pcscd asks of the driver itself. */
static RESPONSECODE driver(DWORD Tag, PDWORD Length, PUCHAR Value)
{
	RESPONSECODE (*const watching)(DWORD, int) = watch;
	RESPONSECODE (*const stopping)(DWORD) = stop;

	switch (Tag) {
	case TAG_IFD_SIMULTANEOUS_ACCESS: /* without it, all readers would get the same Lun */
		return give_octet(Length, Value, MAX_READERS);
	case TAG_IFD_THREAD_SAFE: /* without it, a slow card would hold up the other readers */
		return give_octet(Length, Value, 1);
	case TAG_IFD_SLOTS_NUMBER:
		return give_octet(Length, Value, 1);
	case TAG_IFD_POLLING_THREAD_WITH_TIMEOUT:
		return give(Length, Value, &watching, sizeof watching);
	case TAG_IFD_STOP_POLLING_THREAD:
		return give(Length, Value, &stopping, sizeof stopping);
	}
	return IFD_ERROR_TAG;
}

RESPONSECODE IFDHGetCapabilities(DWORD Lun, DWORD Tag, PDWORD Length, PUCHAR Value)
{
	int i = index_of(Lun);
	const UCHAR swallowed = 2;

	if (!exists(Lun))
		return IFD_NO_SUCH_DEVICE;
	switch (Tag) {
	case TAG_IFD_ATR:
	case SCARD_ATTR_ATR_STRING:
		return give_atr(i, Length, Value);
	case SCARD_ATTR_VENDOR_NAME:
		return give_text(Length, Value, "tlagate");
	case SCARD_ATTR_VENDOR_IFD_TYPE:
		return give_text(Length, Value, "terminal reached over a network");
	case SCARD_ATTR_VENDOR_IFD_VERSION:
		return give_number(Length, Value, PROTOCOL_VERSION << 24);
	case SCARD_ATTR_VENDOR_IFD_SERIAL_NO:
		return give_serial(i, Length, Value);
	case SCARD_ATTR_MAXINPUT:
		return give_number(Length, Value, MAX_COMMAND);
	case SCARD_ATTR_ICC_PRESENCE:
		return give_octet(Length, Value, reader_present(i) ? swallowed : 0);
	case SCARD_ATTR_ICC_INTERFACE_STATUS:
		return give_octet(Length, Value, reader_powered(i) ? 1 : 0);
	}
	return driver(Tag, Length, Value);
}

RESPONSECODE IFDHSetCapabilities(DWORD Lun, DWORD Tag, DWORD Length, PUCHAR Value)
{
	(void)Tag, (void)Length, (void)Value;
	return exists(Lun) ? IFD_ERROR_TAG : IFD_NO_SUCH_DEVICE;
}

/* IFDHSetProtocolParameters is what pcscd calls when a program connects. Any protocol will do. */
RESPONSECODE IFDHSetProtocolParameters(DWORD Lun, DWORD Protocol, UCHAR Flags, UCHAR PTS1, UCHAR PTS2, UCHAR PTS3)
{
	(void)Protocol, (void)Flags, (void)PTS1, (void)PTS2, (void)PTS3;
	if (!exists(Lun))
		return IFD_NO_SUCH_DEVICE;
	reader_asked(index_of(Lun));
	return IFD_SUCCESS;
}

static RESPONSECODE result(enum outcome o)
{
	switch (o) {
	case OUTCOME_DONE:
		return IFD_SUCCESS;
	case OUTCOME_GONE:
		return IFD_ICC_NOT_PRESENT;
	case OUTCOME_FAILED:
		break;
	}
	return IFD_COMMUNICATION_ERROR;
}

RESPONSECODE IFDHPowerICC(DWORD Lun, DWORD Action, PUCHAR Atr, PDWORD AtrLength)
{
	size_t n = MAX_ATR;
	enum outcome o;
	enum frame_type type;

	*AtrLength = 0;
	if (!exists(Lun))
		return IFD_NO_SUCH_DEVICE;
	switch (Action) {
	case IFD_POWER_UP:
		type = FRAME_POWER_UP;
		break;
	case IFD_RESET:
		type = FRAME_RESET;
		reader_asked(index_of(Lun));
		break;
	case IFD_POWER_DOWN:
		n = 0;
		return result(reader_ask(index_of(Lun), FRAME_POWER_DOWN, NULL, 0, NULL, &n));
	default:
		return IFD_NOT_SUPPORTED;
	}
	o = reader_ask(index_of(Lun), type, NULL, 0, Atr, &n);
	if (o == OUTCOME_DONE)
		*AtrLength = n;
	return o == OUTCOME_FAILED ? IFD_ERROR_POWER_ACTION : result(o);
}

/* IFDHTransmitToICC tells pcscd the length of a response for which there was no room, without the response. */
RESPONSECODE IFDHTransmitToICC(DWORD Lun, SCARD_IO_HEADER SendPci, PUCHAR TxBuffer, DWORD TxLength, PUCHAR RxBuffer,
	PDWORD RxLength, PSCARD_IO_HEADER RecvPci)
{
	size_t n = *RxLength;
	enum outcome o;

	*RxLength = 0;
	if (!exists(Lun))
		return IFD_NO_SUCH_DEVICE;
	reader_asked(index_of(Lun));
	o = reader_ask(index_of(Lun), FRAME_TRANSMIT, TxBuffer, TxLength, RxBuffer, &n);
	if (o == OUTCOME_DONE)
		*RxLength = n;
	if (RecvPci)
		RecvPci->Protocol = SendPci.Protocol;
	return result(o);
}

RESPONSECODE IFDHICCPresence(DWORD Lun)
{
	if (!exists(Lun))
		return IFD_NO_SUCH_DEVICE;
	return reader_present(index_of(Lun)) ? IFD_ICC_PRESENT : IFD_ICC_NOT_PRESENT;
}

/* verify has the terminal's user verify a PIN (SP4). */
static RESPONSECODE verify(int i, const uint8_t *in, size_t len, PUCHAR RxBuffer, DWORD RxLength, PDWORD returned)
{
	uint8_t header[4];
	size_t n = RxLength;
	enum outcome o;

	if (RxLength < 2)
		return IFD_ERROR_INSUFFICIENT_BUFFER;
	switch (pin_parse(in, len, header)) {
	case PIN_OK:
		break;
	case PIN_NOT_VERIFY:
		return IFD_ERROR_NOT_SUPPORTED;
	case PIN_MALFORMED:
		return IFD_COMMUNICATION_ERROR;
	}
	reader_asked(i);
	o = reader_ask(i, FRAME_VERIFY, header, sizeof header, RxBuffer, &n);
	if (o == OUTCOME_DONE)
		*returned = n;
	return result(o);
}

RESPONSECODE IFDHControl(DWORD Lun, DWORD ControlCode, PUCHAR TxBuffer, DWORD TxLength, PUCHAR RxBuffer,
	DWORD RxLength, LPDWORD ReturnedLength)
{
	uint8_t out[MAX_PROPERTIES];
	size_t n;

	*ReturnedLength = 0;
	if (!exists(Lun))
		return IFD_NO_SUCH_DEVICE;
	switch (ControlCode) {
	case CODE_VERIFY:
		return verify(index_of(Lun), TxBuffer, TxBuffer ? TxLength : 0, RxBuffer, RxLength, ReturnedLength);
	case CODE_GET_FEATURES:
		n = features(out);
		break;
	case CODE_PIN_PROPERTIES:
		n = pin_properties(out);
		break;
	case CODE_TLV_PROPERTIES:
		n = tlv_properties(out, TLAGATE_VERSION);
		break;
	default:
		return IFD_ERROR_NOT_SUPPORTED;
	}
	if (RxLength < n)
		return IFD_ERROR_INSUFFICIENT_BUFFER;
	memcpy(RxBuffer, out, n);
	*ReturnedLength = n;
	return IFD_SUCCESS;
}
