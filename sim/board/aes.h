/* AES-128, encryption of one block (FIPS 197): what the ECB peripheral does. */
#ifndef AES_H
#define AES_H

#include <stdint.h>

void aesEncrypt(const uint8_t key[16], const uint8_t in[16], uint8_t out[16]);

#endif
