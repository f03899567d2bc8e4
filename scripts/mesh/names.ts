/** Names of what numbers mean, for people. */

import { isGroup, isUnicast, isVirtual } from "../../firmware/mesh/addresses.js";
import { Config, Health, Status } from "../../firmware/mesh/foundation.js";
import { ControlOpcode, OPCODE_COAP_STATUS } from "../../firmware/mesh/numbers.js";

/** `MODEL_APP_BIND` as `Model App Bind`. */
function words(constant: string): string {
  return constant
    .split("_")
    .map((word) => (/^(LPN|GATT|SIG|TTL)$/.test(word) ? word : word[0] + word.slice(1).toLowerCase()))
    .join(" ")
    .replace("Appkey", "AppKey")
    .replace("Netkey", "NetKey");
}

const ACCESS = new Map<number, string>([
  ...Object.entries(Config).map(([name, opcode]) => [opcode, `Config ${words(name)}`] as const),
  ...Object.entries(Health).map(([name, opcode]) => [opcode, `Health ${words(name)}`] as const),
  [OPCODE_COAP_STATUS, "CoAP Status (vendor)"],
]);
const CONTROL = new Map<number, string>(
  Object.entries(ControlOpcode).map(([name, opcode]) => [opcode, words(name)]),
);
const STATUS = new Map<number, string>(Object.entries(Status).map(([name, code]) => [code, words(name)]));

export function accessOpcodeName(opcode: number): string {
  const known = ACCESS.get(opcode);
  if (known !== undefined) return known;
  if (opcode <= 0xffff) return "opcode of a model that is not known here";
  const company = ((opcode & 0xff) << 8) | ((opcode >> 8) & 0xff);
  return `vendor opcode ${(opcode >> 16) & 0x3f} of company ${hex(company, 4)}`;
}

export function controlOpcodeName(opcode: number): string {
  return CONTROL.get(opcode) ?? "reserved";
}

export function statusName(code: number): string {
  return STATUS.get(code) ?? "reserved";
}

const FIXED = new Map([
  [0xfffc, "all proxies"],
  [0xfffd, "all friends"],
  [0xfffe, "all relays"],
  [0xffff, "all nodes"],
]);

export function addressName(address: number): string {
  if (isUnicast(address)) return `${hex(address, 4)} (unicast)`;
  if (isVirtual(address)) return `${hex(address, 4)} (virtual)`;
  if (isGroup(address)) return `${hex(address, 4)} (${FIXED.get(address) ?? "group"})`;
  return `${hex(address, 4)} (unassigned)`;
}

export function hex(value: number, digits: number): string {
  return `0x${value.toString(16).padStart(digits, "0")}`;
}
