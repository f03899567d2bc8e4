import { OptionNumber } from "../coap/numbers.js";
import { type HasOptions, hasOption } from "../coap/options.js";

/**
 * The order of an observation's notifications (RFC 8613 §4.1.3.5.2, §7.4.1): by their Partial IVs, whatever the outer
 * Observe option says and in whatever order they arrive.
 */
export class NotificationOrder {
  /** The Notification Number: -2 before the first, -1 when that had no Partial IV. */
  #highest = -2;

  /**
   * Whether a verified notification is newer than all before it. One that is older, or came before, is not to be
   * processed. Only the very first may come without a Partial IV.
   */
  accept(partialIv: number | undefined): boolean {
    const number = partialIv ?? -1;
    if (number <= this.#highest) return false;
    this.#highest = number;
    return true;
  }
}

/** Whether a decrypted response is a notification. */
export function isNotification(message: HasOptions): boolean {
  return hasOption(message, OptionNumber.OBSERVE);
}
