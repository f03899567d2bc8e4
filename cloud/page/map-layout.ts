import type { MeshGateway, MeshJson, MeshNode } from "../overview-json.js";

/**
 * Where things stand on the map of the mesh. Nobody knows where a node is, only how many hops it is away: each gateway
 * is the middle of rings, one for each number of hops, and its nodes stand on them.
 */

export interface PlacedNode {
  readonly node: MeshNode;
  readonly gateway: string;
  readonly hops: number;
  readonly x: number;
  readonly y: number;
  /** Where its name goes. */
  readonly anchor: "start" | "middle" | "end";
}

export interface Ring {
  readonly hops: number;
  readonly count: number;
  /** More than are shown one by one. */
  readonly crowded: boolean;
  readonly rx: number;
  readonly ry: number;
}

export interface System {
  readonly gateway: MeshGateway;
  readonly x: number;
  readonly y: number;
  readonly rings: readonly Ring[];
  readonly nodes: readonly PlacedNode[];
}

export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly systems: readonly System[];
  /** Nodes that another gateway hears too. */
  readonly bridges: readonly { readonly from: PlacedNode; readonly to: System; readonly hops: number }[];
  /** Whether there is room for the nodes' names. */
  readonly named: boolean;
}

/** Names fit beside so many nodes of one gateway. */
const NAMED = 20;
/** Room for names beside and for the gateway's below. */
const LABEL = { x: 74, y: 26 };
const CELL = { least: 260, height: 300 };
/** Of many gateways, or of crowded ones: marks without names. */
const SMALL_CELL = { least: 150, height: 160 };
/** Gateways that have room for all that belongs to them. */
const SPACIOUS = 6;
/** Rings are wider than high: pages are, too. */
const STRETCH = 1.9;
const INNERMOST = 0.42;
/** A wedge at the top stays free for the names of the rings. */
const WEDGE = Math.PI / 3;

/** @param width px that there are */
export function layOut(mesh: MeshJson, width: number): Layout {
  const { gateways } = mesh;
  const most = Math.max(
    0,
    ...gateways.map(({ rings }) => rings.reduce((sum, { nodes }) => sum + nodes.length, 0)),
  );
  const crowded = gateways.some(({ rings }) => rings.some(({ count, nodes }) => count > nodes.length));
  const named = most <= NAMED && !crowded && gateways.length <= SPACIOUS;
  const { least, height } = gateways.length <= SPACIOUS ? CELL : SMALL_CELL;
  const columns = Math.max(1, Math.min(gateways.length, Math.floor(width / least)));
  const rows = Math.ceil(gateways.length / columns);
  const cell = { width: width / columns, height };
  const label = named ? LABEL : { x: 14, y: 26 };
  const ry = cell.height / 2 - label.y;
  const rx = Math.max(40, Math.min(cell.width / 2 - label.x, ry * STRETCH));
  const systems = gateways.map((gateway, index) =>
    systemOf(
      gateway,
      (0.5 + (index % columns)) * cell.width,
      (0.5 + Math.floor(index / columns)) * cell.height,
      rx,
      ry,
    ),
  );
  const byName = new Map(systems.map((system) => [system.gateway.name, system]));
  const bridges = systems.flatMap(({ nodes }) =>
    nodes.flatMap((from) =>
      Object.entries(from.node.also ?? {}).flatMap(([name, hops]) => {
        const to = byName.get(name);
        return to === undefined ? [] : [{ from, to, hops }];
      }),
    ),
  );
  return { width, height: rows * cell.height, systems, bridges, named };
}

function systemOf(gateway: MeshGateway, x: number, y: number, rx: number, ry: number): System {
  const scale = (index: number) => {
    const { length } = gateway.rings;
    return length === 1 ? 0.75 : INNERMOST + ((1 - INNERMOST) * index) / (length - 1);
  };
  const rings = gateway.rings.map(({ hops, count, nodes }, index) => ({
    hops,
    count,
    crowded: count > nodes.length,
    rx: round(rx * scale(index)),
    ry: round(ry * scale(index)),
  }));
  // All nodes share the whole turn, whatever their ring, so that no name stands behind another.
  const spokes = gateway.rings.flatMap(({ nodes, hops }, ring) =>
    nodes.map((node) => ({ node, hops, ring })),
  );
  spokes.sort((a, b) => natural.compare(a.node.name, b.node.name));
  const nodes = spokes.map(({ node, hops, ring }, index): PlacedNode => {
    const angle = -Math.PI / 2 + WEDGE / 2 + ((2 * Math.PI - WEDGE) * (index + 0.5)) / spokes.length;
    const side = Math.cos(angle);
    return {
      node,
      gateway: gateway.name,
      hops,
      x: round(x + rings[ring].rx * side),
      y: round(y + rings[ring].ry * Math.sin(angle)),
      anchor: Math.abs(side) < 0.25 ? "middle" : side > 0 ? "start" : "end",
    };
  });
  return { gateway, x: round(x), y: round(y), rings, nodes };
}

const natural = new Intl.Collator("en", { numeric: true });

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
