/* What other parts of the board need of the bearer. */

#ifndef BOARD_BEARER_H
#define BOARD_BEARER_H

#include <stdbool.h>

/* Keeps the scanner off, where it was on, so that the SoftDevice finds time for a flash operation at once. */
void boardBearerHold(bool hold);

#endif
