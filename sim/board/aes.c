#include "aes.h"

#include <string.h>

static uint8_t box[256];

static uint8_t twice(uint8_t x)
{
	return (uint8_t)(x << 1 ^ (x & 0x80 ? 0x1B : 0));
}

static uint8_t rotated(uint8_t x, int by)
{
	return (uint8_t)(x << by | x >> (8 - by));
}

/* FIPS 197 §5.1.1: inverses by powers of 3 and of its inverse, then the affine map */
static void makeBox(void)
{
	uint8_t p = 1, q = 1;

	do {
		p = p ^ twice(p);
		q ^= (uint8_t)(q << 1);
		q ^= (uint8_t)(q << 2);
		q ^= (uint8_t)(q << 4);
		if (q & 0x80)
			q ^= 0x09;
		box[p] = q ^ rotated(q, 1) ^ rotated(q, 2) ^ rotated(q, 3) ^ rotated(q, 4) ^ 0x63;
	} while (p != 1);
	box[0] = 0x63;
}

static void nextKey(uint8_t key[16], uint8_t round)
{
	key[0] ^= box[key[13]] ^ round;
	key[1] ^= box[key[14]];
	key[2] ^= box[key[15]];
	key[3] ^= box[key[12]];
	for (int i = 4; i < 16; i++)
		key[i] ^= key[i - 4];
}

static void mixColumn(uint8_t c[4])
{
	uint8_t all = c[0] ^ c[1] ^ c[2] ^ c[3], first = c[0];

	for (int i = 0; i < 4; i++)
		c[i] ^= all ^ twice(c[i] ^ (i < 3 ? c[i + 1] : first));
}

void aesEncrypt(const uint8_t key[16], const uint8_t in[16], uint8_t out[16])
{
	uint8_t k[16], s[16], shifted[16], round = 1;

	if (!box[0])
		makeBox();
	memcpy(k, key, 16);
	for (int i = 0; i < 16; i++)
		s[i] = in[i] ^ k[i];
	for (int n = 1; n <= 10; n++) {
		for (int i = 0; i < 16; i++)
			shifted[i] = box[s[(i + 4 * (i % 4)) % 16]];
		if (n < 10)
			for (int i = 0; i < 16; i += 4)
				mixColumn(shifted + i);
		nextKey(k, round);
		round = twice(round);
		for (int i = 0; i < 16; i++)
			s[i] = shifted[i] ^ k[i];
	}
	memcpy(out, s, 16);
}
