#include "random.h"

#include "snapshot.h"

static uint64_t state[RANDOM_STREAMS];

__attribute__((constructor)) static void begin(void)
{
	snapshotKeep("random", state, sizeof(state));
}

void randomSeed(uint64_t seed)
{
	/* neighbouring seeds must not give the same numbers, one later: the first of each stream is its state */
	for (int i = 0; i < RANDOM_STREAMS; i++) {
		state[i] = seed << 8 | (uint64_t)i;
		state[i] = randomNext((RandomStream)i);
	}
}

/* SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014) */
uint64_t randomNext(RandomStream stream)
{
	uint64_t z = state[stream] += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

void randomBytes(RandomStream stream, uint8_t *to, size_t length)
{
	while (length--)
		*to++ = (uint8_t)randomNext(stream);
}
