#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
	"nrf52840 [options] IMAGE.elf       runs an nRF52840 + S140 application image\n"
	"nrf52840 --hub PORT [--loss 0.1] [--log FILE]   the air: forwards each frame to all other members\n"
	"\n"
	"  --air PORT           join the hub on 127.0.0.1:PORT; without it, frames only go to --air-log\n"
	"  --air-log FILE       every frame sent and received, as text\n"
	"  --uart N=WHERE       UARTE N on stdio, pty[:LINK] or tcp:PORT (listens); else its lines are printed\n"
	"  --sht3x T,RH | @CSV | none    the SHT3x at I2C 0x44 (default 21.5,45)\n"
	"  --shtc3, --si7021    the same for an SHTC3 at 0x70 and an Si7021 at 0x40 (default none)\n"
	"  --battery MV | none  VDD as the SAADC measures it (default 3000)\n"
	"  --press PIN@S[+S]    a button to ground on a pin (0 to 47), pressed at so many seconds, for 0.1 s or so long (repeatable)\n"
	"  --pins               print each output that changes\n"
	"  --flash FILE         flash kept in FILE across runs (made from the image when it does not exist)\n"
	"  --cut N              power cut in the middle of the Nth flash operation (word or page), exit status 5\n"
	"  --seed N             device id, address and random numbers\n"
	"  --for SECONDS        stop after that much virtual time\n"
	"  --fast               do not wait for wall time (needs no peer that does)\n"
	"  --cpi X              cycles per instruction in the time estimate (1.35)\n"
	"  --watch FUNCTION     print each call of FUNCTION (repeatable)\n"
	"  --status SECONDS     a line of figures so often\n"
	"  --gdb PORT           wait for a debugger on 127.0.0.1:PORT, 0 for any free one\n"
	"  --snapshot FILE[@S]  the whole board into FILE, at so many seconds or at the end; --restore FILE goes on from it\n"
	"  -v, -vv              resets and faults, every SoftDevice call\n"
	"\n"
	"Exit status: 0 ran to the end, 2 wrong usage, 3 fault, 4 more than 20 resets, 5 power cut asked for.\n";

enum {
	HUB = 256, LOSS, LOG, AIR, AIR_LOG, UART, SHT3X, SHTC3, SI7021, BATTERY, PRESS, PINS, FLASH, CUT, SEED, FOR, FAST, CPI,
	WATCH, STATUS, GDB, SNAPSHOT, RESTORE, HELP,
};

static const struct option LIST[] = {
	{ "hub", required_argument, NULL, HUB }, { "loss", required_argument, NULL, LOSS }, { "log", required_argument, NULL, LOG },
	{ "air", required_argument, NULL, AIR }, { "air-log", required_argument, NULL, AIR_LOG },
	{ "uart", required_argument, NULL, UART }, { "sht3x", required_argument, NULL, SHT3X },
	{ "shtc3", required_argument, NULL, SHTC3 }, { "si7021", required_argument, NULL, SI7021 },
	{ "battery", required_argument, NULL, BATTERY }, { "press", required_argument, NULL, PRESS },
	{ "pins", no_argument, NULL, PINS }, { "flash", required_argument, NULL, FLASH }, { "cut", required_argument, NULL, CUT },
	{ "seed", required_argument, NULL, SEED }, { "for", required_argument, NULL, FOR }, { "fast", no_argument, NULL, FAST },
	{ "cpi", required_argument, NULL, CPI }, { "watch", required_argument, NULL, WATCH },
	{ "status", required_argument, NULL, STATUS }, { "gdb", required_argument, NULL, GDB },
	{ "snapshot", required_argument, NULL, SNAPSHOT }, { "restore", required_argument, NULL, RESTORE },
	{ "help", no_argument, NULL, HELP }, { NULL, 0, NULL, 0 },
};

static void usage(const char *why, const char *what)
{
	if (why)
		fprintf(stderr, "%s%s\n\n", why, what);
	fputs(USAGE, why ? stderr : stdout);
	exit(why ? 2 : 0);
}

static double number(const char *option, const char *text, double least, double most)
{
	char *end, message[96];
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= least && value <= most)) {
		snprintf(message, sizeof(message), "--%s wants a number from %g to %g, not ", option, least, most);
		usage(message, text);
	}
	return value;
}

static void takeUart(Options *o, const char *text)
{
	if ((text[0] != '0' && text[0] != '1') || text[1] != '=')
		usage("--uart wants 0=WHERE or 1=WHERE, not ", text);
	o->uart[text[0] - '0'] = text + 2;
}

/* FILE[@SECONDS] */
static void takeSnapshot(Options *o, char *text)
{
	char *at = strrchr(text, '@');

	if (at) {
		*at = 0;
		o->snapshotAt = number("snapshot", at + 1, 0, 1e9);
	}
	o->snapshot = text;
}

Options optionsFrom(int count, char **arguments)
{
	Options o = {
		.sht3x = "21.5,45", .shtc3 = "none", .si7021 = "none", .battery = "3000", .seed = 1, .cpi = 1.35, .seconds = -1, .gdbPort = -1,
		.snapshotAt = -1,
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(count, arguments, "v", LIST, NULL)) != -1) {
		switch (option) {
		case HUB: o.hubPort = (int)number("hub", optarg, 1, 65535); break;
		case LOSS: o.loss = number("loss", optarg, 0, 1); break;
		case LOG: o.log = optarg; break;
		case AIR: o.airPort = (int)number("air", optarg, 1, 65535); break;
		case AIR_LOG: o.airLog = optarg; break;
		case UART: takeUart(&o, optarg); break;
		case SHT3X: o.sht3x = optarg; break;
		case SHTC3: o.shtc3 = optarg; break;
		case SI7021: o.si7021 = optarg; break;
		case BATTERY: o.battery = optarg; break;
		case PRESS:
			if (o.presses == PRESSED)
				usage("--press: too many, with ", optarg);
			o.press[o.presses++] = optarg;
			break;
		case PINS: o.pins = true; break;
		case FLASH: o.flash = optarg; break;
		case CUT: o.cut = (uint32_t)number("cut", optarg, 0, 1e9); break;
		case SEED: o.seed = (uint32_t)number("seed", optarg, 0, 4294967295.0); break;
		case FOR: o.seconds = number("for", optarg, 0, 1e9); break;
		case FAST: o.fast = true; break;
		case CPI: o.cpi = number("cpi", optarg, 0.1, 100); break;
		case WATCH:
			if (o.watches == WATCHED)
				usage("--watch: too many, with ", optarg);
			o.watch[o.watches++] = optarg;
			break;
		case STATUS: o.statusEvery = number("status", optarg, 0.01, 1e6); break;
		case GDB: o.gdbPort = (int)number("gdb", optarg, 0, 65535); break;
		case SNAPSHOT: takeSnapshot(&o, optarg); break;
		case RESTORE: o.restore = optarg; break;
		case HELP: usage(NULL, NULL); break;
		case 'v': o.verbosity++; break;
		default: usage("There is no option ", arguments[optind - 1]); break;
		}
	}
	if (o.hubPort)
		return o;
	if (optind != count - 1)
		usage(optind == count ? "An image is missing" : "One image at a time, not also ", optind == count ? "." : arguments[count - 1]);
	o.image = arguments[optind];
	return o;
}
