/**
 * The files that make Wireshark and tshark decrypt a capture: one configuration directory, given to them in
 * WIRESHARK_CONFIG_DIR. Pure: names and texts. Formats as Wireshark 4.0 writes and reads them.
 */

import { toHex } from "../../firmware/bytes/hex.js";

export interface ProfileKeys {
  /** A row for each pair of keys and IV Index that is in use: Wireshark tries no IV Index that it is not told of. */
  readonly networks: readonly {
    readonly netKey: Uint8Array;
    readonly appKey: Uint8Array;
    readonly ivIndex: number;
  }[];
  readonly devices: readonly { readonly address: number; readonly deviceKey: Uint8Array }[];
  readonly contexts: readonly {
    readonly senderId: Uint8Array;
    readonly recipientId: Uint8Array;
    readonly masterSecret: Uint8Array;
    readonly masterSalt: Uint8Array;
    readonly idContext?: Uint8Array;
  }[];
}

/** First line of every file with keys: by it a directory is known again as one of ours. */
export const KEY_FILE_MARK =
  "# Keys of an oscore-mesh network. Who has them reads and forges everything in it.";

/** The only algorithm that Wireshark's OSCORE dissector has, by its name there. */
const ALGORITHM = "AES-CCM-16-64-128 (CCM*)";
const COAP_PORT = 5683;

/** The tables with keys, by file name. */
export function keyFiles({ networks, devices, contexts }: ProfileKeys): Map<string, string> {
  return new Map([
    [
      "btmesh_nw_keys",
      table(
        networks.map(({ netKey, appKey, ivIndex }) => [
          prefixed(toHex(netKey)),
          prefixed(toHex(appKey)),
          prefixed(ivIndex.toString(16).padStart(8, "0")),
        ]),
      ),
    ],
    [
      "btmesh_dev_keys",
      table(
        devices.map(({ deviceKey, address }) => [
          prefixed(toHex(deviceKey)),
          prefixed(address.toString(16).padStart(4, "0")),
        ]),
      ),
    ],
    [
      "oscore_contexts",
      table(
        contexts.map(({ senderId, recipientId, masterSecret, masterSalt, idContext }) => [
          toHex(senderId),
          toHex(recipientId),
          toHex(masterSecret),
          toHex(masterSalt),
          idContext === undefined ? "" : toHex(idContext),
          ALGORITHM,
        ]),
      ),
    ],
  ]);
}

/** Which device sent a packet, from whom to whom its message goes, and how many hops it may still make. */
export const PREFERENCES = `gui.column.format:
	"No.", "%m",
	"Time", "%t",
	"Device", "%Cus:frame.comment:0:R",
	"From", "%Cus:btmesh.src || ip.src:0:R",
	"To", "%Cus:btmesh.dst || ip.dst:0:R",
	"TTL", "%Cus:btmesh.ttl:0:R",
	"Protocol", "%p",
	"Info", "%i"
`;

/** "Decode As" entries for a server on another port than CoAP's own; empty for that one. */
export function decodeAs(coapPort: number): string {
  return coapPort === COAP_PORT ? "" : `decode_as_entry: udp.port,${coapPort},(none),CoAP\n`;
}

/** One record a line, its fields in quotes; none of ours has a quote in it. */
function table(rows: readonly (readonly string[])[]): string {
  return [KEY_FILE_MARK, ...rows.map((row) => row.map((field) => `"${field}"`).join(",")), ""].join("\n");
}

function prefixed(digits: string): string {
  return `0x${digits}`;
}
