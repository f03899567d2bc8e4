/*
 * The primitives of hal.crypto: AES-128 on the chip's own peripheral (boardAes.h), all else on Nordic's Oberon library
 * (nRF5 SDK, external/nrf_oberon), which is constant time and needs no CryptoCell.
 *
 * Keys live in C memory, outside the JavaScript heap: the collector neither copies them about nor leaves them behind.
 */

#include "xsmc.h"
#include "xsHost.h"

#include "boardAes.h"
#include "boardSoftDevice.h"

#include "include/ocrypto_aes_ccm.h"
#include "include/ocrypto_ecdh_p256.h"
#include "include/ocrypto_hmac_sha256.h"

typedef struct {
	uint8_t *bytes;
	xsUnsignedValue length;
} Bytes;

static Bytes readable(xsMachine *the, xsSlot *slot)
{
	Bytes b = { NULL, 0 };
	_xsmcGetBuffer(the, slot, (void **)&b.bytes, &b.length, 0);
	return b;
}

static Bytes writable(xsMachine *the, xsSlot *slot, xsUnsignedValue length)
{
	Bytes b = { NULL, 0 };
	_xsmcGetBuffer(the, slot, (void **)&b.bytes, &b.length, 1);
	if (b.length < length)
		xsRangeError("output too short");
	return b;
}

/* `length` bytes from `at` of a buffer that may be written */
static Bytes within(xsMachine *the, xsSlot *slot, xsIntegerValue at, xsIntegerValue length)
{
	Bytes b = writable(the, slot, 0);
	if ((at < 0) || (length < 0) || ((xsUnsignedValue)at + (xsUnsignedValue)length > b.length))
		xsRangeError("not in the buffer");
	b.bytes += at;
	b.length = length;
	return b;
}

/* ---- AES-CCM ---- */

typedef struct {
	uint8_t keyLength;
	uint8_t tagLength;
	union {
		BoardAes aes;		/* 16 bytes of key */
		uint8_t longKey[32];
	};
} Ccm;

void board_ccm_destructor(void *data)
{
	if (!data)
		return;
	boardForget(data, sizeof(Ccm));
	c_free(data);
}

/* (key, tagLength) */
void board_ccm(xsMachine *the)
{
	Bytes key = readable(the, &xsArg(0));
	int tagLength = xsmcToInteger(xsArg(1));
	Ccm *ccm;

	if ((key.length != 16) && (key.length != 32))
		xsRangeError("key of 16 or 32 bytes needed");
	if ((tagLength != 4) && (tagLength != 8) && (tagLength != 16))
		xsRangeError("tag of 4, 8 or 16 bytes needed");
	boardSoftDeviceEnable(the);
	ccm = c_malloc(sizeof(Ccm));
	if (!ccm)
		xsUnknownError("no memory");
	ccm->keyLength = key.length;
	ccm->tagLength = tagLength;
	c_memcpy(key.length == 16 ? ccm->aes.key : ccm->longKey, key.bytes, key.length);
	xsmcSetHostData(xsThis, ccm);
}

void board_ccm_tag_length(xsMachine *the)
{
	xsmcSetInteger(xsResult, ((Ccm *)xsmcGetHostData(xsThis))->tagLength);
}

static void checkNonce(xsMachine *the, xsUnsignedValue nonceLength, xsUnsignedValue textLength)
{
	if ((nonceLength < 7) || (nonceLength > 13))
		xsRangeError("nonce of 7 to 13 bytes needed");
	/* RFC 3610 §2: the length must fit into the 15 − N bytes that the nonce leaves; only N = 13 can fail here. */
	if ((nonceLength == 13) && (textLength > 0xFFFF))
		xsRangeError("message too long for its nonce");
}

/* out takes plaintext and tag, and may be the plaintext's own memory; nonce and aad are the first two arguments */
static void ccmSeal(xsMachine *the, Ccm *ccm, const uint8_t *text, xsUnsignedValue length, uint8_t *out)
{
	Bytes nonce = readable(the, &xsArg(0)), aad = readable(the, &xsArg(1));
	BoardCcm parameters = { nonce.bytes, nonce.length, ccm->tagLength, aad.bytes, aad.length };

	checkNonce(the, nonce.length, length);
	if (ccm->keyLength == 16)
		boardAesCcmSeal(&ccm->aes, &parameters, text, length, out, out + length);
	else
		ocrypto_aes_ccm_encrypt(out, out + length, ccm->tagLength, text, length,
			ccm->longKey, ccm->keyLength, nonce.bytes, nonce.length, aad.bytes, aad.length);
}

/* (nonce, aad, plaintext, out) */
void board_ccm_seal(xsMachine *the)
{
	Ccm *ccm = xsmcGetHostData(xsThis);
	Bytes text = readable(the, &xsArg(2)), out = writable(the, &xsArg(3), text.length + ccm->tagLength);

	ccmSeal(the, ccm, text.bytes, text.length, out.bytes);
}

/* (nonce, aad, bytes, at, length of the plaintext) */
void board_ccm_seal_at(xsMachine *the)
{
	Ccm *ccm = xsmcGetHostData(xsThis);
	xsIntegerValue length = xsmcToInteger(xsArg(4));
	Bytes text = within(the, &xsArg(2), xsmcToInteger(xsArg(3)), length + ccm->tagLength);

	if (length < 0)
		xsRangeError("length below 0");
	ccmSeal(the, ccm, text.bytes, length, text.bytes);
}

/* `length` bytes and the tag behind them; out may be their own memory. Tells whether the tag fits. */
static void ccmOpen(xsMachine *the, Ccm *ccm, const uint8_t *sealed, xsUnsignedValue length, uint8_t *out)
{
	Bytes nonce = readable(the, &xsArg(0)), aad = readable(the, &xsArg(1));
	BoardCcm parameters = { nonce.bytes, nonce.length, ccm->tagLength, aad.bytes, aad.length };
	uint8_t tag[16];
	bool fits;

	checkNonce(the, nonce.length, length);
	/* out may overlap the tag */
	c_memcpy(tag, sealed + length, ccm->tagLength);
	if (ccm->keyLength == 16)
		fits = boardAesCcmOpen(&ccm->aes, &parameters, sealed, length, tag, out);
	else
		fits = 0 == ocrypto_aes_ccm_decrypt(out, tag, ccm->tagLength, sealed, length,
			ccm->longKey, ccm->keyLength, nonce.bytes, nonce.length, aad.bytes, aad.length);
	xsmcSetBoolean(xsResult, fits);
}

/* (nonce, aad, sealed, out) */
void board_ccm_open(xsMachine *the)
{
	Ccm *ccm = xsmcGetHostData(xsThis);
	Bytes sealed = readable(the, &xsArg(2)), out;

	if (sealed.length < ccm->tagLength) {
		xsmcSetFalse(xsResult);
		return;
	}
	out = writable(the, &xsArg(3), sealed.length - ccm->tagLength);
	ccmOpen(the, ccm, sealed.bytes, sealed.length - ccm->tagLength, out.bytes);
}

/* (nonce, aad, bytes, at, length with the tag) */
void board_ccm_open_at(xsMachine *the)
{
	Ccm *ccm = xsmcGetHostData(xsThis);
	Bytes sealed = within(the, &xsArg(2), xsmcToInteger(xsArg(3)), xsmcToInteger(xsArg(4)));

	if (sealed.length < ccm->tagLength) {
		xsmcSetFalse(xsResult);
		return;
	}
	ccmOpen(the, ccm, sealed.bytes, sealed.length - ccm->tagLength, sealed.bytes);
}

/* ---- AES-CMAC ---- */

/* (key, message, out) */
void board_cmac(xsMachine *the)
{
	Bytes key = readable(the, &xsArg(0)), message = readable(the, &xsArg(1)), out = writable(the, &xsArg(2), 16);
	BoardAes aes;

	if (key.length != 16)
		xsRangeError("key of 16 bytes needed");
	boardSoftDeviceEnable(the);
	c_memcpy(aes.key, key.bytes, 16);
	boardAesCmac(&aes, message.bytes, message.length, out.bytes);
	boardForget(&aes, sizeof(aes));
}

/* ---- one AES block ---- */

void board_aes_destructor(void *data)
{
	if (!data)
		return;
	boardForget(data, sizeof(BoardAes));
	c_free(data);
}

/* (key) */
void board_aes(xsMachine *the)
{
	Bytes key = readable(the, &xsArg(0));
	BoardAes *aes;

	if (key.length != 16)
		xsRangeError("key of 16 bytes needed");
	boardSoftDeviceEnable(the);
	aes = c_malloc(sizeof(BoardAes));
	if (!aes)
		xsUnknownError("no memory");
	c_memcpy(aes->key, key.bytes, 16);
	xsmcSetHostData(xsThis, aes);
}

/* (block, out) */
void board_aes_encrypt(xsMachine *the)
{
	BoardAes *aes = xsmcGetHostData(xsThis);
	Bytes block = readable(the, &xsArg(0)), out = writable(the, &xsArg(1), 16);

	if (block.length < 16)
		xsRangeError("block of 16 bytes needed");
	boardAesBlock(aes, block.bytes, out.bytes);
}

/* (block, bytes, at, length): adds the encrypted block */
void board_aes_mask(xsMachine *the)
{
	BoardAes *aes = xsmcGetHostData(xsThis);
	Bytes block = readable(the, &xsArg(0));
	Bytes out = within(the, &xsArg(1), xsmcToInteger(xsArg(2)), xsmcToInteger(xsArg(3)));
	uint8_t pad[16];

	if (block.length < 16)
		xsRangeError("block of 16 bytes needed");
	if (out.length > 16)
		xsRangeError("at most 16 bytes");
	boardAesBlock(aes, block.bytes, pad);
	for (xsUnsignedValue i = 0; i < out.length; i++)
		out.bytes[i] ^= pad[i];
	boardForget(pad, sizeof(pad));
}

/* ---- HKDF-SHA-256 ---- */

#define HASH_BYTES ocrypto_hmac_sha256_BYTES

/* (salt, key, info, out): fills out. The library's own HKDF ends after 32 bytes, so this is RFC 5869 on its HMAC. */
void board_hkdf_sha256(xsMachine *the)
{
	Bytes salt = readable(the, &xsArg(0)), key = readable(the, &xsArg(1)), info = readable(the, &xsArg(2));
	Bytes out = writable(the, &xsArg(3), 0);
	ocrypto_hmac_sha256_ctx hmac;
	uint8_t pseudorandomKey[HASH_BYTES], block[HASH_BYTES];

	if (out.length > 255 * HASH_BYTES)
		xsRangeError("at most 8,160 bytes");
	/* §2.2 */
	ocrypto_hmac_sha256(pseudorandomKey, salt.bytes, salt.length, key.bytes, key.length);
	/* §2.3 */
	for (xsUnsignedValue at = 0, counter = 1; at < out.length; at += HASH_BYTES, counter++) {
		xsUnsignedValue length = out.length - at;
		uint8_t last = counter;
		ocrypto_hmac_sha256_init(&hmac, pseudorandomKey, HASH_BYTES);
		if (at)
			ocrypto_hmac_sha256_update(&hmac, block, HASH_BYTES);
		ocrypto_hmac_sha256_update(&hmac, info.bytes, info.length);
		ocrypto_hmac_sha256_update(&hmac, &last, 1);
		ocrypto_hmac_sha256_final(&hmac, block);
		c_memcpy(out.bytes + at, block, length < HASH_BYTES ? length : HASH_BYTES);
	}
	boardForget(pseudorandomKey, sizeof(pseudorandomKey));
	boardForget(block, sizeof(block));
	boardForget(&hmac, sizeof(hmac));
}

/* ---- P-256 ---- */

/* (privateKey, publicKey): whether privateKey is a valid scalar; fills publicKey with X ‖ Y */
void board_p256_public(xsMachine *the)
{
	Bytes secret = readable(the, &xsArg(0)), out = writable(the, &xsArg(1), 64);

	if (secret.length != 32)
		xsRangeError("private key of 32 bytes needed");
	xsmcSetBoolean(xsResult, 0 == ocrypto_ecdh_p256_public_key(out.bytes, secret.bytes));
}

/* (privateKey, peerPublicKey, out): whether both are valid; fills out with the X coordinate */
void board_p256_secret(xsMachine *the)
{
	Bytes secret = readable(the, &xsArg(0)), peer = readable(the, &xsArg(1)), out = writable(the, &xsArg(2), 32);

	if (secret.length != 32)
		xsRangeError("private key of 32 bytes needed");
	xsmcSetBoolean(xsResult,
		(peer.length == 64) && (0 == ocrypto_ecdh_p256_common_secret(out.bytes, secret.bytes, peer.bytes)));
}

/* ---- random bytes ---- */

/* (out): fills out from the SoftDevice's pool, waiting where the generator has not made enough yet */
void board_random(xsMachine *the)
{
	Bytes out = writable(the, &xsArg(0), 0);
	xsUnsignedValue at = 0;

	boardSoftDeviceEnable(the);
	while (at < out.length) {
		uint8_t available = 0;
		sd_rand_application_bytes_available_get(&available);
		if (available > out.length - at)
			available = out.length - at;
		if (available && (NRF_SUCCESS == sd_rand_application_vector_get(out.bytes + at, available)))
			at += available;
		else
			modDelayMilliseconds(1);
	}
}
