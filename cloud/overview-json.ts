import type { NodeKind } from "./model.js";
import type { AlarmKind, DeviceState } from "./watch.js";

/** What the overview's routes give; types alone, because the page has them too. */

/** How it is with everything: counts, whatever their number. */
export interface SummaryJson {
  readonly time: string;
  /** When the server started. */
  readonly started: string;
  readonly nodes: Readonly<Record<DeviceState, number>> & { readonly total: number };
  readonly gateways: { readonly total: number; readonly connected: number };
  readonly relays: number;
  /** °C, least and most of the nodes that are heard. */
  readonly temperature?: readonly [number, number];
  /** Attempts refused since the server started. */
  readonly refused: number;
  readonly alarms: number;
  /** Devices that speak without being registered. */
  readonly unknown?: UnknownJson;
}

export interface AlarmJson {
  /** The same as long as the alarm lasts. */
  readonly id: string;
  readonly kind: AlarmKind;
  readonly node: string;
  readonly device: NodeKind;
  readonly place?: string;
  readonly since?: string;
  /** V */
  readonly battery?: number;
  readonly refused?: number;
}

export interface MeshNode {
  readonly name: string;
  readonly place?: string;
  readonly state: DeviceState;
  /** Other gateways that hear it: name → hops. */
  readonly also?: Readonly<Record<string, number>>;
}

export interface MeshGateway {
  readonly name: string;
  readonly place?: string;
  readonly connected: boolean;
  /** Ascending. `nodes` may be fewer than `count`, where there are many. */
  readonly rings: readonly {
    readonly hops: number;
    readonly count: number;
    readonly nodes: readonly MeshNode[];
  }[];
}

/** Who is heard through which gateway, over how many hops. */
export interface MeshJson {
  readonly gateways: readonly MeshGateway[];
  /** Nodes that no gateway has reported. */
  readonly unheard: { readonly count: number; readonly nodes: readonly MeshNode[] };
  readonly relays: number;
}

export interface UnknownJson {
  /** Since the server started. */
  readonly messages: number;
  /** How many kids were told apart, up to 100. */
  readonly senders: number;
  readonly last: string;
  /** Of the last message. */
  readonly gateway?: string;
  /** The kids that spoke last, in hex. */
  readonly kids: readonly string[];
}
