import { RegistryError } from "./errors.js";
import { NODE_KINDS, type NodeKind } from "./model.js";

/** What a person or the provisioning script says about a device. Fields left out keep the value they have. */
export interface NodeSpec {
  /** 1 to 64 characters, unique. */
  readonly name: string;
  /** Default: "node". */
  readonly kind?: NodeKind;
  /** Unicast address in the mesh: by it the gateways' reports give the node's hops. */
  readonly meshAddress?: number;
  readonly place?: string;
  /** Relays may have none. */
  readonly oscore?: OscoreSpec;
  /** 1 (the default): strictly rising, for a node with one request outstanding. Up to 32 where requests may overtake each other. */
  readonly replayWindow?: number;
}

export interface OscoreSpec {
  /** 16 to 64 bytes */
  readonly masterSecret: Uint8Array;
  /** Default: empty. */
  readonly masterSalt?: Uint8Array;
  /** The node's Sender ID: our Recipient ID. */
  readonly nodeId: Uint8Array;
  /** Our Sender ID: the node's Recipient ID. */
  readonly serverId: Uint8Array;
  readonly idContext?: Uint8Array;
  /** COSE number, default 10: AES-CCM-16-64-128. */
  readonly algorithm?: number;
  /**
   * The keys were in use before, with a server whose store is lost. Nobody knows then what was accepted and sent under
   * them, so node and server make new ones out of them before anything is taken (RFC 8613 App. B.2). Changes nothing
   * for keys that this store knows. Default false.
   */
  readonly used?: boolean;
}

export const MAXIMUM_WINDOW = 32;

/** @throws RegistryError with a sentence for a person, which names the field */
export function checkNode(spec: NodeSpec): void {
  checkText("name", spec.name, 1, 64);
  if (spec.kind !== undefined && !NODE_KINDS.includes(spec.kind)) {
    throw new RegistryError(`kind "${spec.kind}": one of ${NODE_KINDS.join(", ")}`);
  }
  if (spec.place !== undefined) checkText("place", spec.place, 0, 120);
  const { meshAddress, replayWindow } = spec;
  if (
    meshAddress !== undefined &&
    !(Number.isInteger(meshAddress) && meshAddress >= 1 && meshAddress <= 0x7fff)
  ) {
    throw new RegistryError(`meshAddress ${meshAddress}: a unicast address is 1 to 32767`);
  }
  if (
    replayWindow !== undefined &&
    !(Number.isInteger(replayWindow) && replayWindow >= 1 && replayWindow <= MAXIMUM_WINDOW)
  ) {
    throw new RegistryError(`replayWindow ${replayWindow}: 1 to ${MAXIMUM_WINDOW}`);
  }
}

function checkText(field: string, value: string, least: number, most: number): void {
  const { length } = [...value];
  if (length < least || length > most) throw new RegistryError(`${field}: ${least} to ${most} characters`);
  if (/\p{Cc}|\p{Cs}|\p{Zl}|\p{Zp}/u.test(value)) throw new RegistryError(`${field}: control characters`);
  if (value !== value.trim()) throw new RegistryError(`${field}: blanks at its ends`);
}
