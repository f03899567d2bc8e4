import { AdType } from "../../firmware/mesh/numbers.js";
import type { AdvertisingBearer, Clock } from "../../hal/hal.js";
import type { Random } from "../random.js";

export type Place = "node" | "gateway";

const ADDRESS = new Uint8Array(6);
const RSSI = -50;
/** From the queue of one to the ears of the others, ms. */
const DELAY = 2;
/** Where everybody is unless told otherwise. */
const ONE_CELL: readonly number[] = [0];

class Member implements AdvertisingBearer {
  onReceive: ((data: Uint8Array, address: Uint8Array, rssi: number) => void) | undefined;
  readonly free = 64;
  readonly place: Place;
  readonly cells: readonly number[];
  listening = true;
  readonly #mesh: IdealMesh;

  constructor(mesh: IdealMesh, place: Place, cells: readonly number[]) {
    this.#mesh = mesh;
    this.place = place;
    this.cells = cells;
  }

  send(data: Uint8Array, _count: number, _interval: number): boolean {
    this.#mesh.transmit(this, data);
    return true;
  }

  listen(on: boolean): void {
    this.listening = on;
  }
}

/** Who hears a member: its messages, and everything else that it sends. */
interface Neighbours {
  readonly ofMessages: readonly Member[];
  readonly ofBeacons: readonly Member[];
}

/**
 * Raw advertisements without radio, for runs of weeks: in a cell every gateway hears every node and every node every
 * gateway, each AD structure once, whole and in order. No airtime, no collisions, no relays; nodes do not hear each
 * other but for beacons, which they thin out by what they hear. Who is in two cells is heard in both.
 */
export class IdealMesh {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #loss: number;
  readonly #members = new Set<Member>();
  readonly #neighbours = new Map<Member, Neighbours>();
  /** AD structures handed to a member. */
  deliveries = 0;

  /** @param loss probability that a member misses an AD structure with all its repetitions */
  constructor(clock: Clock, random: Random, loss = 0) {
    this.#clock = clock;
    this.#random = random;
    this.#loss = loss;
  }

  join(place: Place, cells: readonly number[] = ONE_CELL): AdvertisingBearer {
    const member = new Member(this, place, cells);
    this.#members.add(member);
    this.#neighbours.clear();
    return member;
  }

  leave(bearer: AdvertisingBearer): void {
    this.#members.delete(bearer as Member);
    this.#neighbours.clear();
  }

  /** For {@link Member}. */
  transmit(from: Member, data: Uint8Array): void {
    const bytes = data.slice();
    this.#clock.at(this.#clock.now() + DELAY, () => this.#deliver(from, bytes));
  }

  #deliver(from: Member, bytes: Uint8Array): void {
    const { ofMessages, ofBeacons } = this.#neighboursOf(from);
    for (const member of bytes[1] === AdType.MESH_MESSAGE ? ofMessages : ofBeacons) {
      if (!member.listening || member.onReceive === undefined) continue;
      if (this.#loss > 0 && this.#random.chance(this.#loss)) continue;
      this.deliveries++;
      member.onReceive(bytes, ADDRESS, RSSI);
    }
  }

  #neighboursOf(from: Member): Neighbours {
    const known = this.#neighbours.get(from);
    if (known !== undefined) return known;
    const ofBeacons = [...this.#members].filter(
      (member) => member !== from && member.cells.some((cell) => from.cells.includes(cell)),
    );
    const ofMessages =
      from.place === "gateway" ? ofBeacons : ofBeacons.filter(({ place }) => place === "gateway");
    const neighbours = { ofMessages, ofBeacons };
    this.#neighbours.set(from, neighbours);
    return neighbours;
  }
}
