import { AdType } from "../../firmware/mesh/numbers.js";
import type { AdvertisingBearer, Clock } from "../../hal/hal.js";
import type { Random } from "../random.js";

export type Place = "node" | "gateway";

const ADDRESS = new Uint8Array(6);
const RSSI = -50;
/** From the queue of one to the ears of the others, ms. */
const DELAY = 2;

class Member implements AdvertisingBearer {
  onReceive: ((data: Uint8Array, address: Uint8Array, rssi: number) => void) | undefined;
  readonly free = 64;
  readonly place: Place;
  readonly #mesh: IdealMesh;

  constructor(mesh: IdealMesh, place: Place) {
    this.#mesh = mesh;
    this.place = place;
  }

  send(data: Uint8Array, _count: number, _interval: number): boolean {
    this.#mesh.transmit(this, data);
    return true;
  }
}

/**
 * Raw advertisements without radio, for runs of weeks: every gateway hears every node and every node every gateway,
 * each AD structure once, whole and in order. No airtime, no collisions, no relays; nodes do not hear each other but
 * for beacons, which they thin out by what they hear.
 */
export class IdealMesh {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #loss: number;
  readonly #members = new Set<Member>();
  /** AD structures handed to a member. */
  deliveries = 0;

  /** @param loss probability that a member misses an AD structure with all its repetitions */
  constructor(clock: Clock, random: Random, loss = 0) {
    this.#clock = clock;
    this.#random = random;
    this.#loss = loss;
  }

  join(place: Place): AdvertisingBearer {
    const member = new Member(this, place);
    this.#members.add(member);
    return member;
  }

  leave(bearer: AdvertisingBearer): void {
    this.#members.delete(bearer as Member);
  }

  /** For {@link Member}. */
  transmit(from: Member, data: Uint8Array): void {
    const bytes = data.slice();
    this.#clock.at(this.#clock.now() + DELAY, () => this.#deliver(from, bytes));
  }

  #deliver(from: Member, bytes: Uint8Array): void {
    const isMessage = bytes[1] === AdType.MESH_MESSAGE;
    for (const member of this.#members) {
      if (member === from || member.onReceive === undefined) continue;
      if (isMessage && member.place === "node" && from.place === "node") continue;
      if (this.#loss > 0 && this.#random.chance(this.#loss)) continue;
      this.deliveries++;
      member.onReceive(bytes, ADDRESS, RSSI);
    }
  }
}
