import type { Reading } from "../firmware/reading/reading.js";
import type { Device } from "./device.js";
import type { ReadingRecord } from "./model.js";

/**
 * The readings of one request as they are stored. A reading that travelled before keeps its name: Partial IV and place
 * of its first carriage.
 * @param received ms since 1970
 * @param hops between the device and the gateway, as far as that is known
 */
export function recordsOf(
  readings: readonly Reading[],
  device: Device,
  partialIv: number,
  received: number,
  gateway: Device | undefined,
  hops: number | undefined,
): ReadingRecord[] {
  return readings.map(({ age, temperature, humidity, battery, firstCarriage }, index) => ({
    id: 0,
    node: device.record.id,
    time: received - age * 1000,
    temperature,
    humidity,
    battery,
    received,
    gateway: gateway?.record.id,
    hops,
    partialIv: firstCarriage?.partialIv ?? partialIv,
    position: firstCarriage?.index ?? index,
  }));
}
