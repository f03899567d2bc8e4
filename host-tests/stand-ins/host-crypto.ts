/** Stands in for hal/host/crypto in an image, so that the host's own tests run against the board's primitives. */

import { BoardCrypto } from "../../hal/nrf52/crypto.js";

export const hostCrypto = new BoardCrypto();
