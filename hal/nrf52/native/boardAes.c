#include "boardAes.h"

#include "xsHost.h"

#define BLOCK 16

void boardAesBlock(BoardAes *aes, const uint8_t in[16], uint8_t out[16])
{
	c_memcpy(aes->cleartext, in, BLOCK);
	sd_ecb_block_encrypt(aes);
	c_memcpy(out, aes->ciphertext, BLOCK);
}

static void xorInto(uint8_t *to, const uint8_t *from, uint32_t length)
{
	while (length--)
		*to++ ^= *from++;
}

/* ---- RFC 4493 ---- */

/* §2.3: times x in GF(2^128) */
static void twice(uint8_t block[BLOCK])
{
	uint8_t carry = block[0] & 0x80 ? 0x87 : 0;

	for (int i = 0; i < BLOCK - 1; i++)
		block[i] = (block[i] << 1) | (block[i + 1] >> 7);
	block[BLOCK - 1] = (block[BLOCK - 1] << 1) ^ carry;
}

void boardAesCmac(BoardAes *aes, const uint8_t *message, uint32_t length, uint8_t mac[16])
{
	uint8_t subkey[BLOCK] = { 0 }, x[BLOCK] = { 0 };

	boardAesBlock(aes, subkey, subkey);
	twice(subkey);
	for (; length > BLOCK; message += BLOCK, length -= BLOCK) {
		xorInto(x, message, BLOCK);
		boardAesBlock(aes, x, x);
	}
	xorInto(x, message, length);
	if (length < BLOCK) {
		x[length] ^= 0x80;
		twice(subkey);
	}
	xorInto(x, subkey, BLOCK);
	boardAesBlock(aes, x, mac);
	boardForget(subkey, sizeof(subkey));
}

/* ---- RFC 3610 ---- */

/* §2.2: takes `length` bytes, padded with zeros to whole blocks, into the CBC-MAC; `at` bytes of the block are taken */
static void absorb(BoardAes *aes, uint8_t mac[BLOCK], uint32_t at, const uint8_t *from, uint32_t length)
{
	while (length) {
		uint32_t part = BLOCK - at < length ? BLOCK - at : length;
		xorInto(mac + at, from, part);
		boardAesBlock(aes, mac, mac);
		from += part;
		length -= part;
		at = 0;
	}
}

static void counterBlock(const BoardCcm *ccm, uint32_t counter, uint8_t block[BLOCK])
{
	c_memset(block, 0, BLOCK);
	block[0] = 14 - ccm->nonceLength;
	c_memcpy(block + 1, ccm->nonce, ccm->nonceLength);
	/* at least two bytes are left, and nothing that we send is longer than 2^32 */
	for (int i = BLOCK - 1; i > ccm->nonceLength; i--, counter >>= 8)
		block[i] = counter;
}

/* §2.2: the first block and the additional data */
static void beginMac(BoardAes *aes, const BoardCcm *ccm, uint32_t length, uint8_t mac[BLOCK])
{
	counterBlock(ccm, length, mac);
	mac[0] |= (ccm->aadLength ? 0x40 : 0) | ((ccm->tagLength - 2) / 2) << 3;
	boardAesBlock(aes, mac, mac);
	if (!ccm->aadLength)
		return;
	if (ccm->aadLength < 0xFF00) {
		mac[0] ^= ccm->aadLength >> 8;
		mac[1] ^= ccm->aadLength;
		absorb(aes, mac, 2, ccm->aad, ccm->aadLength);
	}
	else {
		mac[0] ^= 0xFF;
		mac[1] ^= 0xFE;
		for (int i = 0; i < 4; i++)
			mac[2 + i] ^= ccm->aadLength >> (24 - 8 * i);
		absorb(aes, mac, 6, ccm->aad, ccm->aadLength);
	}
}

/* §2.3: in and out the same or apart */
static void applyKeyStream(BoardAes *aes, const BoardCcm *ccm, const uint8_t *in, uint32_t length, uint8_t *out)
{
	uint8_t stream[BLOCK];
	uint32_t counter = 1;

	while (length) {
		uint32_t part = length < BLOCK ? length : BLOCK;
		counterBlock(ccm, counter++, stream);
		boardAesBlock(aes, stream, stream);
		for (uint32_t i = 0; i < part; i++)
			out[i] = in[i] ^ stream[i];
		in += part;
		out += part;
		length -= part;
	}
	boardForget(stream, sizeof(stream));
}

static void endMac(BoardAes *aes, const BoardCcm *ccm, uint8_t mac[BLOCK])
{
	uint8_t stream[BLOCK];

	counterBlock(ccm, 0, stream);
	boardAesBlock(aes, stream, stream);
	xorInto(mac, stream, BLOCK);
	boardForget(stream, sizeof(stream));
}

void boardAesCcmSeal(BoardAes *aes, const BoardCcm *ccm, const uint8_t *in, uint32_t length, uint8_t *out, uint8_t *tag)
{
	uint8_t mac[BLOCK];

	beginMac(aes, ccm, length, mac);
	absorb(aes, mac, 0, in, length);
	applyKeyStream(aes, ccm, in, length, out);
	endMac(aes, ccm, mac);
	c_memcpy(tag, mac, ccm->tagLength);
}

bool boardAesCcmOpen(BoardAes *aes, const BoardCcm *ccm, const uint8_t *in, uint32_t length, const uint8_t *tag, uint8_t *out)
{
	uint8_t mac[BLOCK], difference = 0;

	beginMac(aes, ccm, length, mac);
	applyKeyStream(aes, ccm, in, length, out);
	absorb(aes, mac, 0, out, length);
	endMac(aes, ccm, mac);
	for (int i = 0; i < ccm->tagLength; i++)
		difference |= mac[i] ^ tag[i];
	boardForget(mac, sizeof(mac));
	if (difference)
		c_memset(out, 0, length);
	return 0 == difference;
}
