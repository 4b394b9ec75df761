package startkey

import (
	"fmt"
	"strconv"
	"strings"
)

// maxCode is KEY_MAX of linux/input-event-codes.h.
const maxCode = 0x2FF

// codes has the names of keys that make sense on a terminal, from linux/input-event-codes.h. Other keys are named by
// their number.
var codes = map[string]uint16{
	"KEY_ESC": 1, "KEY_ENTER": 28, "KEY_SPACE": 57, "KEY_KPENTER": 96, "KEY_HOME": 102,
	"KEY_F1": 59, "KEY_F2": 60, "KEY_F3": 61, "KEY_F4": 62, "KEY_F5": 63, "KEY_F6": 64,
	"KEY_F7": 65, "KEY_F8": 66, "KEY_F9": 67, "KEY_F10": 68, "KEY_F11": 87, "KEY_F12": 88,
	"KEY_POWER": 116, "KEY_STOP": 128, "KEY_MENU": 139, "KEY_SLEEP": 142, "KEY_WAKEUP": 143,
	"KEY_PROG1": 148, "KEY_PROG2": 149, "KEY_PROG3": 202, "KEY_PROG4": 203, "KEY_CONNECT": 218,
	"KEY_OK": 0x160, "KEY_SELECT": 0x161, "KEY_POWER2": 0x164,
	"BTN_0": 0x100, "BTN_1": 0x101, "BTN_2": 0x102, "BTN_3": 0x103, "BTN_4": 0x104,
	"BTN_5": 0x105, "BTN_6": 0x106, "BTN_7": 0x107, "BTN_8": 0x108, "BTN_9": 0x109,
}

// Code returns the number of a key, by its name or as a number: "KEY_PROG1", "148", "0x94".
func Code(key string) (uint16, error) {
	if code, ok := codes[strings.ToUpper(key)]; ok {
		return code, nil
	}
	code, err := strconv.ParseUint(key, 0, 16)
	if err != nil || code == 0 || code > maxCode {
		return 0,
			fmt.Errorf("cannot find the key %q: want a name such as KEY_PROG1, or its number "+
				"(linux/input-event-codes.h)", key)
	}
	return uint16(code), nil
}
