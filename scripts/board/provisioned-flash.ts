import type { Identity } from "../../firmware/roles/identity.js";
import { provision } from "../../firmware/roles/provisioning.js";
import { FlashStore, STORE_ADDRESS } from "./flash-store.js";

const FLASH_BYTES = 0x100000;

/** The flash of a board that has an identity and no image yet, as a file for the emulator. */
export function provisionedFlash(identity: Identity): Uint8Array {
  const store = new FlashStore();
  provision(store, identity);
  const flash = new Uint8Array(FLASH_BYTES).fill(0xff);
  flash.set(store.region, STORE_ADDRESS);
  return flash;
}
