#include "ppi.h"

#include "peripheral.h"
#include "say.h"

#define CHANNELS 20
#define GROUPS 6
#define CHEN 0x500u
#define CHENSET 0x504u
#define CHENCLR 0x508u
#define EEP(n) (0x510u + 8u * (uint32_t)(n))
#define TEP(n) (0x514u + 8u * (uint32_t)(n))
#define CHG(n) (0x800u + 4u * (uint32_t)(n))
#define FORK(n) (0x910u + 4u * (uint32_t)(n))

static void task(Peripheral *p, uint32_t offset);
static void write(Peripheral *p, uint32_t offset, uint32_t value);
static uint32_t read(Peripheral *p, uint32_t offset);

static Peripheral ppi = {
	.name = "PPI", .base = 0x4001F000, .irq = -1, .owner = SOFTDEVICE, .task = task, .write = write, .read = read,
};

void ppiBegin(void)
{
	peripheralAdd(&ppi, 1);
}

uint32_t ppiEnabled(void)
{
	return REGISTER(&ppi, CHEN);
}

void ppiEnable(uint32_t set, uint32_t clear)
{
	/* 20 to 31 have events and tasks of RADIO, TIMER0 and RTC0 built in: the radio is the SoftDevice's here */
	if (set >> CHANNELS)
		refuse("PPI channels 20 to 31 are not modelled: 0x%08x", set);
	REGISTER(&ppi, CHEN) = (REGISTER(&ppi, CHEN) | (set & ((1u << CHANNELS) - 1))) & ~clear;
}

void ppiAssign(int channel, uint32_t event, uint32_t target)
{
	REGISTER(&ppi, EEP(channel)) = event;
	REGISTER(&ppi, TEP(channel)) = target;
}

uint32_t ppiGroup(int group)
{
	return REGISTER(&ppi, CHG(group));
}

void ppiSetGroup(int group, uint32_t channels)
{
	REGISTER(&ppi, CHG(group)) = channels;
}

void ppiGroupTask(int group, int enable)
{
	if (enable)
		ppiEnable(ppiGroup(group), 0);
	else
		ppiEnable(0, ppiGroup(group));
}

static void task(Peripheral *p, uint32_t offset)
{
	(void)p;
	if (offset < 8 * GROUPS)
		ppiGroupTask((int)(offset / 8), !(offset & 4));
}

static void write(Peripheral *p, uint32_t offset, uint32_t value)
{
	if (offset == CHEN)
		ppiEnable(value, ~value);
	else if (offset == CHENSET)
		ppiEnable(value, 0);
	else if (offset == CHENCLR)
		ppiEnable(0, value);
	else
		REGISTER(p, offset) = value;
}

static uint32_t read(Peripheral *p, uint32_t offset)
{
	return offset == CHENSET || offset == CHENCLR ? REGISTER(p, CHEN) : REGISTER(p, offset);
}

void ppiEvent(uint32_t address)
{
	uint32_t enabled = ppiEnabled();

	for (int n = 0; enabled; n++, enabled >>= 1) {
		if (!(enabled & 1) || REGISTER(&ppi, EEP(n)) != address)
			continue;
		if (REGISTER(&ppi, TEP(n)))
			peripheralTask(REGISTER(&ppi, TEP(n)));
		if (REGISTER(&ppi, FORK(n)))
			peripheralTask(REGISTER(&ppi, FORK(n)));
	}
}
